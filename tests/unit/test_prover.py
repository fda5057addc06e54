"""The state of the proofs that lanes wait for; the simulation checks the verdicts they permit."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.waiting import eventually
from worker.clock import Clocks, SystemClock
from worker.decide.sweep import SweepFrame
from worker.freshness.evidence import EvidenceScope, ProofOutlived
from worker.freshness.prover import _BELIEVED, _LATE, Ends, Prover
from worker.kafka.offsets import Bounds, Tip
from worker.observability.guards import Guards
from worker.observability.labels import Guard
from worker.observability.metrics import Metrics
from worker.records import Partition
from worker.settings import Settings

_NOW = datetime(2026, 11, 26, tzinfo=UTC)
_ENDS = {("acts", 0): 10, ("acts", 1): 20}


class _Probe:
    ends_now: Ends = _ENDS
    # Of a partition, what identifies its log, and the time of the record at offset 9.
    log: object = "first"
    time: int = 1
    # Whether records stand where none was read.
    unread = False

    async def tips(self) -> dict[Partition, Tip]:
        return {partition: Tip(end, self.log) for partition, end in self.ends_now.items()}

    async def bounds(self, partitions: list[Partition]) -> dict[Partition, Bounds]:
        return {partition: Bounds(0, self.ends_now[partition], None) for partition in partitions}

    async def timestamps(self, offsets: Mapping[Partition, int]) -> dict[Partition, int | None]:
        return dict.fromkeys(offsets, self.time)

    async def first_records(self, ranges: Mapping[Partition, range]) -> dict[Partition, int]:
        return {p: gap.start for p, gap in ranges.items() if self.unread and gap}


class _Database:
    def __init__(self, positions: Ends, clock: "_Clock") -> None:
        self.positions = positions
        self.clock = clock
        self.wrong = timedelta(0)

    async def now(self) -> datetime:
        return self.clock.true() + self.wrong

    async def rows(self, _name: str) -> list[dict[str, Any]]:
        return [
            {
                "topic": topic, "partition": partition, "next_offset": offset,
                "last_offset": 9, "last_timestamp": 1, "topic_id": None,
                "covered_since": None, "other_log": None,
            }
            for (topic, partition), offset in self.positions.items()
        ]  # fmt: skip


class _Clock(SystemClock):
    """Stands still but for the seconds that ``passed``, and is ``wrong`` by so much."""

    passed = 0.0
    wrong = timedelta(0)

    def true(self) -> datetime:
        return _NOW + timedelta(seconds=self.passed)

    def now(self) -> datetime:
        return self.true() + self.wrong

    def monotonic(self) -> float:
        return self.passed


class _Prover(Prover):
    database: _Database
    probe: _Probe
    guards: Guards
    clocks: Clocks


@asynccontextmanager
async def _serving(positions: Ends) -> AsyncIterator[tuple[_Prover, _Clock]]:
    clock = _Clock()
    database: Any = _Database(positions, clock)
    scope = EvidenceScope(("acts",), "acts", narrow=False)
    metrics = Metrics(Settings())
    guards = Guards(metrics)
    probe = _Probe()
    clocks = Clocks(clock)
    prover = _Prover(probe, database, scope, clock, clocks, metrics, guards)
    prover.database, prover.guards, prover.probe = database, guards, probe
    prover.clocks = clocks
    serving = asyncio.create_task(prover.run())
    try:
        yield prover, clock
    finally:
        serving.cancel()


async def test_a_proof_is_late_once_lanes_have_waited_for_it() -> None:
    positions = {("acts", 0): 10, ("acts", 1): 17}
    async with _serving(positions) as (prover, clock), asyncio.timeout(5):
        waiting = asyncio.create_task(prover.proven(0, clock.now()))
        await eventually(lambda: prover.held_by, interval=0.001)
        assert prover.late() == []
        clock.passed = 2 * _LATE
        (late,) = prover.late()
        assert late.missing({("acts", 0): 8, ("acts", 1): 17}) == 2 + 3
        assert late.missing({("acts", 0): 12}) == 0

        there = asyncio.create_task(prover.next_proof(5))
        positions["acts", 1] = 20
        prover.progressed()
        assert late.at == (await waiting).at
        await there
        assert prover.late() == []


async def test_an_end_that_goes_back_counts_only_after_a_while() -> None:
    """A leader that was deposed and does not know it may answer for a moment."""
    async with _serving({("acts", 0): 10, ("acts", 1): 17}) as (prover, clock), asyncio.timeout(9):
        waiting = asyncio.create_task(prover.proven(0, clock.now()))
        await eventually(lambda: prover.behind, interval=0.001)
        prover.probe.ends_now = {**_ENDS, ("acts", 1): 17}
        for _ in range(2):  # probed again
            clock.passed += 6
            await asyncio.sleep(0.6)
        assert not waiting.done()
        clock.passed += 2 * _BELIEVED
        await waiting


async def test_nobody_waits_forever_for_the_next_proof() -> None:
    async with _serving({("acts", 0): 0, ("acts", 1): 0}) as (prover, _), asyncio.timeout(5):
        await prover.next_proof(0.01)


async def test_a_proof_from_the_future_does_not_outlive_the_correction_of_the_clocks() -> None:
    """Both clocks were ahead at its probe, and it would serve until they are there again."""
    async with _serving(dict(_ENDS)) as (prover, clock), asyncio.timeout(5):
        clock.wrong = prover.database.wrong = timedelta(minutes=5)
        ahead = await prover.proven(0, clock.now())
        clock.wrong = prover.database.wrong = timedelta(0)
        again = await prover.proven(0, clock.now())
        assert again is not ahead
        assert again.at <= clock.now()


async def test_a_proof_from_the_future_stays_void_when_its_time_has_come() -> None:
    """Nobody asked between the correction and that time, and evidence came meanwhile."""
    async with _serving(dict(_ENDS)) as (prover, clock), asyncio.timeout(5):
        clock.wrong = prover.database.wrong = timedelta(minutes=5)
        ahead = await prover.proven(0, clock.now())
        clock.wrong = prover.database.wrong = timedelta(0)
        clock.passed = 360
        with pytest.raises(ProofOutlived, match="the clock was set back by 0:0"):
            ahead.check(_ENDS, clock.now(), clock.monotonic())
        again = await prover.proven(0, ahead.at)
        assert again.probed > ahead.probed + 300


async def test_a_proof_does_not_outlive_a_clock_that_was_set_right_behind_its_back() -> None:
    """The database tells its time again in the transaction of a verdict."""
    async with _serving(dict(_ENDS)) as (prover, clock), asyncio.timeout(5):
        clock.wrong = prover.database.wrong = timedelta(seconds=8)
        ahead = await prover.proven(0, clock.now())
        clock.wrong, prover.database.wrong = timedelta(seconds=8), timedelta(0)
        ahead.check(_ENDS, prover.clocks.earliest(), clock.monotonic())  # nobody has noticed
        prover.clocks.compare(clock.now(), await prover.database.now())
        with pytest.raises(ProofOutlived, match="the clock was set back by 0:00:08"):
            ahead.check(_ENDS, prover.clocks.earliest(), clock.monotonic())


async def test_a_proof_lives_on_while_no_clock_is_set() -> None:
    async with _serving(dict(_ENDS)) as (prover, clock), asyncio.timeout(5):
        proof = await prover.proven(0, at := clock.now())
        clock.passed = 3600
        assert await prover.proven(0, at) is proof
        proof.check(_ENDS, clock.now(), clock.monotonic())


async def test_a_dropped_proof_is_made_again() -> None:
    positions = dict(_ENDS)
    async with _serving(positions) as (prover, clock), asyncio.timeout(5):
        at = clock.now()
        proof = await prover.proven(0, at)
        proof.check(positions, clock.now(), clock.monotonic())
        positions["acts", 1] = 19  # a failover lost the last one
        with pytest.raises(ProofOutlived, match=r"\('acts', 1\)"):
            proof.check(positions, clock.now(), clock.monotonic())
        prover.drop(proof)
        waiting = asyncio.create_task(prover.proven(0, at))
        await eventually(lambda: prover.behind == [("acts", 1, 1)], interval=0.001)
        assert not waiting.done()
        positions["acts", 1] = 20
        prover.progressed()
        (await waiting).check(positions, clock.now(), clock.monotonic())


async def test_a_log_that_went_back_voids_its_proof() -> None:
    positions = dict(_ENDS)
    async with _serving(positions) as (prover, clock), asyncio.timeout(5):
        at = clock.now()
        await prover.proven(0, at)
        positions["acts", 0] = 11  # beyond the end of the log
        waiting = asyncio.create_task(prover.proven(0, clock.now() + timedelta(milliseconds=1)))
        await eventually(lambda: prover.held_by == Guard.PROBE, interval=0.001)
        assert prover.proven_at is None
        waiting.cancel()


async def test_a_log_that_was_cut_and_has_grown_to_its_old_end_proves_nothing() -> None:
    """What it holds below the position was never read. Only its leader tells."""
    async with _serving(dict(_ENDS)) as (prover, clock), asyncio.timeout(5):
        await prover.proven(0, clock.now())
        prover.probe.log, prover.probe.time = "second", 2
        waiting = asyncio.create_task(prover.proven(0, clock.now() + timedelta(milliseconds=1)))
        await eventually(lambda: prover.held_by == Guard.PROBE, interval=0.001)
        assert prover.proven_at is None
        assert prover.is_another(("acts", 0))
        waiting.cancel()


async def test_a_log_with_a_record_where_none_was_read_proves_nothing() -> None:
    """What was cut off were markers, or records of an aborted transaction: no mark tells."""
    async with _serving(dict(_ENDS)) as (prover, clock), asyncio.timeout(5):
        await prover.proven(0, clock.now())  # the last record was read at offset 9
        prover.probe.log, prover.probe.unread = "second", True
        waiting = asyncio.create_task(prover.proven(0, clock.now() + timedelta(milliseconds=1)))
        await eventually(lambda: prover.held_by == Guard.PROBE, interval=0.001)
        assert prover.proven_at is None
        assert prover.is_another(("acts", 1))
        waiting.cancel()


async def test_a_log_with_another_leader_is_checked_and_proves_as_before() -> None:
    async with _serving(dict(_ENDS)) as (prover, clock), asyncio.timeout(5):
        await prover.proven(0, clock.now())
        prover.probe.log = "second"
        clock.passed += 0.001
        await prover.proven(0, clock.now())
        assert not prover.is_another(("acts", 0))


async def test_a_clock_behind_shows_as_a_guard() -> None:
    async with _serving(dict(_ENDS)) as (prover, _):
        prover.due_by_database(2)
        assert prover.guards.lanes == {Guard.CLOCK: 2}
        prover.due_by_database(0)
        assert not prover.guards.lanes


async def _measure(clocks: Clocks, clock: _Clock, lead: float, wait: float = 0.0) -> datetime:
    """The database reads a clock that leads ours, as it was before, and answers after a wait."""
    theirs = clock.now() + timedelta(seconds=lead)

    async def ask() -> datetime:
        clock.passed += wait
        return theirs

    return await clocks.measure(ask)


async def test_of_two_clocks_the_slower_is_the_earliest() -> None:
    clock = _Clock()
    clocks = Clocks(clock)
    before = clock.now()
    assert await _measure(clocks, clock, 600) == before
    assert clocks.skew == 600
    assert clocks.latest() == before + timedelta(minutes=10)
    assert clocks.earliest() == before
    assert await _measure(clocks, clock, -600) == before - timedelta(minutes=10)
    assert clocks.latest() == before
    assert clocks.earliest() == before - timedelta(minutes=10)


async def test_a_sweep_holds_its_proof_against_the_slower_clock() -> None:
    clock = _Clock()
    clocks = Clocks(clock)
    nothing: Any = None
    frame = SweepFrame(nothing, clock, clocks, nothing, 1, nothing)
    await _measure(clocks, clock, -600)
    assert frame.time() == (clock.now() - timedelta(minutes=10), clock.monotonic())
    await _measure(clocks, clock, 600)
    assert frame.time() == (clock.now(), clock.monotonic())


@pytest.mark.parametrize("read_after", [0, 2, 5])
async def test_a_slow_answer_does_not_make_the_database_lead(read_after: int) -> None:
    clock = _Clock()
    clocks = Clocks(clock)
    await _measure(clocks, clock, read_after, wait=5)
    assert clocks.skew == 0
    # The wait does not explain these.
    await _measure(clocks, clock, 7, wait=5)
    assert clocks.skew == 7
    await _measure(clocks, clock, -3, wait=5)
    assert clocks.skew == -3
