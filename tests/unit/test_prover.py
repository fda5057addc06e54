"""The state of the proofs that lanes wait for; the simulation checks the verdicts they permit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

from tests.support.waiting import eventually
from worker.clock import SystemClock
from worker.freshness.evidence import EvidenceScope
from worker.freshness.prover import _LATE, Ends, Prover
from worker.observability.guards import Guards
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.database import Database

_ENDS = {("acts", 0): 10, ("acts", 1): 20}


class _Probe:
    async def ends(self) -> Ends:
        return dict(_ENDS)


class _Database:
    def __init__(self, positions: Ends) -> None:
        self.positions = positions

    async def now(self) -> datetime:
        return datetime.now(UTC)

    async def rows(self, _name: str) -> list[dict[str, Any]]:
        return [
            {"topic": topic, "partition": partition, "next_offset": offset}
            for (topic, partition), offset in self.positions.items()
        ]


class _Clock(SystemClock):
    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@asynccontextmanager
async def _serving(positions: Ends) -> AsyncIterator[tuple[Prover, _Clock]]:
    clock = _Clock()
    database = cast("Database", _Database(positions))
    scope = EvidenceScope(("acts",), "acts", narrow=False)
    metrics = Metrics(Settings())
    prover = Prover(_Probe(), database, scope, clock, metrics, Guards(metrics))
    serving = asyncio.create_task(prover.run())
    try:
        yield prover, clock
    finally:
        serving.cancel()


async def test_a_proof_is_late_once_lanes_have_waited_for_it() -> None:
    positions = {("acts", 0): 10, ("acts", 1): 17}
    async with _serving(positions) as (prover, clock), asyncio.timeout(5):
        waiting = asyncio.create_task(prover.proven(0, datetime.now(UTC)))
        await eventually(lambda: prover.held_by, interval=0.001)
        assert prover.late() == []
        clock.ahead = 2 * _LATE
        (late,) = prover.late()
        assert late.missing({("acts", 0): 8, ("acts", 1): 17}) == 2 + 3
        assert late.missing({("acts", 0): 12}) == 0

        there = asyncio.create_task(prover.next_proof(5))
        positions["acts", 1] = 20
        prover.progressed()
        assert late.at == (await waiting).at
        await there
        assert prover.late() == []


async def test_nobody_waits_forever_for_the_next_proof() -> None:
    async with _serving({("acts", 0): 0, ("acts", 1): 0}) as (prover, _), asyncio.timeout(5):
        await prover.next_proof(0.01)
