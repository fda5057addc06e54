"""The samples of the mappings that come with Plazo, from their topics to the verdict."""

import asyncio
import json
from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from tests.conftest import MakeTopics
from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from worker.dev.postgres import EmbeddedPostgres
from worker.ingest.formats import mapping_adapter
from worker.ingest.formats.mapping.source import shipped, shipped_files
from worker.storage.migrate import migrate

CANCEL = "auto-cancel stock-not-validated"
# Every other order of the samples was handled, cancelled, or has not entered.
VERDICTS = {
    "commercetools": {f"c0de-0001 {CANCEL}"},
    "magento": {f"000000101 {CANCEL}"},
    "mercado-libre": {f"2000003500000001 {CANCEL}"},
    "salesforce-commerce": {f"00001501 {CANCEL}"},
    # Of two sellers: the record is refused, and its deadline is salvaged.
    "shopify": {f"5501234567801 {CANCEL}", "5501234567804 escalation unreadable-evidence"},
    "woocommerce": {f"727 {CANCEL}"},
}


async def test_the_samples_of_each_mapping_reach_their_verdict(
    new_worker: Callable[..., WorkerProcess],
    make_topics: MakeTopics,
    kafka: Kafka,
    postgres: EmbeddedPostgres,
    database: str,
) -> None:
    assert set(shipped_files()) == set(VERDICTS)
    await migrate(database)
    copies = {name: f"test_{uuid4().hex[:12]}" for name in VERDICTS}
    connection = await asyncpg.connect(postgres.url)
    for copy in copies.values():
        await connection.execute(f"CREATE DATABASE {copy} TEMPLATE {urlsplit(database).path[1:]}")

    async def decided(name: str) -> None:
        topics = await make_topics(1, 1)
        market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
        adapter = mapping_adapter(f"mapping:{name}")
        for sample in shipped(name).samples:
            value = json.dumps(sample.record).encode()
            key = adapter.facts(value).get("order_id")
            # A refused act of an unknown order would let the silent orders beside it escalate.
            acts = [] if sample.refused else [(topics.order_status_changed, key, value)]
            await market.publish(*acts, (topics.order_created, key, value))
        worker = new_worker(
            topics, database_url=postgres.url_of(copies[name]), group_id=copies[name],
            order_created_format=f"mapping:{name}", order_status_changed_format=f"mapping:{name}",
        )  # fmt: skip
        await worker.start().wait_ready()
        await market.told(*VERDICTS[name])
        assert await worker.sigterm() == 0

    async with asyncio.TaskGroup() as group:
        for name in VERDICTS:
            group.create_task(decided(name))
    for copy in copies.values():
        await connection.execute(f"DROP DATABASE {copy} WITH (FORCE)")
    await connection.close()
