"""How a command says that it failed: in words, or as one line of JSON for programs.

JSON is in force with ``--json``, with ``PLAZO_LOG_FORMAT=json``, and for `plazo run` wherever its
logs are JSON. The line goes to stderr and looks like one of the log.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

import typer

from worker.errors import DatabaseFault, PlazoError, PolicyInvalid
from worker.exit_status import ExitStatus, exit_status

# Typer brings its own copy of click, or shares the one that is installed: it tells which.
_WRONG_USE: Any = next(
    one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException"
)


def wants_json() -> bool:
    """Whether errors of the command that runs are JSON."""
    from worker.settings import log_format

    asked, runs = "--json" in sys.argv, sys.argv[1:2] == ["run"]
    chosen = log_format()
    if chosen == "auto":
        return asked or (runs and not sys.stderr.isatty())
    return asked or chosen == "json"


def print_error(
    message: str, *, kind: str = "", status: ExitStatus | None = None, level: str = "error"
) -> None:
    """A message on stderr."""
    if not wants_json():
        typer.echo(f"plazo: {message}", err=True)
        return
    from worker.operations.format import to_json

    line: dict[str, Any] = {
        "timestamp": datetime.now(UTC),
        "level": level,
        "event": "command_failed" if status is not None else "command_error",
        "message": message,
    }
    if kind:
        line["error"] = kind
    if status is not None:
        line["status"] = int(status)
    typer.echo(to_json(line), err=True)


def print_faults(faults: Sequence[str]) -> None:
    """The faults of the settings, one a line."""
    for fault in faults:
        if wants_json():
            print_error(fault, kind="SettingsInvalid", status=ExitStatus.INVALID)
        else:
            typer.echo(fault, err=True)


def run_to_exit(app: typer.Typer) -> NoReturn:
    """Run the command line, report what went wrong, and end with its status.

    Raises:
        SystemExit
    """
    try:
        if not wants_json():
            app()
        # Typer itself draws wrong use in a frame, for people.
        status = app(standalone_mode=False)
    except PlazoError as error:
        status = exit_status(error)
        for message in _messages(error):
            print_error(message, kind=type(error).__name__, status=status)
    except _WRONG_USE as error:
        status = ExitStatus.INVALID
        print_error(error.format_message(), kind=type(error).__name__, status=status)
    except typer.Abort:
        status = ExitStatus.INTERRUPTED
    sys.exit(int(status or ExitStatus.DONE))


def _messages(error: PlazoError) -> Sequence[str]:
    if isinstance(error, PolicyInvalid) and wants_json():
        return error.faults
    if isinstance(error, DatabaseFault) and error.name:
        from worker.operations.outages import database_outage
        from worker.settings import Settings

        outage = database_outage(Settings(), error)
        return (f"Postgres: {outage.finding}; {outage.cure}",)
    return (f"Postgres: {error}" if isinstance(error, DatabaseFault) else str(error),)
