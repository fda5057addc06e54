"""What a lane waits for."""

import asyncio
from datetime import UTC, datetime, timedelta

from worker.runtime.lane_tasks import LaneTasks

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Timer:
    """The first deadline of a lane, and the signal that it is another."""

    def __init__(self) -> None:
        self.at: datetime | None = AT
        self.rearmed = asyncio.Event()

    def set(self, at: datetime | None) -> None:
        self.at = at
        self.rearmed.set()


async def test_no_deadline_waits_for_the_proof_of_a_later_one() -> None:
    timer, proven, tasks = Timer(), asyncio.Event(), object.__new__(LaneTasks)
    wait = asyncio.create_task(
        tasks._unless_earlier(proven.wait(), AT, lambda: timer.at, timer.rearmed)
    )
    for later in (AT + SECOND, None, AT):
        timer.set(later)
        await asyncio.sleep(0.01)
        assert not wait.done()
    timer.set(AT - SECOND)
    assert await asyncio.wait_for(wait, 5) is None


async def test_a_deadline_that_was_moved_before_the_wait_began_ends_it_too() -> None:
    timer, tasks = Timer(), object.__new__(LaneTasks)
    timer.at = AT - SECOND
    wait = tasks._unless_earlier(asyncio.Event().wait(), AT, lambda: timer.at, timer.rearmed)
    assert await asyncio.wait_for(wait, 5) is None


async def test_the_proof_ends_the_wait() -> None:
    timer, proven, tasks = Timer(), asyncio.Event(), object.__new__(LaneTasks)
    wait = asyncio.create_task(
        tasks._unless_earlier(proven.wait(), AT, lambda: timer.at, timer.rearmed)
    )
    await asyncio.sleep(0)
    proven.set()
    assert await asyncio.wait_for(wait, 5) is True
