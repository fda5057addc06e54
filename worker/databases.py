"""The databases: each is home to some lanes, with all that their transactions write.

Most installations have one. Where there are more, a transaction still writes to one alone; what a
lane must know of the others it reads there (:mod:`worker.elsewhere`), and what it must tell them
is handed over (:mod:`worker.hand_over`).
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from worker.domain.policy import Book
from worker.elsewhere import Elsewhere
from worker.metrics import Metrics
from worker.policies import keep
from worker.settings import Settings
from worker.store import Store


class Databases:
    """The stores of one process, by lane."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._placements = settings.placements
        self._metrics = metrics
        self._connections = settings.database_connections
        self.all: Sequence[Store] = [
            Store(settings.model_copy(update={"database_url": SecretStr(url)}), metrics)
            for url in self._placements.urls
        ]
        # Whoever looks at the other databases holds a connection to its own meanwhile. Were all of
        # a pool's held so, those of each would wait for a free one of the other.
        self._turn = (
            asyncio.Semaphore(settings.database_connections // 2) if self.several else nullcontext()
        )

    @property
    def first(self) -> Store:
        """The one of all lanes that are not placed, and of what there is once: the brake."""
        return self.all[0]

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return len(self.all) > 1

    def of(self, lane: int) -> Store:
        """The one that is home to this lane."""
        return self.all[self._placements.database_of(lane)]

    def others(self, lane: int) -> Sequence[Store]:
        """All but that one."""
        home = self.of(lane)
        return [store for store in self.all if store is not home]

    def elsewhere(self, lane: int, clocks: Collection[str]) -> Elsewhere:
        """What a lane can know of the databases that are not its own."""
        home = self._placements.database_of(lane)
        return Elsewhere(self.all[:home], self.all[home + 1 :], clocks, self._turn)

    async def open(self, *, any_schema: bool = False) -> None:
        """Connect to each, and check its schema unless ``any_schema`` will do.

        Raises:
            DatabaseUnavailable: one of them cannot be reached now.
            SchemaNotCurrent: the schema of one is older than this worker's.
        """
        await self.close()  # what an attempt before this one has opened
        try:
            for store in self.all:
                await store.open(any_schema=any_schema)
        except BaseException:
            await self.close()
            raise
        self._metrics.pool_limit.set(len(self.all) * self._connections)

    async def claim(self, mode: str) -> None:
        """Keep each database for verdicts in this mode, and for the lanes placed there.

        Raises:
            ModeConflict: one holds those of another mode.
            PlacementConflict: a lane has its rows in another database than the settings say.
            DatabaseUnavailable: try again later.
        """
        for number, store in enumerate(self.all):
            await store.claim(mode, self._placements.elsewhere(number))

    async def keep(self, book: Book) -> None:
        """Keep the policies in each.

        Raises: as :func:`worker.policies.keep`.
        """
        for store in self.all:
            await keep(store, book)

    async def close(self) -> None:
        """Close every connection."""
        for store in self.all:
            await store.close()

    async def now(self) -> datetime:
        """The clock that is behind all others of the servers.

        Raises:
            DatabaseUnavailable: one of them does not answer.
        """
        return min([await store.now() for store in self.all])

    async def rows(self, name: str, *arguments: object) -> list[Any]:
        """The rows that a statement finds, of one database after the other.

        Raises:
            DatabaseUnavailable: one of them does not answer.
        """
        found: list[Any] = []
        for store in self.all:
            async with store.session() as session:
                found += await session.rows(name, *arguments)
        return found

    def observe(self) -> None:
        """Set the gauges of the pools."""
        pools = [store.pool_sizes() for store in self.all]
        self._metrics.pool.labels("idle").set(sum(idle for idle, _ in pools))
        self._metrics.pool.labels("busy").set(sum(busy for _, busy in pools))
