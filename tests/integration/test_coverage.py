"""How far back the logs of acts are known, and when the installation began."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal

import asyncpg
import pytest
from pydantic import SecretStr

from worker.freshness.evidence import EvidenceScope, Reading
from worker.kafka.offsets import Bounds
from worker.observability.metrics import Metrics
from worker.records import Partition
from worker.runtime.take_over import take_over
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.installation import claim_mode
from worker.storage.migrate import migrate

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EMPTY = Bounds(0, 0, None)


def log(first_at: datetime | None, begin: int = 0) -> Bounds:
    return Bounds(begin, begin + 3, first_at)


@pytest.fixture
async def store(database: str) -> AsyncIterator[Database]:
    await migrate(database)
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    yield store
    await store.close()


class Logs:
    """The status topic, as an offset reader sees it."""

    def __init__(self, topic: str, *logs: Bounds) -> None:
        self.logs = {(topic, number): log for number, log in enumerate(logs)}

    async def widths(self, topics: list[str]) -> dict[str, int]:
        return dict.fromkeys(topics, len(self.logs))

    async def bounds(self, partitions: list[Partition]) -> dict[Partition, Bounds]:
        return {partition: self.logs[partition] for partition in partitions}

    async def timestamps(self, offsets: dict[Partition, int]) -> dict[Partition, int | None]:
        return {}

    async def first_records(self, ranges: dict[Partition, range]) -> dict[Partition, int]:
        return {}


class Site:
    """Workers of an installation that take lanes over."""

    def __init__(
        self, store: Database, before_adoption: Literal["keep", "decide"] = "keep"
    ) -> None:
        self.settings = Settings(before_adoption=before_adoption)
        self.scope = EvidenceScope.of(self.settings)
        self._store = store

    async def discover(
        self, *logs: Bounds, lanes: tuple[int, ...] = (), at: datetime = NOW
    ) -> None:
        topic = self.settings.order_status_changed_topic
        services: Any = SimpleNamespace(
            settings=self.settings, scope=self.scope, database=self._store, owner="me",
            metrics=Metrics(self.settings), offsets=Logs(topic, *logs),
            clocks=SimpleNamespace(latest=lambda: at),
        )  # fmt: skip
        for lane in lanes or range(len(logs)):
            await take_over(services, lane, [(topic, lane)])

    async def reading(self, lane: int = 0) -> Reading:
        async with self._store.transaction() as tx:
            return await self.scope.reading(tx, lane)

    async def since(self) -> datetime | None:
        return (await self.reading()).evidence_since


@pytest.mark.parametrize(
    ("logs", "since"),
    [
        pytest.param([EMPTY, EMPTY], NOW, id="all empty: seen now"),
        pytest.param([EMPTY, log(NOW - HOUR)], NOW - HOUR, id="an idle partition"),
        pytest.param([log(NOW - HOUR), log(NOW - 2 * HOUR)], NOW - 2 * HOUR, id="the earliest"),
        pytest.param([log(NOW + HOUR)], NOW, id="not in the future"),
        pytest.param([log(None)], NOW, id="records without a time"),
        pytest.param([log(NOW - HOUR), log(NOW - 9 * HOUR, begin=7)], NOW, id="one is cut"),
    ],
)
async def test_the_log_reaches_back_to_its_first_record(
    store: Database, logs: list[Bounds], since: datetime
) -> None:
    site = Site(store)
    await site.discover(*logs)
    assert await site.since() == since


async def test_a_partition_that_is_added_changes_nothing(store: Database) -> None:
    site = Site(store)
    await site.discover(log(NOW - HOUR))
    await site.discover(log(NOW - HOUR), EMPTY, log(NOW - 9 * HOUR), lanes=(1, 2), at=NOW + HOUR)
    assert await site.since() == NOW - HOUR


async def test_lanes_that_are_taken_later_find_the_same(store: Database) -> None:
    site = Site(store)
    await site.discover(EMPTY, EMPTY, lanes=(0,))
    await site.discover(log(NOW - 9 * HOUR), EMPTY, lanes=(1,), at=NOW + HOUR)
    assert await site.since() == NOW


async def test_an_installation_from_before_reaches_back_as_it_did(store: Database) -> None:
    site = Site(store)
    async with store.transaction() as tx:
        await tx.execute(
            "start_position", site.settings.order_status_changed_topic, 0, 0, None, None, None
        )
    await site.discover(EMPTY, EMPTY, lanes=(1,))
    assert await site.since() is None


async def test_where_all_is_decided_a_log_from_its_first_offset_is_complete(
    store: Database,
) -> None:
    site = Site(store, "decide")
    await claim_mode(store, "live")
    await site.discover(EMPTY, log(NOW))
    reading = await site.reading()
    assert (reading.evidence_since, reading.adopted_at) == (None, None)
    strict = Site(store)
    assert (await strict.reading()).adopted_at is not None
    await site.discover(log(NOW - 9 * HOUR, begin=7))
    assert await site.since() == NOW, "records were lost"


async def test_the_installation_begins_once(store: Database, database: str) -> None:
    site = Site(store)
    await site.discover(EMPTY)
    assert (await site.reading()).adopted_at is None
    await claim_mode(store, "live")
    began = (await site.reading()).adopted_at
    assert began is not None
    await claim_mode(store, "live")
    assert (await site.reading()).adopted_at == began


async def test_an_installation_that_ran_before_has_no_beginning(
    store: Database, database: str
) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("INSERT INTO installation (mode) VALUES ('live')")
    finally:
        await connection.close()
    await claim_mode(store, "live")
    site = Site(store)
    await site.discover(EMPTY)
    assert (await site.reading()).adopted_at is None
