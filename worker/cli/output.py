"""The output of all commands: tables for people, JSON for programs, and nothing harmful."""

import csv
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from worker.operations.format import span, to_json, utc

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

# Text from a record is printed to a terminal: it may not move the cursor.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# A spreadsheet computes a cell that begins like this.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_WIDTH_WITHOUT_TERMINAL = 160
# Narrower than this, the longest tables would break every word.
_WIDE = 120


def console(*, stderr: bool = False) -> "Console":
    """A console on stdout; without a terminal, wide enough to keep a row on a line."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, width=width, highlight=False)


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(to_json(value, indent=2) + "\n")


def print_error(message: str) -> None:
    """A message on stderr."""
    typer.echo(f"plazo: {message}", err=True)


def fail(message: str) -> NoReturn:
    """Print an error and end with status 1.

    Raises:
        typer.Exit
    """
    print_error(message)
    raise typer.Exit(1)


def cell(value: object, style: str = "") -> "Text":
    """A value as text of a table: no markup, no control characters."""
    from rich.text import Text

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
    return Text(_escaped(shown), style=style)


def csv_cell(value: object) -> object:
    """Return a value as a cell that no spreadsheet computes and no terminal obeys.

    Only texts change: a negative number stays one.
    """
    if not isinstance(value, str):
        return value
    # Some skip a TAB or a CR in front of a formula, so those are quoted and then escaped.
    quoted = f"'{value}" if value.startswith(_FORMULA) else value
    return _escaped(quoted)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV document on stdout, with a head; times as ISO 8601 in UTC, durations in seconds."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([csv_cell(_for_programs(value)) for value in row] for row in rows)


def plain(text: str) -> str:
    """A text without characters that steer a terminal."""
    return _escaped(text)


def _for_programs(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    whole: Collection[str] = (),
) -> "Table":
    """A table whose cells are values or texts; those of the columns in ``whole`` stay on a line.

    An id that is broken over two lines cannot be copied.
    """
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    shown = [[_text(value) for value in row] for row in rows]
    for number, column in enumerate(columns):
        if column in whole:
            width = max((row[number].cell_len for row in shown), default=0)
            made.add_column(column, no_wrap=True, overflow="ignore", min_width=width)
        else:
            made.add_column(column, overflow="fold")
    for row in shown:
        made.add_row(*row)
    return made


def listing(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    whole: Collection[str] = (),
) -> "Table | Group":
    """A table; on a narrow terminal, a block of lines for each row, so that ids stay whole."""
    from rich.console import Group

    if console().width >= _WIDE:
        return table(title, columns, rows, whole=whole)
    parts: list[Any] = [cell(title, "italic"), ""]
    for row in rows:
        parts += [fields(zip(columns, row, strict=True)), ""]
    return Group(*parts)


def fields(pairs: Iterable[tuple[str, object]]) -> "Table":
    """Names and values, one pair a line."""
    from rich.table import Table

    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, _text(value))
    return made


@contextmanager
def progress_bar(title: str, *, beyond: int = 0) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on stderr, set by ``(done, total)``; it shows from totals ``beyond`` on."""
    from rich.progress import Progress

    bar = Progress(console=console(stderr=True), transient=True)
    task = bar.add_task(title, total=None)
    with ExitStack() as stack:

        def show(done: int, total: int | None) -> None:
            if total is None or total > beyond:
                if not bar.live.is_started:
                    stack.enter_context(bar)
                bar.update(task, completed=done, total=total)

        yield show


def _text(value: object) -> "Text":
    from rich.text import Text

    return value if isinstance(value, Text) else cell(value)
