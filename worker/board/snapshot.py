"""The content of the board, as one JSON document."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any

from aiohttp import web

from worker import __version__
from worker.errors import DatabaseUnavailable
from worker.lanes import status
from worker.runtime.state import WorkerState
from worker.storage.migrations import HEAD

# However many people look at it, Postgres and Kafka are asked at most once in this time.
_SECONDS = 1.0
_PATIENCE = 3.0
_VERDICTS = 25
_DEAD_LETTERS = 8
_DEAD_LETTERS_COUNTED = 1000


class Snapshots:
    """Pictures of all lanes, of all workers, and of the guards of this one."""

    def __init__(self, worker: WorkerState) -> None:
        self._worker = worker
        self._lock = asyncio.Lock()
        self._taken = float("-inf")
        self._snapshot: dict[str, Any] = {}
        # The last answer of Postgres: better than an empty board.
        self._stored: dict[str, Any] | None = None

    async def latest(self, _request: web.BaseRequest) -> dict[str, Any]:
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
        with suppress(DatabaseUnavailable, TimeoutError):
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
        worker = self._worker
        async with worker.services.database.transaction(one_snapshot=True) as tx:
            rows = await status.read(tx, worker.log_ends)
            overdue = await tx.row("count_overdue", [row["lane"] for row in rows], now)
            verdicts = await tx.rows("board_verdicts", _VERDICTS)
            letters = await tx.rows("board_dead_letters", _DEAD_LETTERS_COUNTED, _DEAD_LETTERS)
            brake = await tx.row("brake_state", worker.services.settings.brake_window)
        assert overdue is not None
        return {
            "at": now,
            "lanes": rows,
            "overdue": {"overdue": overdue["overdue"], "oldest": overdue["oldest"]},
            "verdicts": [dict(row) for row in verdicts],
            "dead_letters": {
                "open": letters[0]["open"] if letters else 0,
                "of_latest": _DEAD_LETTERS_COUNTED,
                "latest": [dict(row) for row in letters],
            },
            "brake": {**dict(brake or {}), "limited": worker.services.brake is not None},
        }

    def _guards(self) -> dict[str, Any]:
        guards, prover = self._worker.services.guards, self._worker.services.prover
        return {
            "lanes_held": guards.lanes,
            "orders_held_by_the_brake": guards.orders,
            "behind": [
                {"topic": topic, "partition": partition, "records": records}
                for topic, partition, records in prover.behind[:20]
            ],
            "own_lanes": sorted(self._worker.membership.runners),
            "proven_at": prover.proven_at,
        }
