"""A look at an order loads the bodies of its acts only where they are shown."""

import tracemalloc

from pydantic import SecretStr

from worker.observability.metrics import Metrics
from worker.operations import explanation, order_history
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

# Each body twice, and two orders: 100 acts of half a MiB are distinct.
LOAD = """
INSERT INTO acts (order_id, status, occurred_at, received_at, topic, partition, "offset", body)
SELECT 'large', 'handling', TIMESTAMPTZ '2026-01-01Z', now() + n * interval '1 second', 't', 0, n,
    rpad((n / 2)::text || ' ', 524288, 'x') FROM generate_series(0, 199) n;
INSERT INTO acts (order_id, status, occurred_at, received_at, topic, partition, "offset", body)
VALUES ('other', 'handling', '2026-01-01Z', now(), 't', 0, 200, 'of another order');
"""


async def test_bodies_come_only_where_they_are_shown(database: str) -> None:
    await migrate(database)
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    try:
        async with store._pool.acquire() as connection:
            await connection.execute(LOAD)
        tracemalloc.start()
        try:
            without = await order_history.load(settings, store, "large")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        shown = await order_history.load(settings, store, "large", bodies=True)
    finally:
        await store.close()
    assert peak < 4 << 20
    # Without bodies they differ in nothing.
    assert [act["times"] for act in without.acts] == [200]
    assert "body" not in without.acts[0].keys()  # noqa: SIM118
    assert {act["times"] for act in shown.acts} == {2}
    # Of each pair the first, with its own body.
    assert {act["offset"] for act in shown.acts} == {*range(0, 200, 2)}
    assert all(act["body"].split()[0] == str(act["offset"] // 2) for act in shown.acts)
    acts = explanation.document("large", without, personal=False)["acts"]
    assert all("body" not in act for act in acts)
