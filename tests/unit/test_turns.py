"""Who goes first within a worker, and that nobody waits for ever."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from worker.turns import _AT_ONCE, Turns


def _place(turns: Turns, kind: str) -> AbstractAsyncContextManager[None]:
    return turns.turn() if kind == "turn" else turns.applying()


@pytest.mark.parametrize("kind", ["turn", "applying"])
async def test_few_at_a_time(kind: str) -> None:
    turns = Turns()
    inside, most = 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with _place(turns, kind):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(3 * _AT_ONCE)))
    assert most == _AT_ONCE


@pytest.mark.parametrize("kind", ["turn", "applying"])
async def test_those_that_are_stuck_hold_the_others_for_a_while_only(kind: str) -> None:
    turns = Turns(patience=0.05)
    stuck = [_place(turns, kind) for _ in range(_AT_ONCE)]
    for one in stuck:
        await one.__aenter__()
    async with asyncio.timeout(2), _place(turns, kind):
        pass
    for one in stuck:
        await one.__aexit__(None, None, None)
    # The one that went on without a place gave none back.
    async with asyncio.timeout(2):
        assert await _most_inside(turns, kind) == _AT_ONCE


async def _most_inside(turns: Turns, kind: str) -> int:
    inside = [_place(turns, kind) for _ in range(_AT_ONCE)]
    for one in inside:
        await one.__aenter__()
    last = asyncio.create_task(_place(turns, kind).__aenter__())
    await asyncio.sleep(0.01)
    waited = not last.done()
    await last
    return len(inside) if waited else len(inside) + 1


async def test_reading_waits_until_nobody_decides() -> None:
    turns = Turns()
    async with turns.turn():
        reading = asyncio.create_task(turns.reading())
        await asyncio.sleep(0.01)
        assert not reading.done()
    async with asyncio.timeout(2):
        await reading


async def test_reading_waits_for_a_while_only() -> None:
    turns = Turns(patience=0.05)
    async with turns.turn(), asyncio.timeout(2):
        await turns.reading()
