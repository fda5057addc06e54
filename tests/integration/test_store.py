"""What is said to Postgres in another way than the driver's."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import pytest
from pydantic import SecretStr

from worker.errors import SeveralDatabases
from worker.ingest.rows import Rows
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage import binary_copy
from worker.storage.database import Database
from worker.storage.decision_copy import DECISION_COLUMNS, decisions
from worker.storage.installation import claim_mode
from worker.storage.migrate import migrate
from worker.storage.transaction import Transaction, text_array

MEANING = "\"\\{},' N\n\x01é"


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["NULL", "null", "a", "😀"],
        ["".join(some) for length in (1, 2, 3) for some in product(MEANING, repeat=length)],
    ],
)
async def test_an_array_of_texts_arrives_as_it_was(database: str, texts: list[str]) -> None:
    connection = await asyncpg.connect(database)
    try:
        found = await connection.fetchval("SELECT $1::text::text[]", text_array(texts))
    finally:
        await connection.close()
    assert found == texts


NOW = datetime(2026, 11, 26, 12, 0, 0, 123_456, tzinfo=UTC)
INSTANTS = [
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    NOW,
]
TEXTS = ["a", "é😀", "\t\n\\N'\"", "x" * 200]
AMOUNTS = [
    "0", "0.0", "0.000000000", "00000000000012.50", "7", "9999", "10000", "9999.9999",
    "100000000.00000001", "0.0001", "0.00001", "0.000000001", "1234567890123456.123456789",
    "9999999999999999.999999999", "1000000000000000", "120.90",
]  # fmt: skip


async def test_packed_acts_arrive_as_they_were(database: str) -> None:
    flags = (None, True, False)
    acts = [
        (text, text, instant, "t", 2**31 - 1 - at, 2**63 - 1 - at, stock_ok, form, unknown, body)
        for at, (text, instant, stock_ok, form, unknown, body) in enumerate(
            product(TEXTS, INSTANTS, flags, flags, flags[:2], [b"{}", '{"é": 1}'.encode()])
        )
    ]
    rows = Rows(NOW)
    rows.acts += acts[:100]
    rows.pack()
    rows.acts += acts[100:]
    rows.pack()
    assert not rows.acts
    found = await _copied(database, "acts", binary_copy.ACT_COLUMNS, rows.packed_acts)
    assert found == [
        (key, status, *said, topic, partition, at, NOW, offset, body.decode())
        for key, status, at, topic, partition, offset, *said, body in acts
    ]


async def test_packed_orders_arrive_as_they_were(database: str) -> None:
    rows = Rows(NOW, home=("t", 7))
    ids = (f"{text}{number}" for number in range(1_000) for text in TEXTS)
    some = [None, *AMOUNTS]
    orders = [
        (next(ids), seller, "courier", entered, due, fires, policy, version, at_lapse,
         "entered-late" if offset % 2 else None, '{"é": "1"}' if offset % 3 else None,
         NOW if offset % 5 else None, total, currency, offset)
        for offset, ((entered, due, fires), seller, total, currency, terms) in enumerate(
            product(
                [(NOW, None, None), *((one, one, NOW) for one in INSTANTS)],
                TEXTS[:2], some, [None, "PEN"],
                [(None, 0, None), ("default", 2**31 - 1, "escalate")],
            )
        )
        for policy, version, at_lapse in [terms]
    ]  # fmt: skip
    packed = rows.pack_orders(3, orders, ["stub", "another"])
    found = await _copied(database, "orders", binary_copy.ORDER_COLUMNS, packed)
    wanted: list[tuple[Any, ...]] = [
        (
            key,
            *times,
            seller,
            mode,
            *policy,
            currency,
            labels,
            told,
            total and Decimal(total),
            offset,
            *place,
        )
        for key, seller, mode, *times_and_policy, labels, told, total, currency, offset in orders
        for times, policy in [(times_and_policy[:3], times_and_policy[3:])]
        for place in [(3, "t", 7, NOW)]
    ]
    wanted += [(key, *[None] * 6, 0, *[None] * 10, NOW) for key in ("stub", "another")]
    # In the order of their keys, as Postgres compares them.
    assert found == sorted(wanted, key=lambda row: str(row[0]).encode())
    places = {max(0, -row[13].as_tuple().exponent) for row in found if row[13] is not None}
    assert places == {len(amount.partition(".")[2]) for amount in AMOUNTS}


async def test_packed_deadlines_arrive_as_they_were(database: str) -> None:
    rows = [(lane, at, text) for lane, at, text in product([0, 2**31 - 1], INSTANTS, TEXTS)]
    found = await _copied(
        database, "deadlines", binary_copy.DEADLINE_COLUMNS, binary_copy.deadlines(rows)
    )
    assert found == rows


async def test_packed_decisions_arrive_as_they_were(database: str) -> None:
    kinds = [("auto-cancel", "stock-not-validated", None), ("decision-revoked", "é", 2**31 - 1)]
    rows = [
        (text, ordinal, uuid5(UUID(int=0), f"{text}{ordinal}"), *kind, at, text)
        for text, kind in product(TEXTS, kinds)
        for ordinal, at in enumerate(INSTANTS, 1 + 10 * kinds.index(kind))
    ]
    packed = decisions(7, 2**62, [(*row, text.encode()) for *row, text in rows])
    found = await _copied(database, "decisions", DECISION_COLUMNS, packed)
    assert found == [(7, sequence, *row) for sequence, row in enumerate(rows, 2**62)]


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_what_is_not_unicode_is_not_packed(text: str) -> None:
    act = (text, "canceled", NOW, "t", 0, 0, None, None, None, b"{}")
    order = ("o", text, "courier", NOW, NOW, NOW, "p", 1, "escalate", None, None, None, None,
             None, 0)  # fmt: skip
    with pytest.raises(UnicodeError):
        binary_copy.acts([act], NOW)
    with pytest.raises(UnicodeError):
        binary_copy.orders([order], 0, ("t", 0), NOW)


@pytest.mark.parametrize("placed", ["{[6,)}", "{[0,6),[9,12)}"])
async def test_one_of_several_databases_is_not_claimed(database: str, placed: str) -> None:
    """A version before this one kept lanes elsewhere: here they would be decided again."""
    await migrate(database)
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    connection = await asyncpg.connect(database)
    try:
        await claim_mode(store, "live")
        await claim_mode(store, "live")
        await connection.execute(
            "UPDATE installation SET elsewhere = $1::text::int4multirange", placed
        )
        with pytest.raises(SeveralDatabases) as refused:
            await claim_mode(store, "live")
        assert placed in str(refused.value)
        # A later migration drops the column, and this version may run beside the one after it.
        await connection.execute("ALTER TABLE installation DROP COLUMN elsewhere")
        await claim_mode(store, "live")
    finally:
        await connection.close()
        await store.close()


async def _copied(
    database: str, table: str, columns: tuple[str, ...], rows: list[bytes]
) -> list[tuple[Any, ...]]:
    """The rows as the driver reads them, in the order in which they were copied."""
    await migrate(database)
    connection = await asyncpg.connect(database)
    try:
        await Transaction(connection).copy_packed(table, columns, rows)
        names = ", ".join(f'"{column}"' for column in columns)
        return [tuple(row) for row in await connection.fetch(f"SELECT {names} FROM {table}")]
    finally:
        await connection.close()
