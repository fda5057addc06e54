"""Where mapping files come from: the disk, or the package."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from worker.errors import FormatInvalid
from worker.ingest.formats.mapping import file, samples
from worker.ingest.formats.mapping.file import MappingFile
from worker.located_yaml import line_of


def from_path(path: Path) -> MappingFile:
    """Return a mapping that reads its own samples as they say.

    Raises:
        FormatInvalid: every fault of the file, with its line.
    """
    return _tried(*file.load(path), str(path))


def shipped(name: str) -> MappingFile:
    """Return a mapping that comes with Plazo.

    Raises:
        FormatInvalid: there is none of that name.
    """
    known = shipped_files()
    if name not in known:
        raise FormatInvalid(
            [f"mapping:{name}: does not come with Plazo; known are {', '.join(known)}"]
        )
    return _tried(*file.parse(known[name].read_text("utf-8"), f"mapping:{name}"), f"mapping:{name}")


def shipped_files() -> dict[str, Traversable]:
    """Return the mapping files that come with Plazo, by name."""
    found = (files("worker.ingest.formats") / "shipped").iterdir()
    named = {one.name.removesuffix(".yaml"): one for one in found if one.name.endswith(".yaml")}
    return dict(sorted(named.items()))


def _tried(mapping: MappingFile, root: Any, name: str) -> MappingFile:
    found = [
        f"{name}:{line_of(root, place)}: {'.'.join(map(str, place))}: {fault}"
        for place, fault in samples.faults(mapping)
    ]
    if found:
        raise FormatInvalid(found)
    return mapping
