"""What all commands print with: tables for people, JSON for machines, nothing that can hurt."""

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.operations.format import span, to_json, utc

# What a record says is printed to a terminal: it may not move its cursor.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WIDTH_OF_NO_TERMINAL = 160


def console(*, stderr: bool = False) -> Console:
    """A console on stdout; where that is no terminal, wide enough to keep a row on a line."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_NO_TERMINAL
    return Console(stderr=stderr, width=width, highlight=False)


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(to_json(value, indent=2) + "\n")


def cell(value: object, style: str = "") -> Text:
    """A value as text of a table: no markup, no control characters."""
    if value is None:
        shown = "-"
    elif isinstance(value, bool):
        shown = "yes" if value else "no"
    elif isinstance(value, datetime):
        shown = utc(value)
    elif isinstance(value, timedelta):
        shown = span(value)
    else:
        shown = str(value)
    return Text(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", shown), style=style)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table whose cells are values or texts."""
    made = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(one if isinstance(one, Text) else cell(one) for one in row))
    return made


def fields(pairs: Iterable[tuple[str, object]]) -> Table:
    """Names and values, one pair a line."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, value if isinstance(value, Text) else cell(value))
    return made
