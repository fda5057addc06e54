"""Which orders share a judgement: only those of which the database knows nothing else."""

from datetime import UTC, datetime, timedelta

import asyncpg
from pydantic import SecretStr

from worker.decide.bare import is_bare, load_alike
from worker.decide.cases import load_cases
from worker.domain.case import Limits
from worker.domain.policy import Policies, Policy
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLICIES = Policies.of(Policy("default", timedelta(days=1), timedelta(0)))
BARE = {"bare", "repeated", "refused in vain"}
KNOWN = {"acted", "obscure", "refused", "changed", "retold", "Namesake", "decided", "reminded"}
OTHERS = {"later", "elsewhere", "waiting"}
LOAD = """
INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at, policy,
    at_lapse, received_at, topic, partition, "offset")
SELECT name, 0, 's', 'courier', $1, $1::timestamptz, $1, 'default', 'auto-cancel', $1, 't', 0, 1
FROM unnest($2::text[]) AS name
"""
KNOWLEDGE = """
INSERT INTO acts SELECT name, status, now(), now(), 't', 0, n, NULL, NULL, '{}'
FROM (VALUES ('acted', 'handling', 1), ('obscure', 'whatever', 2), ('repeated', 'order-created', 3),
    ('repeated', 'order-created', 4), ('bare', 'order-created', 5)) AS a (name, status, n);
INSERT INTO dead_letters (id, lane, topic, partition, "offset", timestamp, received_at, error,
    message, header_names, header_values)
OVERRIDING SYSTEM VALUE VALUES (7, 0, 't', 0, 6, now(), now(), 'not-json', '', '{}', '{}');
INSERT INTO shields VALUES ('refused', 7);
INSERT INTO deadline_changes SELECT name, 'order.deadline-held', now(), now(), NULL, 'a', 'r', 't',
    1, 7, counted FROM (VALUES ('changed', NULL), ('refused in vain', false)) AS c (name, counted);
INSERT INTO order_versions SELECT 'retold', now(), 't', 0, 8, 'another', 'courier', now();
INSERT INTO orders (order_id, received_at) VALUES ('namesake', now());
UPDATE orders SET finding = 'silent' WHERE order_id = 'decided';
UPDATE orders SET decisions = 1 WHERE order_id = 'reminded';
INSERT INTO decisions SELECT 0, 1, 'reminded', 1, gen_random_uuid(), 'deadline-reminder',
    'deadline-approaches', NULL, now(), '{}';
UPDATE orders SET fires_at = fires_at + interval '1 microsecond' WHERE order_id = 'later';
UPDATE orders SET lane = 1 WHERE order_id = 'elsewhere';
UPDATE orders SET due = NULL, fires_at = NULL WHERE order_id = 'waiting';
"""


async def test_only_orders_of_which_nothing_else_is_known_are_bare(database: str) -> None:
    await migrate(database)
    connection = await asyncpg.connect(database)
    names = [*BARE, *KNOWN, *OTHERS]
    await connection.execute(LOAD, NOON, names)
    await connection.execute(KNOWLEDGE)
    await connection.close()
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    try:
        async with store.transaction(one_snapshot=True) as tx:
            (group,) = await load_alike(tx, 0, names, NOON, Limits())
            cases = await load_cases(tx, 0, names, POLICIES)
    finally:
        await store.close()
    assert {row["order_id"] for row in group} == BARE
    bare = {case.order.order_id for case in cases.readable if is_bare(case)}
    assert bare >= BARE
    assert bare - BARE == {"later"}
