"""What it costs when a worker goes, part by part: ``python -m tests.benchmarks.takeover``.

Orders fall due all the time, and the figure that counts is by how much verdicts are late.
"""

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.support.processes import WorkerProcess
from tests.support.waiting import eventually

from .histogram import percentile
from .promptness import SHORT, late
from .site import Site, site

RATE = 50.0
# Kills within a minute, over so many workers.
KILLS, WORKERS = 8, 3

_EVENTS = (
    "worker_stopped", "worker_started", "name_taken", "member_removed", "lanes_assigned",
    "lane_taken",
)  # fmt: skip


@dataclass
class TakeOver:
    """Seconds. The parts follow each other: the last of each kind of line in the logs."""

    most_late: float
    p99_late: float
    # From the end of the worker: until it has ended, until a new process logs and has its name, or
    # until the others remove it.
    ended: float | None = None
    started: float | None = None
    named: float | None = None
    noticed: float | None = None
    joined: float | None = None
    taken: float | None = None
    rebalances: int = 0


Change = Callable[[list[WorkerProcess]], Awaitable[None]]


async def measure(
    here: Site, change: Change, *, count: int = 2, seconds: float = 30.0, named: bool = False
) -> TakeOver:
    """Publish for so long; ten seconds in, do something to the workers."""
    async with (
        here.topics() as topics,
        here.database() as url,
        here.workers(topics, url, 0, **SHORT) as workers,
    ):
        for number in range(count):
            name = {"instance": f"worker-{number}"} if named else {}
            more = {**SHORT, "log_level": "info", **name}
            workers.append(here.worker(topics, url, "take-over-" + topics.order_created, **more))
            workers[-1].start()
        for worker in workers:
            await worker.wait_ready()
        before = [*workers]
        published = asyncio.create_task(late(here, topics, RATE, seconds))
        await asyncio.sleep(10)
        at = datetime.now(UTC)
        await change(workers)
        seen = await published
        lines = [line for worker in {*before, *workers} for line in _lines(worker)]
    found = TakeOver(round(max(seen), 2), round(percentile(seen, 0.99) / 1000, 2))
    steps = {
        event: [seconds for told, seconds in _after(lines, at) if told == event]
        for event in _EVENTS
    }
    found.ended = min(steps["worker_stopped"], default=None)
    found.started = min(steps["worker_started"], default=None)
    found.named = min(steps["name_taken"], default=None)
    found.noticed = min(steps["member_removed"], default=None)
    found.joined = max(steps["lanes_assigned"], default=None)
    found.taken = max(steps["lane_taken"], default=None)
    found.rebalances = len(steps["lanes_assigned"])
    return found


def _lines(worker: WorkerProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in worker.output.splitlines() if line.startswith("{")]


def _after(lines: Sequence[dict[str, Any]], at: datetime) -> list[tuple[str, float]]:
    return [
        (line["event"], round((told - at).total_seconds(), 2))
        for line in lines
        if (told := datetime.fromisoformat(line["timestamp"])) > at
    ]


async def stop(workers: list[WorkerProcess]) -> None:
    """One stops and stays away."""
    assert await workers.pop(0).sigterm() == 0


async def crash(workers: list[WorkerProcess]) -> None:
    """One crashes and stays away."""
    workers.pop(0).sigkill()


async def restart(workers: list[WorkerProcess]) -> None:
    """One stops, and its supervisor starts it again."""
    assert await workers[0].sigterm() == 0
    workers[0].start()


async def crash_and_return(workers: list[WorkerProcess]) -> None:
    """One crashes, and its supervisor starts it again."""
    workers[0].sigkill()
    workers[0].start()


async def kill_often(workers: list[WorkerProcess]) -> None:
    """Eight crashes within a minute, each of a worker at work, which is then started again."""
    chance = random.Random(7)
    for _ in range(KILLS):
        victim = chance.choice(await eventually(lambda: _at_work(workers), 60))
        victim.sigkill()
        victim.start()
        await asyncio.sleep(60 / KILLS)


async def _at_work(workers: list[WorkerProcess]) -> list[WorkerProcess]:
    """Two at least, so that one survives: a busy machine takes longer to start one than we wait."""
    ready = [one for one in workers if (await one.get("/readyz"))[0] == 200]
    return ready if len(ready) > 1 else []


SCENARIOS: dict[str, tuple[Change, dict[str, Any]]] = {
    "stop": (stop, {}),
    "crash": (crash, {}),
    "crash, and a new worker": (crash_and_return, {}),
    "restart under its name": (restart, {"named": True}),
    "crash, and back under its name": (crash_and_return, {"named": True}),
    "crash of a name, for good": (crash, {"named": True}),
    "eight kills": (kill_often, {"count": WORKERS, "seconds": 80.0}),
    "eight kills under names": (kill_often, {"count": WORKERS, "seconds": 80.0, "named": True}),
}


async def main(wanted: Sequence[str]) -> None:
    """Print one line for each scenario; ``wanted`` are parts of their names."""
    async with site() as here:
        for name, (change, more) in SCENARIOS.items():
            if not wanted or any(part in name for part in wanted):
                print(f"{name}: {await measure(here, change, **more)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
