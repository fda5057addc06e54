"""COPY into the large tables."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.simulation.statements.common import (
    COPIES,
    NEW,
    ORDER,
    REFUSED,
    Row,
    all_rows,
    fault,
    insert,
)

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx


def copy_acts(tx: "Tx", columns: Iterable[str], rows: Iterable[Any]) -> "Statement":
    for values in rows:
        row = Row(zip(columns, values, strict=True))
        if REFUSED in row["body"]:
            raise fault("22P02")
        tx.put("acts", tx.serial("acts"), row)
    return 0
    yield


def copy_orders(tx: "Tx", columns: Iterable[str], rows: Iterable[Any]) -> "Statement":
    for values in rows:
        row = Row(zip(columns, values, strict=True)).only(*ORDER).but(**NEW)
        yield from insert(tx, "orders", row["order_id"], row)
    return 0


def copy_deadlines(tx: "Tx", columns: Iterable[str], rows: Iterable[Any]) -> "Statement":
    for values in rows:
        yield from insert(tx, "deadlines", tuple(values), Row(zip(columns, values, strict=True)))
    return 0


def copy_decisions(tx: "Tx", columns: Iterable[str], rows: Iterable[Any]) -> "Statement":
    for values in rows:
        row = Row(zip(columns, values, strict=True))
        yield from insert(tx, "decisions", (row["lane"], row["sequence"]), row)
        yield "decisions_by_order", (row["order_id"], row["ordinal"])
        if any(
            (other["order_id"], other["ordinal"]) == (row["order_id"], row["ordinal"])
            for other in all_rows(tx, "decisions")
            if other is not row
        ):
            raise fault("23505")
    return 0


COPIES.update(
    acts=copy_acts, orders=copy_orders, deadlines=copy_deadlines, decisions=copy_decisions
)
