"""The file that ``PLAZO_CONFIG`` names: settings in TOML or YAML, each with its line.

Names are those of the variables in lower case without ``PLAZO_``. Sections are joined by ``_``, so
``[kafka]`` with ``group`` is ``kafka_group``. Values are read as texts, so that ``grace = "30s"``
means here what it means in the environment, and ``grace = 30`` is refused here as there.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_MOST_BYTES = 1_000_000
_TOML_LINE = re.compile(r"at line (\d+)")
_ONE_VALUE = "must be one value, not a list; several names go into one text, as in `a,b`"


@dataclass(slots=True)
class SettingsFile:
    """Values and lines by name, in lower case; ``faults`` say why others are missing.

    A value that is empty, or null in YAML, is missing: as in the environment, that is unset.
    """

    path: Path
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def place(self, name: str) -> str:
        """Where the value of a name stands, ``plazo.toml:12``."""
        line = self.lines.get(name)
        return f"{self.path}:{line}" if line else str(self.path)

    def _take(self, name: str, value: str | None, line: int) -> None:
        if name in self.lines:
            first = self.lines[name]
            self.faults.append(f"{self.path}:{line}: {name} stands in line {first} already")
            return
        self.lines[name] = line
        if value:
            self.values[name] = value


def read_settings_file(path: Path) -> SettingsFile:
    """Read a file whose name ends in ``.toml``, ``.yaml`` or ``.yml``. It never raises."""
    found = SettingsFile(path)
    kind = path.suffix.lower()
    readers = {".toml": _toml, ".yaml": _yaml, ".yml": _yaml}
    if kind not in readers:
        found.faults.append(f"{path}: its name must end in .toml, .yaml or .yml")
        return found
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            found.faults.append(f"{path}: larger than {_MOST_BYTES} bytes")
            return found
        readers[kind](found, content.decode("utf-8-sig"))
    except OSError as error:
        found.faults.append(f"{path}: cannot be read: {error.strerror}")
    except UnicodeError:
        found.faults.append(f"{path}: is not UTF-8")
    except RecursionError:
        found.faults.append(f"{path}: is nested too deeply")
    return found


def _toml(found: SettingsFile, text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Its message may quote a value, which may be a password: only the place is told.
        place = _TOML_LINE.search(str(error))
        where = f":{place[1]}" if place else ""
        found.faults.append(f"{found.path}{where}: is not TOML")
        return
    for keys, value in _leaves((), document):
        name, line = "_".join(keys).lower(), _line(text, keys)
        if isinstance(value, list):
            found.faults.append(f"{found.path}:{line}: {name} {_ONE_VALUE}")
            found.lines.setdefault(name, line)
        else:
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            found._take(name, shown, line)


def _leaves(above: tuple[str, ...], table: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves((*above, key), value)
        else:
            yield (*above, key), value


def _line(text: str, keys: tuple[str, ...]) -> int:
    """The line of a key; the parser does not tell it."""
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        head, _, _ = line.partition("=")
        parts = tuple(part.strip(" \t\"'") for part in head.strip(" \t[]").split("."))
        if line.lstrip().startswith("["):
            section = parts
        elif "=" in line and (*section, *parts) == keys:
            return number
    return 1


def _yaml(found: SettingsFile, text: str) -> None:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        found.faults.append(f"{found.path}{line}: is not YAML")
        return
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        found.faults.append(f"{found.path}:1: must be names and values, as in `grace: 30s`")
        return
    _mapping(found, "", root)


def _mapping(found: SettingsFile, above: str, node: yaml.MappingNode) -> None:
    for key, value in node.value:
        name = f"{above}{key.value}".lower() if isinstance(key, yaml.ScalarNode) else above
        line = key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            _mapping(found, f"{name}_", value)
        elif isinstance(value, yaml.ScalarNode):
            # The text itself: by YAML's rules 1:30 is ninety and `no` is false.
            null = value.tag == "tag:yaml.org,2002:null"
            found._take(name, None if null else value.value, line)
        else:
            found.faults.append(f"{found.path}:{line}: {name} {_ONE_VALUE}")
            found.lines.setdefault(name, line)
