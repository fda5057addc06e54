"""The statements of the brake, as in ``worker/storage/sql/brake``."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.simulation.statements.common import RESET_AFTER, Row, reading, statement

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx


@statement
def lock_brake(tx: "Tx") -> "Statement":
    """Nobody in this world takes it off; a person resets it a while after it tripped."""
    yield "brake", True
    second = tx.now().replace(microsecond=0)
    return [Row(released=False, escalate=False, tripped=_tripped(tx), second=second)]


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
def brake_usage(tx: "Tx", window: timedelta, sellers: list[str], second: datetime) -> list[Row]:
    since = second - window - timedelta(seconds=1)
    counted = [row for row in tx.scan("brake_counts") if row["counted_at"] > since]

    def used(seller: str | None, rows: list[Row]) -> Row:
        lapsed, cancels = (sum(row[name] for row in rows) for name in ("lapsed", "cancels"))
        return Row(seller_id=seller, lapsed=lapsed, cancels=cancels)

    of = {one: [row for row in counted if row["seller_id"] == one] for one in sorted(sellers)}
    total = used(None, [row for row in counted if row["lane"] >= 0])
    return [total, *(used(one, rows) for one, rows in of.items() if rows)]


@statement
def count_lapses(tx: "Tx", second: datetime, lane: int, lapsed: int, cancels: int) -> "Statement":
    keys = {*tx.database.tables["brake_counts"], *tx.writes.get("brake_counts", {})}
    for key in sorted(key for key in keys if key[:2] == (second, "")):
        if tx.get("brake_counts", key) is None:
            continue
        yield "brake_counts", key
        row = tx.newest("brake_counts", key)
        if row is not None:
            tx.put("brake_counts", key, None)
            lapsed, cancels = lapsed + row["lapsed"], cancels + row["cancels"]
    _insert(tx, counted_at=second, lane=lane, seller_id="", lapsed=lapsed, cancels=cancels)
    return 1


@statement
def count_lapses_of_sellers(tx: "Tx", second: datetime, *columns: list[Any]) -> "Statement":
    for seller, lapsed, cancels in zip(*columns, strict=True):
        _insert(tx, counted_at=second, lane=-1, seller_id=seller, lapsed=lapsed, cancels=cancels)
    return len(columns[0])
    yield


def _insert(tx: "Tx", **columns: Any) -> None:
    key = columns["counted_at"], columns["seller_id"], tx.serial("brake_counts")
    tx.put("brake_counts", key, Row(**columns))


@reading
def delete_brake_counts(_tx: "Tx", _window: timedelta) -> int:
    """What it removes counts no more, so here it stays."""
    return 0
