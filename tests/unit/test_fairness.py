"""Who goes first within a worker, and that nobody waits forever."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from worker.clock import SystemClock
from worker.lanes.fairness import _AT_ONCE, _LEAST, Fairness
from worker.records import Partition

_MOST = 2_000
_AT = datetime(2026, 5, 4, tzinfo=UTC)


@dataclass
class _Proof:
    """Waits for a thousand records of each partition."""

    at: datetime = _AT

    def missing(self, positions: Mapping[Partition, int]) -> int:
        return sum(max(0, 1_000 - position) for position in positions.values())


@dataclass
class _Proofs:
    """Late proofs; the next one arrives when the test says so."""

    waited_for: list[_Proof] = field(default_factory=list)
    there: asyncio.Event = field(default_factory=asyncio.Event)

    def late(self) -> list[_Proof]:
        return self.waited_for

    async def next_proof(self, within: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.there.wait(), within)


def _fairness(proofs: _Proofs | None = None, patience: float = 5.0) -> Fairness:
    return Fairness(proofs or _Proofs(), SystemClock(), patience)


def _turn(fairness: Fairness, kind: str) -> AbstractAsyncContextManager[None]:
    return fairness.deciding() if kind == "deciding" else fairness.applying()


@pytest.mark.parametrize("kind", ["deciding", "applying"])
async def test_few_at_a_time(kind: str) -> None:
    fairness = _fairness()
    inside, most = 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with _turn(fairness, kind):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(3 * _AT_ONCE)))
    assert most == _AT_ONCE


@pytest.mark.parametrize("kind", ["deciding", "applying"])
async def test_those_that_are_stuck_hold_the_others_for_a_while_only(kind: str) -> None:
    fairness = _fairness(patience=0.05)
    stuck = [_turn(fairness, kind) for _ in range(_AT_ONCE)]
    for one in stuck:
        await one.__aenter__()
    async with asyncio.timeout(2), _turn(fairness, kind):
        pass
    for one in stuck:
        await one.__aexit__(None, None, None)
    # The one that went on without a place gave none back.
    async with asyncio.timeout(2):
        assert await _most_inside(fairness, kind) == _AT_ONCE


async def _most_inside(fairness: Fairness, kind: str) -> int:
    inside = [_turn(fairness, kind) for _ in range(_AT_ONCE)]
    for one in inside:
        await one.__aenter__()
    last = asyncio.create_task(_turn(fairness, kind).__aenter__())
    await asyncio.sleep(0.01)
    waited = not last.done()
    await last
    return len(inside) if waited else len(inside) + 1


async def test_reading_waits_until_nobody_decides() -> None:
    fairness = _fairness()
    async with fairness.deciding():
        reading = asyncio.create_task(fairness.reading({}, _MOST))
        await asyncio.sleep(0.01)
        assert not reading.done()
    async with asyncio.timeout(2):
        await reading


async def test_reading_waits_for_a_while_only() -> None:
    fairness = _fairness(patience=0.05)
    async with fairness.deciding(), asyncio.timeout(2):
        await fairness.reading({}, _MOST)


_BEHIND, _THERE = {("acts", 0): 300}, {("acts", 1): 1_000}


async def test_a_lane_reads_no_further_than_verdicts_wait_for() -> None:
    fairness = _fairness(_Proofs([_Proof()]))
    assert await fairness.reading(_BEHIND, _MOST) == 700
    assert await fairness.reading(_BEHIND, 500) == 500


async def test_what_cannot_be_read_now_does_not_hold_the_rest_of_the_lane() -> None:
    fairness = _fairness(_Proofs([_Proof()]))
    assert await fairness.reading({("acts", 0): 999}, _MOST) == _LEAST
    assert await fairness.reading({("acts", 0): 999}, 10) == 10


async def test_a_lane_that_read_enough_lets_the_others_read_first() -> None:
    proofs = _Proofs([_Proof()])
    fairness = _fairness(proofs)
    with fairness.reader(_BEHIND), fairness.reader(_THERE):
        reading = asyncio.create_task(fairness.reading(_THERE, _MOST))
        await asyncio.sleep(0.01)
        assert not reading.done()
        proofs.waited_for.clear()
        proofs.there.set()
        async with asyncio.timeout(1):
            assert await reading == _MOST


async def test_after_the_proof_the_verdicts_go_first() -> None:
    proofs = _Proofs([_Proof()])
    fairness = _fairness(proofs)
    with fairness.reader(_BEHIND), fairness.reader(_THERE):
        reading = asyncio.create_task(fairness.reading(_THERE, _MOST))
        await asyncio.sleep(0.01)
        async with fairness.deciding():
            proofs.waited_for.clear()
            proofs.there.set()
            await asyncio.sleep(0.01)
            assert not reading.done()
        async with asyncio.timeout(1):
            await reading


async def test_one_that_is_stuck_holds_the_others_once_for_each_proof() -> None:
    fairness = Fairness(_Proofs([_Proof()]), clock := SystemClock(), courtesy=0.1)
    with fairness.reader(_BEHIND), fairness.reader(_THERE):
        began = clock.monotonic()
        for _ in range(20):
            assert await fairness.reading(_THERE, _MOST) == _MOST
        assert 0.1 <= clock.monotonic() - began < 1


async def test_nobody_waits_for_lanes_that_read_elsewhere_or_no_more() -> None:
    fairness = _fairness(_Proofs([_Proof()]))
    with fairness.reader(_THERE):
        with fairness.reader(_BEHIND):
            pass
        async with asyncio.timeout(1):
            assert await fairness.reading(_THERE, _MOST) == _MOST
