"""YAML whose faults can be told with their lines: for the files that operators write."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml


def line_of(root: Any, path: Sequence[int | str]) -> int:
    """The line of the innermost node on a path; a missing key is reported at its parent."""
    node = root
    line: int = node.start_mark.line
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line
        else:
            break
    return line + 1


def repeated_keys(node: Any) -> Iterator[tuple[int, str]]:
    """Keys that one mapping gives twice: YAML would silently let the last one win."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, key.value
            seen.add(key.value)
            yield from repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for one in node.value:
            yield from repeated_keys(one)


class PlainLoader(yaml.SafeLoader):
    """Reads plain words as JSON does: ``2026-11-22`` and ``no`` are texts, ``017`` no octal."""


_NUMBER = r"-?(?:0|[1-9][0-9]*)"
PlainLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", _NUMBER, "-0123456789"),
    ("float", rf"{_NUMBER}(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)", "-0123456789"),
):
    PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


def read_plain(text: str) -> Any:
    """Read a text with :class:`PlainLoader`. Raises: yaml.YAMLError."""
    return yaml.load(text, Loader=PlainLoader)  # noqa: S506
