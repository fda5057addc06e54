"""``plazo dev``: the worker with an embedded Postgres, broker and marketplace, in one process."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from worker.cli.durations import parse_duration
from worker.cli.run import on_loop
from worker.dev import recording
from worker.dev.ledger import Message
from worker.dev.process import StartError
from worker.dev.scrape import scrape
from worker.dev.session import LANES, Plan, Result, Session
from worker.dev.view import View
from worker.errors import PlazoError
from worker.observability import logs
from worker.settings import Settings

WINDOW = timedelta(minutes=1)
RECORDED_WINDOW = timedelta(hours=24)
GRACE = timedelta(seconds=2)
LASTING = timedelta(seconds=60)  # where there is no terminal
_SHORTEST = timedelta(seconds=5)
# Of a short run: enough orders are to enter and to lapse in it.
_WINDOW_SHARE = 0.4

_PROBLEMS_SHOWN = 20
_INTERRUPTED = 130


class CannotStart(PlazoError):
    """An embedded part did not come up, or is not installed."""


def dev(
    settings: Settings,
    *,
    lasting: str | None = None,
    window: str | None = None,
    rate: float = 20.0,
    events: Path | None = None,
) -> int:
    """Run, print the line of totals, and return the exit status.

    Raises:
        CannotStart: an embedded part did not come up.
    """
    terminal = sys.stdout.isatty() and sys.stderr.isatty()
    time = parse_duration(lasting, "--for") if lasting else None
    if time is None and events is None and not terminal:
        time = LASTING
    if time is not None and time < _SHORTEST:
        raise typer.BadParameter(f"at least {_SHORTEST.seconds}s", param_hint="--for")
    given = parse_duration(window, "--window") if window else None
    chosen = given or (window_for(time) if events is None else RECORDED_WINDOW)
    settings = settings.model_copy(update={"stock_window": chosen, "grace": GRACE})
    plan = Plan(time, rate, _read(events, settings) if events else None)
    try:
        result = on_loop(lambda: _run(settings, plan, view=sys.stderr.isatty()))
    except (StartError, ImportError) as error:
        raise CannotStart(f"{error}; is the extra `dev` installed?") from None
    if result is None:
        return _INTERRUPTED
    return _report(result)


def window_for(lasting: timedelta | None) -> timedelta:
    """A minute, or less where a run is too short for that."""
    if lasting is None or lasting * _WINDOW_SHARE >= WINDOW:
        return WINDOW
    return lasting * _WINDOW_SHARE


def _read(events: Path, settings: Settings) -> list[Message]:
    try:
        return list(recording.read(events, settings, datetime.now(UTC)))
    except (recording.BadRecording, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--events") from None


async def _run(settings: Settings, plan: Plan, *, view: bool) -> Result | None:
    stopping = asyncio.Event()
    _on_signals(stopping)
    if not view:
        logs.configure(settings.log_level, settings.log_format)
        logs.catch_loop_errors(asyncio.get_running_loop())
        return await Session(settings, plan, stopping, _tell_board()).run()
    with _live(settings, plan) as show:
        logs.catch_loop_errors(asyncio.get_running_loop())
        return await Session(settings, plan, stopping, show).run()


def _tell_board() -> Callable[[Session], None]:
    told = False

    def show(session: Session) -> None:
        nonlocal told
        # A free port is known once the worker listens.
        if not told and session.worker is not None and session.worker.http.port:
            told = True
            typer.echo(f"board: {session.board}", err=True)

    return show


def _on_signals(stopping: asyncio.Event) -> None:
    """The first signal ends the run in good order, the next at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def stop() -> None:
        if stopping.is_set():
            task.cancel()
        stopping.set()

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        with suppress(AttributeError, NotImplementedError, RuntimeError):
            loop.add_signal_handler(getattr(signal, name), stop)


@contextmanager
def _live(settings: Settings, plan: Plan) -> Iterator[Callable[[Session], None]]:
    console = Console(stderr=True)
    picture = View(settings, LANES, plan.lasting)
    # On the terminal itself what is logged would break the picture.
    logs.configure("warning", "console", picture.logged)
    starting = Text("starting Postgres, the broker and the worker …", "dim")
    with Live(starting, console=console, screen=True, auto_refresh=False) as live:

        def show(session: Session) -> None:
            assert session.worker is not None
            assert session.audit is not None
            samples = scrape(session.worker.metrics.registry)
            live.update(
                picture.draw(
                    session.totals(samples),
                    samples,
                    session.ledger.records,
                    session.audit.latest,
                    session.board,
                    console.size,
                ),
                refresh=True,
            )

        yield show


def _report(result: Result) -> int:
    for line in result.problems[:_PROBLEMS_SHOWN]:
        typer.echo(line, err=True)
    if (more := len(result.problems) - _PROBLEMS_SHOWN) > 0:
        typer.echo(f"and {more} more", err=True)
    typer.echo(json.dumps(result.totals.as_dict()))
    return 0 if result.totals.promises_kept else 1
