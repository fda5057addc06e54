"""Work that several tasks share."""

import asyncio
from collections.abc import Sequence

import pytest

from worker.ingest.joint import Apart, Joint


class Work:
    """Takes as long as it is told, and fails as it is told."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.fails: dict[int, Exception] = {}
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, items: Sequence[int]) -> None:
        self.calls.append([*items])
        await self.go_on.wait()
        failures = [self.fails[item] for item in items if item in self.fails]
        if failures and len(items) > 1:
            raise Apart from failures[0]
        if failures:
            raise failures[0]


async def test_items_that_come_meanwhile_are_worked_on_together() -> None:
    work = Work()
    work.go_on.clear()
    joint = Joint(work, most=3, at_once=1)
    tasks = [asyncio.create_task(joint(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(joint(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    assert work.calls == [[0]]
    work.go_on.set()
    await asyncio.gather(*tasks)
    assert work.calls == [[0], [1, 2, 3], [4, 5]]


async def test_no_more_calls_are_under_way_at_once() -> None:
    work = Work()
    work.go_on.clear()
    joint = Joint(work, most=3, at_once=2)
    tasks = []
    for come in ([0], [1, 2], [3, 4]):
        tasks += [asyncio.create_task(joint(number)) for number in come]
        for _ in range(3):
            await asyncio.sleep(0)
    assert work.calls == [[0], [1, 2]]
    work.go_on.set()
    await asyncio.gather(*tasks)
    assert work.calls == [[0], [1, 2], [3, 4]]


async def test_an_item_that_comes_as_a_call_ends_is_worked_on() -> None:
    late: list[asyncio.Task[None]] = []

    async def work(items: Sequence[int]) -> None:
        if items == [0]:
            # Its first step comes after the end of this call, and before the callbacks of that.
            late.append(asyncio.create_task(joint(1)))

    joint = Joint(work, most=9, at_once=1)
    await joint(0)
    await asyncio.wait_for(late[0], 5)


async def test_a_failure_concerns_its_own_item_alone() -> None:
    work = Work()
    work.fails[2] = ValueError("two")
    joint = Joint(work, most=9, at_once=1)
    answers = await asyncio.gather(*map(joint, range(4)), return_exceptions=True)
    assert [type(each) for each in answers] == [type(None), type(None), ValueError, type(None)]
    assert sorted(map(len, work.calls)) == [1, 1, 1, 1, 4]


async def test_a_failure_whose_outcome_is_unknown_is_told_to_all() -> None:
    async def work(items: Sequence[int]) -> None:
        raise ConnectionError

    joint = Joint(work, most=9, at_once=1)
    answers = await asyncio.gather(*map(joint, range(3)), return_exceptions=True)
    assert [type(each) for each in answers] == [ConnectionError] * 3


async def test_a_task_that_is_cancelled_keeps_nobody_from_work() -> None:
    work = Work()
    work.go_on.clear()
    joint = Joint(work, most=9, at_once=1)
    first, gone, last = (asyncio.create_task(joint(number)) for number in range(3))
    for _ in range(3):
        await asyncio.sleep(0)
    late = asyncio.create_task(joint(3))
    never = asyncio.create_task(joint(4))
    await asyncio.sleep(0)
    gone.cancel()
    never.cancel()
    work.go_on.set()
    await asyncio.gather(first, last, late)
    assert work.calls == [[0, 1, 2], [3]]
    with pytest.raises(asyncio.CancelledError):
        await gone
    with pytest.raises(asyncio.CancelledError):
        await never
