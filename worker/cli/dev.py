"""``plazo dev``: the worker with an embedded Postgres, broker and marketplace, in one process."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import run_on_loop
from worker.cli.durations import parse_duration
from worker.cli.settings import load_settings
from worker.errors import PlazoError
from worker.exit_status import ExitStatus
from worker.operations.format import count

if TYPE_CHECKING:
    from worker.dev.ledger import Message
    from worker.dev.session import Result
    from worker.settings import Settings

WINDOW = timedelta(minutes=1)
RECORDED_WINDOW = timedelta(hours=24)
GRACE = timedelta(seconds=2)
LASTING = timedelta(seconds=60)  # without a terminal
_SHORTEST = timedelta(seconds=5)
# In a short run enough orders must enter and lapse.
_WINDOW_SHARE = 0.4

_PROBLEMS_SHOWN = 20
_PROBLEM = 400  # characters


class CannotStart(PlazoError):
    """An embedded part did not start or is not installed, or a setting does not fit."""


def dev(
    lasting: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="End after 60s, 2m, PT1M; else on Ctrl-C."),
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="TIME", help="The stock window; by default a minute.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, max=500, help="Orders a second.")] = 20.0,
    events: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Recorded events instead of the marketplace."),
    ] = None,
) -> None:
    """Run the worker with an embedded Postgres, broker and sample marketplace."""
    settings = load_settings()
    if settings.decisions_encoding != "json":
        # And a trial must register nothing where others look.
        raise CannotStart("plazo dev publishes plain JSON: unset PLAZO_DECISIONS_ENCODING")
    terminal = sys.stdout.isatty() and sys.stderr.isatty()
    time = parse_duration(lasting, "--for") if lasting else None
    if time is None and events is None and not terminal:
        time = LASTING
    if time is not None and time < _SHORTEST:
        raise typer.BadParameter(f"at least {_SHORTEST.seconds}s", param_hint="--for")
    given = parse_duration(window, "--window") if window else None
    chosen = given or (window_for(time) if events is None else RECORDED_WINDOW)
    # Its sellers are silent on purpose. A limit that somebody set stays.
    brake = {} if "brake_share" in settings.model_fields_set else {"brake_share": 1.0}
    # The recorded orders are older than its database.
    settings = settings.model_copy(
        update={
            "stock_window": chosen,
            "grace": GRACE,
            "before_adoption": "decide",
            "astray_refusals": "ignore",
            **brake,
        }
    )
    raise typer.Exit(_run(settings, time, rate, events))


def window_for(lasting: timedelta | None) -> timedelta:
    """A minute, or less in a run that is too short for that."""
    if lasting is None or lasting * _WINDOW_SHARE >= WINDOW:
        return WINDOW
    return lasting * _WINDOW_SHARE


def _run(settings: "Settings", lasting: timedelta | None, rate: float, events: Path | None) -> int:
    """Run, print the line of totals, and return the exit status."""
    try:
        from worker.dev.process import StartError
        from worker.dev.session import Plan
        from worker.dev.terminal import run

        plan = Plan(lasting, rate, _read(events, settings) if events else None)
        try:
            result = run_on_loop(lambda: run(settings, plan, view=sys.stderr.isatty()))
        except StartError as error:
            raise CannotStart(_hint(error)) from None
    except ImportError as error:
        raise CannotStart(_hint(error)) from None
    return ExitStatus.INTERRUPTED if result is None else _report(result)


def _hint(error: Exception) -> str:
    text = str(error)
    return text if "the extra `dev`" in text else f"{text}; is the extra `dev` installed?"


def _read(events: Path, settings: "Settings") -> "list[Message]":
    from worker.dev import recording

    try:
        return list(recording.read(events, settings, datetime.now(UTC)))
    except (recording.BadRecording, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--events") from None


def _report(result: "Result") -> int:
    from worker.dev.view import plain

    for line in result.problems[:_PROBLEMS_SHOWN]:
        typer.echo(plain(line, _PROBLEM), err=True)
    if (more := len(result.problems) - _PROBLEMS_SHOWN) > 0:
        typer.echo(f"and {more} more", err=True)
    totals = result.totals
    typer.echo(json.dumps(totals.as_dict()))
    kept = "kept" if totals.promises_kept else "broken"
    typer.echo(
        f"promises {kept}: {count(totals.false_cancels, 'false cancel')}, "
        f"{count(totals.missed_deadlines, 'missed deadline')}, of {count(totals.created, 'order')}",
        err=True,
    )
    return ExitStatus.DONE if totals.promises_kept else ExitStatus.FAULT
