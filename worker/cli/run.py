"""``plazo run``: the worker."""

import gc

from worker.cli.context import run_on_loop
from worker.cli.settings import load_settings


def run() -> None:
    """Run the worker."""
    import asyncio

    from worker.board.pages import pages
    from worker.observability import logs
    from worker.runtime.worker import Worker

    settings = load_settings()
    logs.configure(settings.log_level, settings.log_format)
    _collect_seldom()

    async def main() -> None:
        logs.catch_loop_errors(asyncio.get_running_loop())
        await Worker(settings, pages=pages).run()

    run_on_loop(main)


def _collect_seldom() -> None:
    """Look for cyclic garbage less often: a batch is thousands of objects and hardly a cycle.

    At Python's own pace the collector takes a third of the time of a mass lapse.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 10, 50)
