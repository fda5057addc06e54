"""The state of the whole, as one JSON document."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from worker import __version__
from worker.board.access import Person
from worker.board.lists import escalations
from worker.board.reader import Reader
from worker.errors import PlazoError
from worker.lanes import status
from worker.runtime.state import WorkerState
from worker.storage.migrations import HEAD

# However many people look at it, Postgres and Kafka are asked at most once in this time.
_SECONDS = 1.0
_PATIENCE = 3.0
_VERDICTS = 10
# Counting what no act has answered takes more than a glance at an index.
_COUNT_EVERY = 20.0
_PATIENT_COUNT = timedelta(milliseconds=500)
# A verdict takes a moment, and a guard holds for a moment in normal work. Only what lasts is shown:
# a warning that comes and goes is one that nobody heeds.
LATE = timedelta(seconds=5)


class Snapshots:
    """Pictures of all lanes, of all workers, and of the guards of this one."""

    def __init__(self, worker: WorkerState, reader: Reader) -> None:
        self._worker = worker
        self._reader = reader
        self._lock = asyncio.Lock()
        self._taken = float("-inf")
        self._snapshot: dict[str, Any] = {}
        # The last answer of Postgres: better than an empty board.
        self._stored: dict[str, Any] | None = None
        self._escalations: int | None = None
        self._counted = float("-inf")

    async def latest(self, _person: Person, _request: web.BaseRequest) -> dict[str, Any]:
        """The latest picture, a second old at most."""
        async with self._lock:
            clock = self._worker.services.clock
            if clock.monotonic() - self._taken >= _SECONDS:
                self._snapshot = await self._take()
                self._taken = clock.monotonic()
        return self._snapshot

    async def _take(self) -> dict[str, Any]:
        worker = self._worker
        # A board that waits is no board: without an answer it shows the last one, with its time.
        with suppress(PlazoError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                self._stored = await self._read(worker.services.clock.now())
        return {
            "at": worker.services.clock.now(),
            "worker": worker.services.owner,
            "version": __version__,
            "schema": HEAD,
            "mode": worker.services.settings.mode,
            "ready": worker.health.ready,
            "reasons": worker.health.reasons,
            "guards": self._guards(),
            "stored": self._stored,
        }

    async def _read(self, now: datetime) -> dict[str, Any]:
        services = self._worker.services
        async with (
            self._reader.asked() as database,
            database.transaction(one_snapshot=True) as tx,
        ):
            rows = await status.read(tx, self._worker.log_ends)
            overdue = await tx.row("count_overdue", [row["lane"] for row in rows], now - LATE)
            verdicts = await tx.rows("board_verdicts", _VERDICTS)
            waiting = await tx.row("board_waiting")
            brake = await tx.row("brake_state", services.settings.brake_window)
        await self._count_escalations()
        assert overdue is not None
        assert waiting is not None
        return {
            "at": now,
            "lanes": rows,
            "overdue": {"overdue": overdue["overdue"], "oldest": overdue["oldest"]},
            "verdicts": [dict(row) for row in verdicts],
            "waiting": {"escalations": self._escalations, **dict(waiting)},
            "brake": {**dict(brake or {}), "limited": services.brake is not None},
        }

    async def _count_escalations(self) -> None:
        """Those that wait for a person, up to one more than a list shows; ``None`` is unknown."""
        clock = self._worker.services.clock
        if clock.monotonic() - self._counted < _COUNT_EVERY:
            return
        self._counted = clock.monotonic()
        async with self._reader.asked() as database:
            rows, days = await escalations(database, {}, _PATIENT_COUNT)
        self._escalations = len(rows) if days else None

    def _guards(self) -> dict[str, Any]:
        guards, prover = self._worker.services.guards, self._worker.services.prover
        return {
            "lanes_held": guards.lasting(LATE.total_seconds()),
            "orders_held_by_the_brake": guards.orders,
            "behind": [
                {"topic": topic, "partition": partition, "records": records}
                for topic, partition, records in prover.behind[:20]
            ],
            "own_lanes": sorted(self._worker.membership.runners),
            "proven_at": prover.proven_at,
        }
