"""Which orders share a judgement: those of which the database knows nothing that counts."""

from datetime import UTC, datetime, timedelta

import asyncpg
from pydantic import SecretStr

from worker.decide.alike import KEPT, load_alike
from worker.decide.cases import load_cases
from worker.domain.acts import ORDER_CREATED
from worker.domain.case import Case, Limits
from worker.domain.decide import decide
from worker.domain.policy import Match, Policies, Policy, Rule
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLICIES = Policies(
    tuple(
        Rule(Match(), Policy(name, timedelta(days=1), timedelta(0), clock=clock))
        for name, clock in (
            ("default", ORDER_CREATED), ("waits", "assigned"), ("waits too", "picked"),
        )
    )
)  # fmt: skip
BARE = {"bare", "repeated", "paid", "refused in vain"}
HANDLED = {"handled", "handled twice", "handled and ready", "waited"}
KNOWN = {
    "late", "late, too", "without stock", "cancelled", "obscure", "handled and obscure", "often",
    "ready", "waited longer", "two clocks", "handled, restarted", "handled, moved", "refused",
    "changed", "retold", "Namesake", "decided", "reminded",
}  # fmt: skip
OTHERS = {"later", "elsewhere", "waiting"}
LOAD = """
INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at, policy,
    at_lapse, received_at, topic, partition, "offset")
SELECT name, 0, 's', 'courier', $1, $1::timestamptz, $1, 'default', 'auto-cancel', $1, 't', 0, 1
FROM unnest($2::text[]) AS name
"""
ACTS = """
INSERT INTO acts SELECT name, status, $1::timestamptz + make_interval(secs => after), now(), 't', 0,
    row_number() OVER (), stock_ok, NULL, '{}'
FROM (VALUES
    ('bare', 'order-created', 0, NULL), ('repeated', 'order-created', 0, NULL),
    ('repeated', 'order-created', 9, NULL), ('paid', 'payment-approved', 9, NULL),
    ('handled', 'handling', 0, true),
    ('handled twice', 'handling', -9, NULL), ('handled twice', 'invoiced', 0, true),
    ('handled and ready', 'ready-for-handling', 9, NULL), ('handled and ready', 'shipped', 0, NULL),
    ('handled and ready', 'payment-approved', 9, NULL),
    ('late', 'handling', 1, true),
    ('late, too', 'handling', 0, true), ('late, too', 'invoiced', 1, NULL),
    ('without stock', 'handling', -9, true), ('without stock', 'handling', -8, false),
    ('cancelled', 'handling', -9, true), ('cancelled', 'canceled', 9, NULL),
    ('obscure', 'whatever', 0, NULL),
    ('handled and obscure', 'handling', 0, true), ('handled and obscure', 'whatever', 0, NULL),
    ('ready', 'ready-for-handling', 0, NULL),
    ('waited', 'assigned', 9, NULL), ('waited', 'assigned', 12, NULL),
    ('waited longer', 'assigned', 10, NULL),
    ('two clocks', 'assigned', 9, NULL), ('two clocks', 'picked', 9, NULL),
    ('waited', 'handling', 0, true), ('waited longer', 'handling', 0, true),
    ('two clocks', 'handling', 0, true),
    ('handled, restarted', 'handling', 0, true), ('handled, moved', 'handling', 0, true)
) AS a (name, status, after, stock_ok)
"""
OFTEN = """
INSERT INTO acts SELECT 'often', 'handling', $1::timestamptz, now(), 't', 1, n, NULL, NULL, '{}'
FROM generate_series(1, 11) AS n
"""
KNOWLEDGE = """
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
UPDATE orders SET started_at = entered_at + interval '1s' WHERE order_id = 'handled, restarted';
UPDATE orders SET policy = 'waits', started_at = entered_at + interval '9s'
    WHERE order_id IN ('waited', 'waited longer', 'two clocks');
UPDATE orders SET first_due = due WHERE order_id = 'handled, moved';
UPDATE orders SET lane = 1 WHERE order_id = 'elsewhere';
UPDATE orders SET due = NULL, fires_at = NULL WHERE order_id = 'waiting';
"""


async def test_only_orders_of_which_nothing_else_counts_are_alike(database: str) -> None:
    await migrate(database)
    connection = await asyncpg.connect(database)
    names = [*BARE, *HANDLED, *KNOWN, *OTHERS]
    await connection.execute(LOAD, NOON, names)
    await connection.execute(ACTS, NOON)
    await connection.execute(OFTEN, NOON)
    await connection.execute(KNOWLEDGE)
    await connection.close()
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    try:
        async with store.transaction(one_snapshot=True) as tx:
            groups = await load_alike(tx, 0, names, NOON, Limits(), POLICIES)
            loaded = await load_cases(tx, 0, names, POLICIES)
    finally:
        await store.close()
    cases = {case.order.order_id: case for case in loaded.readable}
    found: dict[bool, set[str]] = {False: set(), True: set()}
    for group in groups:
        first = group.rows[0]
        found[first["handled"]] |= {row["order_id"] for row in group.rows}
        case = cases[first["order_id"]]
        assert group.share(case, decide(case))
    assert found == {False: BARE, True: HANDLED}
    assert len(groups) == 3  # handled ones of each policy, and bare ones
    bare = {order_id for order_id, case in cases.items() if case == Case(case.order)}
    assert bare == BARE | {"later"}
    assert all(decide(cases[order_id]) == KEPT for order_id in HANDLED)
