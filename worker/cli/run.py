"""``plazo run``: the worker."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from worker.observability import logs
from worker.settings import Settings

_T = TypeVar("_T")


def run(settings: Settings) -> None:
    """Run the worker until a signal.

    Raises:
        PolicyInvalid, PolicyConflict, ModeConflict, SeveralDatabases, SchemaNotCurrent,
            CannotListen: nothing that waiting would mend.
    """
    from worker.runtime.worker import Worker

    logs.configure(settings.log_level, settings.log_format)
    _collect_seldom()

    async def main() -> None:
        logs.catch_loop_errors(asyncio.get_running_loop())
        await Worker(settings).run()

    on_loop(main)


def _collect_seldom() -> None:
    """Look for cyclic garbage less often: a batch is thousands of objects and hardly a cycle.

    At Python's own pace the collector takes a third of the time of a mass lapse.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 10, 50)


def on_loop(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run a coroutine on the fastest event loop there is here."""
    try:
        import uvloop
    except ImportError:  # Windows has none
        return asyncio.run(main())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
