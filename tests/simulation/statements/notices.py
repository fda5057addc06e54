"""The statements of notices, which one lane leaves for another."""

from typing import TYPE_CHECKING, Any

from tests.simulation.statements.common import Row, delete, reading, statement, update

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx


@reading
def next_notices(tx: "Tx", lane: int, limit: int, now: Any) -> list[Row]:
    ripe = [row for row in tx.scan("notices") if row["lane"] == lane and _ripe(row, now)]
    first = ripe[: 10 * limit]
    orders = [*dict.fromkeys(row["order_id"] for row in first)][:limit]
    return [row.only("id", "order_id") for row in first if row["order_id"] in orders]


def _ripe(notice: Row, now: Any) -> bool:
    return notice["retry_at"] is None or notice["retry_at"] <= now


@statement
def postpone_notices(tx: "Tx", ids: list[int], to: Any) -> "Statement":
    return (yield from update(tx, "notices", ids, retry_at=to))


@reading
def lanes_with_notices(tx: "Tx", lanes: list[int]) -> list[Row]:
    found = {row["lane"] for row in tx.scan("notices") if _ripe(row, tx.now())}
    return [Row(lane=lane) for lane in sorted(found.intersection(lanes))]


@statement
def delete_notices(tx: "Tx", ids: list[int]) -> "Statement":
    return (yield from delete(tx, "notices", ids))


@statement
def leave_notices(tx: "Tx", lane: int, order_ids: list[str]) -> "Statement":
    for order_id in order_ids:
        number = tx.serial("notices")
        tx.put("notices", number, Row(id=number, lane=lane, order_id=order_id, retry_at=None))
    return len(order_ids)
    yield
