"""Order-created records that tell an order otherwise than its row: they are no repeats."""

import json
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from worker.ingest.rows import Rows, is_salvaged
from worker.storage.transaction import Transaction, columns


async def enter_versions(tx: Transaction, rows: Rows, repeats: Collection[str]) -> set[str]:
    """Keep each version that differs from its order, and return these orders.

    ``repeats`` are orders of the batch that may have been known before.
    """
    retold = rows.retold
    if repeats:
        home = rows.home
        assert home is not None
        readable = [o for o in map(rows.orders.__getitem__, repeats) if not is_salvaged(o)]
        retold = [(*order, *home) for order in readable] + retold
    if not retold:
        return set()
    known = await tx.rows("told_orders", list({order[0] for order in retold}))
    stored = {row["order_id"]: _facts(row) for row in known}
    versions = [
        (*facts, topic, partition, offset)
        for order in retold
        for facts, topic, partition, offset in [_version(order)]
        if facts[0] in stored and stored[facts[0]] != _comparable(facts)
    ]
    if versions:
        await tx.execute("insert_versions", *columns(versions), rows.now)
    return {version[0] for version in versions}


def _version(order: tuple[Any, ...]) -> tuple[tuple[Any, ...], str, int, int]:
    order_id, seller_id, fulfilment, entered_at, *_, labels, told, total, currency = order[:-3]
    offset, topic, partition = order[-3:]
    return (
        (order_id, seller_id, fulfilment, entered_at, labels, told, total, currency),
        topic, partition, offset,
    )  # fmt: skip


def _comparable(facts: tuple[Any, ...]) -> tuple[Any, ...]:
    *rest, labels, told_due, total, currency = facts
    amount = None if total is None else Decimal(total)
    return *rest, labels and json.loads(labels), told_due, amount, currency


def _facts(row: Any) -> tuple[Any, ...]:
    return (
        row["order_id"], row["seller_id"], row["fulfilment"], row["entered_at"],
        row["labels"] and json.loads(row["labels"]), row["told_due"], row["total"],
        row["currency"],
    )  # fmt: skip
