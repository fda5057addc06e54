"""The statements of the brake, as in ``worker/storage/sql/brake``."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.simulation.statements.common import RESET_AFTER, Row, reading, statement

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx


@statement
def lock_brake(tx: "Tx") -> "Statement":
    """Nobody in this world takes it off; a person resets it a while after it tripped."""
    yield "brake", True
    return [Row(released=False, escalate=False, tripped=_tripped(tx))]


@statement
def trip_brake(tx: "Tx") -> "Statement":
    row = tx.get("brake", True)
    if row is not None and tx.now() < row["tripped_at"] + RESET_AFTER:
        return 0
    began = tx.now()
    yield "brake", True
    if _tripped(tx):
        return 0
    tx.put("brake", True, Row(tripped_at=began))
    return 1


def _tripped(tx: "Tx") -> bool:
    row = tx.newest("brake", True)
    return row is not None and tx.now() < row["tripped_at"] + RESET_AFTER


@reading
def brake_usage(tx: "Tx", window: timedelta, sellers: list[str]) -> list[Row]:
    counted = [row for row in tx.scan("brake_counts") if row["counted_at"] > tx.now() - window]

    def used(seller: str | None, rows: list[Row]) -> Row:
        lapsed, cancels = (sum(row[name] for row in rows) for name in ("lapsed", "cancels"))
        return Row(seller_id=seller, lapsed=lapsed, cancels=cancels)

    of = {one: [row for row in counted if row["seller_id"] == one] for one in sorted(sellers)}
    return [used(None, counted), *(used(one, rows) for one, rows in of.items() if rows)]


@statement
def insert_brake_counts(tx: "Tx", lane: int, *columns: list[Any]) -> "Statement":
    for seller, lapsed, cancels in zip(*columns, strict=True):
        row = Row(counted_at=tx.now(), lane=lane, seller_id=seller, lapsed=lapsed, cancels=cancels)
        tx.put("brake_counts", tx.serial("brake_counts"), row)
    return len(columns[0])
    yield


@reading
def delete_brake_counts(_tx: "Tx", _window: timedelta) -> int:
    """What it removes counts no more, so here it stays."""
    return 0
