"""The generated sections of the reference pages in docs/.

``python -m worker.documentation FILE…`` rewrites the text between ``<!-- NAME -->`` and
``<!-- /NAME -->`` in each file; the names are those of :data:`SECTIONS`. Without a file it
rewrites :data:`PAGES`.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import typer.main

from schemas.statuses import STATUSES, Meaning
from worker.exit_status import ExitStatus
from worker.observability.metrics import Metrics
from worker.settings import Settings

_ROOT = Path(__file__).parents[1]
_COUNTS_AS = {
    Meaning.HANDLING: "handling",
    Meaning.CANCELED: "a cancellation, by anyone",
    Meaning.CANCELED_IN_PART: "a cancellation of some lines; the rest must still be validated",
    Meaning.DISPUTE_OPENED: "an open dispute",
    Meaning.DISPUTE_RESOLVED: "the end of an open dispute",
    Meaning.READY: "ready for the seller; a cancelled order is alive again",
    Meaning.UNCLEAR: "unclear: if there is nothing else, a person decides",
    Meaning.STAGED: "not with the seller yet: the clock stands still",
    Meaning.NOTHING: "nothing",
}


def settings_table() -> str:
    """Every variable with its default and its meaning."""
    rows = ((_code(name), _code(default), text) for name, default, text in Settings.documentation())
    return _table(("Variable", "Default", "Meaning"), rows)


def metrics_table() -> str:
    """Every metric with its type, its labels and its meaning."""
    rows = (
        (_code(row.name), row.type, ", ".join(map(_code, row.label_names)), row.help)
        for row in Metrics.documentation()
    )
    return _table(("Metric", "Type", "Labels", "Meaning"), rows)


def statuses_table() -> str:
    """Every status of the table, by its meaning."""
    rows = ((_code(status), _COUNTS_AS[meaning]) for status, meaning in STATUSES.items())
    return _table(("Status", "Counts as"), rows)


def commands_text() -> str:
    """Every command with its arguments and options."""
    from worker.__main__ import app

    return "\n".join(_sections("plazo", typer.main.get_command(app)))


def exit_statuses_table() -> str:
    """Every exit status with its meaning."""
    rows = ((str(int(one)), one.meaning) for one in ExitStatus)
    return _table(("Status", "Meaning"), rows)


SECTIONS: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "metrics": metrics_table,
    "commands": commands_text,
    "statuses": statuses_table,
    "exit-statuses": exit_statuses_table,
}
PAGES = tuple(
    Path("docs/reference", f"{name}.md") for name in ("settings", "metrics", "commands", "statuses")
)


def fill(text: str) -> str:
    """The text with its sections as the code has them now.

    Raises:
        ValueError: a section does not end, or appears twice.
    """
    for name, make in SECTIONS.items():
        if f"<!-- {name} -->" not in text and f"<!-- /{name} -->" not in text:
            continue
        section = make()
        place = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, found = place.subn(lambda m, new=section: m[1] + new + m[2], text)  # type: ignore[misc]
        if found != 1:
            raise ValueError(f"expected one pair of markers <!-- {name} --> … <!-- /{name} -->")
    return text


def _sections(name: str, command: Any) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children is None or command.invoke_without_command:
        yield from _section(name, command)
    for child, one in (children or {}).items():
        yield from _sections(f"{name} {child}", one)


def _section(name: str, command: Any) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = [name, *("[OPTIONS]" for _ in options[:1]), *(_argument(one) for one in arguments)]
    meaning = " ".join((command.help or "").split())
    yield f"## {name}\n\n{meaning}\n\n```text\n{' '.join(usage)}\n```\n"
    if options:
        rows = ((_option(one), _default(one), one.help or "") for one in options)
        yield _table(("Option", "Default", "Meaning"), rows)


def _argument(one: Any) -> str:
    shown = str(one.metavar or one.name.upper())
    return shown if one.required else f"[{shown}]"


def _option(one: Any) -> str:
    if one.is_flag:
        return _code(one.opts[0])
    kind = one.type_descriptor.annotation
    value = one.metavar or ("N" if kind in (int, float) else one.name.upper())
    shown = _code(f"{one.opts[0]} {value}")
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return shown
    return f"{shown}: {', '.join(_code(str(member.value)) for member in kind)}"


def _default(one: Any) -> str:
    if one.required:
        return "required"
    return "" if one.is_flag or one.default is None else _code(str(one.default))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]) if sys.argv[1:] else (_ROOT / page for page in PAGES):
        file.write_text(fill(file.read_text("utf-8")), "utf-8")
