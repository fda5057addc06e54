"""Lists of orders and decisions: the filters, the pages, and the bound of their cost."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from worker.domain.case import Kind, Reason
from worker.errors import TooCostly, UnknownPlace
from worker.observability.metrics import Metrics
from worker.operations.decisions import DecisionFilter, find_decisions
from worker.operations.orders import OrderFilter, find_orders
from worker.operations.states import DecisionStatus, OrderStatus
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

HOUR = timedelta(hours=1)
# Of all tests of this module, so that their filters stay beside their rows.
NOW = datetime.now(UTC)
# By id: hours since its entry, seller, outcome (None: open), held, hours until its verdict.
ORDERS: dict[str, tuple[float, str, str | None, bool, float]] = {
    "kept": (30, "one", "kept", False, -6),
    "cancelled": (31, "one", "auto_cancelled", False, -7),
    "escalated": (32, "two", "escalated", False, -8),
    "answered": (33, "two", "escalated", False, -9),
    "revoked": (34, "one", "kept", False, -10),
    "soon": (20, "one", None, False, 4),
    "late": (25, "two", None, False, -1),
    "held": (26, "two", None, True, -2),
    "shielded": (10, "one", None, False, 14),
}
# Order, number, kind, reason, the number that it revokes, hours ago, sequence in lane 0.
DECISIONS: list[tuple[str, int, str, str, int | None, float, int]] = [
    ("revoked", 1, "auto-cancel", "stock-not-validated", None, 10, 1),
    ("answered", 1, "escalation", "policy", None, 9, 2),
    ("escalated", 1, "escalation", "dispute-open", None, 8, 3),
    ("revoked", 2, "decision-revoked", "late-evidence", 1, 7.5, 4),
    ("cancelled", 1, "auto-cancel", "stock-not-validated", None, 7, 5),
]


@pytest.fixture
async def store(database: str) -> AsyncIterator[Database]:
    await migrate(database)
    connection = await asyncpg.connect(database)
    now = NOW
    await connection.execute(
        "INSERT INTO lanes (lane) VALUES (0); INSERT INTO published VALUES (0, 4)"
    )
    for n, (order_id, (age, seller, outcome, held, left)) in enumerate(ORDERS.items()):
        await connection.execute(
            """INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at,
                policy, finding, outcome, held, topic, partition, "offset", received_at)
            VALUES ($1, 0, $2, 'courier', $3, $4, $4, 'default', $5, $6, $7, 't', 0, $8, $3)""",
            order_id, seller, now - age * HOUR, now + left * HOUR,
            "silent" if outcome else None, outcome, held, n,
        )  # fmt: skip
    await connection.execute(
        """INSERT INTO deadlines SELECT lane, fires_at, order_id FROM orders
            WHERE finding IS NULL;
        INSERT INTO acts SELECT 'answered', 'canceled', now(), now(), 't', 0, 99, NULL, NULL, '{}';
        INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, error,
            message, header_names, header_values)
        VALUES (0, 't', 0, 1, now(), now(), 'not-json', '', '{}', '{}');
        INSERT INTO shields SELECT 'shielded', id FROM dead_letters;
        INSERT INTO orders (order_id, received_at) VALUES ('stub', now())"""
    )
    for order_id, number, kind, reason, revokes, ago, sequence in DECISIONS:
        await connection.execute(
            """INSERT INTO decisions (lane, sequence, order_id, ordinal, id, kind, reason, revokes,
                decided_at, value)
            VALUES (0, $1, $2, $3, gen_random_uuid(), $4, $5, $6, $7, '{}')""",
            sequence, order_id, number, kind, reason, revokes, now - ago * HOUR,
        )  # fmt: skip
    await connection.close()
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    yield store
    await store.close()


def hours_ago(hours: float) -> datetime:
    return NOW - hours * HOUR


BY_ENTRY = [order_id for order_id, _ in sorted(ORDERS.items(), key=lambda one: one[1][0])]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (OrderFilter(), BY_ENTRY),
        (OrderFilter(seller="one"), ["shielded", "soon", "kept", "cancelled", "revoked"]),
        (OrderFilter(seller="One"), []),
        (OrderFilter(policy="other"), []),
        (OrderFilter(reason="stock-not-validated"), ["cancelled"]),
        (OrderFilter(status=OrderStatus.ESCALATED), ["escalated", "answered"]),
        (OrderFilter(status=OrderStatus.OPEN), ["held", "late", "soon", "shielded"]),
        (OrderFilter(open=True), ["held", "late", "soon", "shielded"]),
        (OrderFilter(open=True, seller="two"), ["held", "late"]),
        (OrderFilter(overdue=True), ["late"]),
        (OrderFilter(held=True), ["held"]),
        (OrderFilter(held=True, open=True), ["held"]),
        (OrderFilter(held=True, overdue=True), []),
        (OrderFilter(held=True, status=OrderStatus.KEPT), []),
        (OrderFilter(held=True, seller="one"), []),
        (OrderFilter(waiting_for_person=True), ["shielded", "held", "escalated"]),
        (OrderFilter(waiting_for_person=True, open=True), ["held", "shielded"]),
        (OrderFilter(since=hours_ago(25.5)), ["shielded", "soon", "late"]),
        (OrderFilter(until=hours_ago(32.5)), ["answered", "revoked"]),
        (OrderFilter(open=True, until=hours_ago(25.5)), ["held"]),
    ],
)  # fmt: skip
async def test_orders_that_fit(store: Database, wanted: OrderFilter, expected: list[str]) -> None:
    found = await find_orders(store, wanted)
    assert [row.order_id for row in found.rows] == expected
    paged, after = [], None
    while True:
        page = await find_orders(store, wanted, limit=2, after=after)
        assert len(page.rows) <= 2
        paged += [row.order_id for row in page.rows]
        after = page.next
        if after is None:
            break
    assert paged == expected


async def test_each_order_says_why_it_waits(store: Database) -> None:
    rows = {row.order_id: row for row in (await find_orders(store, OrderFilter())).rows}
    assert {o for o, row in rows.items() if row.waiting_for_person} == {
        "shielded", "held", "escalated"
    }  # fmt: skip
    assert rows["cancelled"].reasons == ("stock-not-validated",)
    assert rows["revoked"].reasons == ()
    assert {o for o, row in rows.items() if row.overdue} == {"late"}
    assert rows["held"].status == OrderStatus.OPEN


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (DecisionFilter(), [5, 4, 3, 2, 1]),
        (DecisionFilter(seller="two"), [3, 2]),
        (DecisionFilter(policy="other"), []),
        (DecisionFilter(kind=Kind.AUTO_CANCEL), [5, 1]),
        (DecisionFilter(reason=Reason.POLICY), [2]),
        (DecisionFilter(status=DecisionStatus.REVOKED), [1]),
        (DecisionFilter(status=DecisionStatus.UNPUBLISHED), [5]),
        (DecisionFilter(status=DecisionStatus.IN_FORCE), [5, 4, 3, 2]),
        (DecisionFilter(waiting_for_person=True), [3]),
        (DecisionFilter(since=hours_ago(8.5), until=hours_ago(7.2)), [4, 3]),
    ],
)  # fmt: skip
async def test_decisions_that_fit(
    store: Database, wanted: DecisionFilter, expected: list[int]
) -> None:
    found = await find_decisions(store, wanted)
    assert [row.sequence for row in found.rows] == expected
    first = await find_decisions(store, wanted, limit=1)
    rest = await find_decisions(store, wanted, after=first.next) if first.next else None
    assert [row.sequence for row in [*first.rows, *(rest.rows if rest else ())]] == expected


async def test_a_costly_question_ends_and_says_how_to_ask(store: Database, database: str) -> None:
    """A lock stands for the time that a large table takes."""
    connection = await asyncpg.connect(database)
    try:
        async with connection.transaction():
            await connection.execute("LOCK orders IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(TooCostly, match="--since"):
                await find_orders(store, OrderFilter(), patience=timedelta(milliseconds=50))
    finally:
        await connection.close()


@pytest.mark.parametrize("after", ["", "x", "2026-01-01", "2026-01-01T00:00:00Z"])
async def test_a_place_that_no_page_named(store: Database, after: str) -> None:
    for asked in (find_orders(store, OrderFilter(), after=after),
                  find_decisions(store, DecisionFilter(), after=after)):  # fmt: skip
        with pytest.raises(UnknownPlace):
            await asked


async def test_a_day_of_decided_orders_is_found_without_reading_all(
    store: Database, database: str
) -> None:
    """By the index on the entry: of a month, a page of blocks for the day."""
    from worker.storage.statements import sql

    connection = await asyncpg.connect(database)
    try:
        await connection.execute(
            """INSERT INTO orders (order_id, lane, seller_id, entered_at, due, fires_at,
                received_at, finding, outcome)
            SELECT md5(n::text), 0, 'many', t, t, t, t, 'silent', 'kept' FROM (SELECT n,
                now() - interval '60 days' + n * interval '1 minute' AS t
                FROM generate_series(1, 40000) n) AS told"""
        )
        await connection.execute("VACUUM ANALYZE orders")
        now = datetime.now(UTC)
        lines = [r[0] for r in await connection.fetch(
            f"EXPLAIN (ANALYZE, BUFFERS) {sql('find_orders_by_entry')}",
            now - timedelta(days=59), now - timedelta(days=58), now, "~", "many", None, None, None,
            False, 10,
        )]  # fmt: skip
    finally:
        await connection.close()
    assert any("orders_by_entry" in line for line in lines), lines
    assert not any("Seq Scan on orders" in line for line in lines), lines
