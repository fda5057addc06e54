"""Runs a session of `plazo dev` on a terminal: with the live view, or with lines of log."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.live import Live
from rich.text import Text

from worker.dev.scrape import scrape
from worker.dev.session import LANES, Plan, Result, Session
from worker.dev.view import View
from worker.observability import logs
from worker.settings import Settings


async def run(settings: Settings, plan: Plan, *, view: bool) -> Result | None:
    """Run a session until its end or a signal; ``None`` if it was stopped before it began."""
    stopping = asyncio.Event()
    _on_signals(stopping)
    if not view:
        logs.configure(settings.log_level, settings.log_format)
        logs.catch_loop_errors(asyncio.get_running_loop())
        return await Session(settings, plan, stopping, _board_printer()).run()
    with _live_view(settings, plan) as show:
        logs.catch_loop_errors(asyncio.get_running_loop())
        return await Session(settings, plan, stopping, show).run()


def _board_printer() -> Callable[[Session], None]:
    """A function that prints the address of the board once."""
    printed = False

    def show(session: Session) -> None:
        nonlocal printed
        # A free port is known once the worker listens.
        if not printed and session.worker is not None and session.worker.http.port:
            printed = True
            print(f"board: {session.board}", file=sys.stderr, flush=True)

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
def _live_view(settings: Settings, plan: Plan) -> Iterator[Callable[[Session], None]]:
    console = Console(stderr=True)
    picture = View(settings, LANES, plan.lasting)
    # Log lines on the terminal itself would break the picture.
    logs.configure("warning", "console", picture.logged)
    starting = Text("starting Postgres, the broker and the worker …", "dim")
    with Live(starting, console=console, screen=True, auto_refresh=False) as live:

        def show(session: Session) -> None:
            assert session.worker is not None
            assert session.audit is not None
            samples = scrape(session.worker.services.metrics.registry)
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
