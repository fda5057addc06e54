"""The statements of reading, as in ``worker/storage/sql/ingest``."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.simulation.statements.common import (
    ACT,
    NEW,
    ORDER,
    Row,
    all_rows,
    delete,
    insert,
    insert_missing,
    reading,
    statement,
    texts,
)
from tests.simulation.statements.copies import copy_acts
from tests.simulation.statements.lanes import lock_lane
from tests.simulation.statements.notices import leave_notices

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx


@statement
def begin_batch(
    tx: "Tx", lanes: list[int], epochs: list[int], owners: list[str], *columns: list[Any]
) -> "Statement":
    left_at = [*zip(*columns[6:], strict=True)]
    fences = sorted(zip(lanes, epochs, owners, strict=True))
    found = []
    for lane, epoch, owner in fences:
        kept = [at for at in left_at if at[1] == lane]
        columns_kept = [[at[column] for at in kept] for column in range(3)]
        for row in (yield from lock_lane(tx, lane, epoch, owner, *columns_kept)):
            found.append(row.but(lane=lane, moved=0))
    passed = {row["lane"]: number for number, row in enumerate(found)}
    for topic, partition, old, new, offset, timestamp in zip(*columns[:6], strict=True):
        key = (topic, partition)
        row = tx.get("positions", key)
        if partition not in passed or row is None or row["next_offset"] != old:
            continue
        yield "positions", key
        row = tx.newest("positions", key)
        if row["next_offset"] == old:
            if offset is not None:
                row = row.but(last_offset=offset, last_timestamp=timestamp)
            tx.put("positions", key, row.but(next_offset=new))
            number = passed[partition]
            found[number] = found[number].but(moved=found[number]["moved"] + 1)
    return found


@statement
def enter_orders(tx: "Tx", now: Any, stubs: list[str], *columns: list[Any]) -> "Statement":
    columns, touched, acts = columns[:19], columns[19], columns[20:]
    rows = (tx.get("orders", order_id) for order_id in sorted(set(touched)))
    met = [row for row in rows if row is not None]
    stub = dict.fromkeys(ORDER) | {"received_at": now, "policy_version": 0}
    arriving = [Row(stub | {"order_id": order_id}) for order_id in stubs]
    arriving += [
        row
        for *values, lane, topic, partition, received_at in zip(*columns, strict=True)
        for row in _arriving(lane, topic, partition, received_at, [[value] for value in values])
    ]
    # Before it waits for another transaction: a lane that begins meanwhile is not counted.
    lanes = {row["lane"] for row in tx.scan("lanes")}
    entered, armed = [], list[Row]()
    for row in sorted(arriving, key=_order_and_lane):
        row = row.but(**NEW)
        if not (yield from insert_missing(tx, "orders", row["order_id"], row)):
            continue
        entered.append(row)
        if row["lane"] is not None:
            yield from _arm(tx, row, armed)
    for lane in sorted({row["lane"] for row in armed} & lanes):
        yield "lanes", lane
        row = tx.newest("lanes", lane)
        number = sum(each["lane"] == lane for each in armed)
        tx.put("lanes", lane, row.but(open_deadlines=row["open_deadlines"] + number))
    yield from copy_acts(tx, ACT, zip(*acts, strict=True))
    return [
        Row(
            entered=[row["order_id"] for row in entered],
            lanes=[row["lane"] for row in entered],
            met=[row["order_id"] for row in met],
            met_lanes=[row["lane"] for row in met],
            watched=[_watched(row) for row in met],
        )
    ]


def _order_and_lane(row: Row) -> tuple[str, bool, int]:
    return row["order_id"], row["lane"] is None, row["lane"] or 0


@reading
def existing_orders(tx: "Tx", array: str) -> list[Row]:
    rows = (tx.get("orders", order_id) for order_id in sorted(set(texts(array))))
    return [
        row.only("order_id", "lane").but(watched=_watched(row), salvaged=_is_salvaged(row))
        for row in rows
        if row is not None
    ]


def _is_salvaged(row: Row) -> bool | None:
    # A comparison with NULL is NULL, unless the other side of AND is false.
    if row["finding"] is not None:
        return False
    return None if row["doubt"] is None else row["doubt"] == "unreadable-evidence"


@statement
def lock_unread(tx: "Tx", order_ids: list[str], readable: list[str], lane: int) -> "Statement":
    def fits(row: Row | None) -> bool:
        return row is not None and (
            row["lane"] is None
            or (row["lane"] == lane and _is_salvaged(row) is True and row["order_id"] in readable)
        )

    found = []
    for order_id in sorted(set(order_ids)):
        if not fits(tx.get("orders", order_id)):
            continue
        yield "orders", order_id
        row = tx.newest("orders", order_id)
        if fits(row):
            found.append(row.only("order_id"))
    return found


@statement
def lock_stubs(tx: "Tx", order_ids: list[str]) -> "Statement":
    found = []
    for order_id in sorted(set(order_ids)):
        row = tx.get("orders", order_id)
        if row is None or row["lane"] is not None:
            continue
        yield "orders", order_id
        row = tx.newest("orders", order_id)
        if row is not None and row["lane"] is None:
            found.append(row.only("order_id"))
    return found


@statement
def adopt_orders(
    tx: "Tx", lane: int, topic: str, partition: int, now: Any,
    *columns: list[Any],
) -> "Statement":  # fmt: skip
    entered, disarmed, armed = 0, 0, []
    arriving = _arriving(lane, topic, partition, now, columns)
    known = {row["order_id"]: tx.get("orders", row["order_id"]) for row in arriving}
    for row in arriving:
        before = known[row["order_id"]]
        if before is None:
            continue
        if before["lane"] is not None and before["fires_at"] != row["fires_at"]:
            key = (before["lane"], before["fires_at"], row["order_id"])
            disarmed += yield from delete(tx, "deadlines", [key])
        yield "orders", row["order_id"]
        old = tx.newest("orders", row["order_id"])
        row = old.but(**row, started_at=None, first_due=None, grace=None, held=False)
        tx.put("orders", row["order_id"], row)
        entered += 1
        if tx.get("deadlines", (lane, row["fires_at"], row["order_id"])) is None:
            yield from _arm(tx, row, armed)
    (found,) = _entered(entered, armed)
    return [found.but(armed=found["armed"] - disarmed)]


def _arriving(
    lane: int, topic: str, partition: int, now: Any,
    columns: tuple[list[Any], ...],
) -> list[Row]:  # fmt: skip
    return [
        Row(
            order_id=order_id, lane=lane, seller_id=seller, fulfilment=fulfilment,
            entered_at=entered_at, due=due, fires_at=fires_at, policy=policy,
            policy_version=version, at_lapse=at_lapse, doubt=doubt,
            labels=labels, told_due=told, total=total and Decimal(total), currency=currency,
            topic=topic,
            partition=partition, offset=offset,
            received_at=now,
        )
        for order_id, seller, fulfilment, entered_at, due, fires_at, policy, version, at_lapse,
        doubt, labels, told, total, currency, offset
        in zip(*columns, strict=True)
    ]  # fmt: skip


def _arm(tx: "Tx", row: Row, armed: list[Row]) -> "Statement":
    """Each deadline follows its order at once, before the next order is looked at."""
    if row["fires_at"] is None:
        return
    deadline = row.only("lane", "fires_at", "order_id")
    yield from insert(tx, "deadlines", tuple(deadline.values()), deadline)
    armed.append(deadline)


def _entered(entered: int, armed: list[Row]) -> list[Row]:
    first = min((row["fires_at"] for row in armed), default=None)
    return [Row(entered=entered, armed=len(armed), first_fires_at=first)]


@statement
def insert_notices(tx: "Tx", order_ids: list[str], lane: int, changed: list[str]) -> "Statement":
    left = []
    for order_id in sorted(set(order_ids)):
        row = tx.get("orders", order_id)
        if row is None or row["lane"] is None:
            continue
        if row["lane"] != lane or _watched(row) or order_id in changed:
            number = tx.serial("notices")
            notice = Row(id=number, lane=row["lane"], order_id=order_id, retry_at=None)
            tx.put("notices", number, notice)
            left.append(Row(lane=row["lane"]))
    return left
    yield


@statement
def notice_mentioned(
    tx: "Tx", order_ids: list[str], ready: list[str], lanes: list[int]
) -> "Statement":
    left = []
    by_lane = {*zip(ready, lanes, strict=True)}
    for order_id in sorted({*order_ids, *ready}):
        row = tx.get("orders", order_id)
        if row is None or row["lane"] is None:
            continue
        elsewhere = any(row["lane"] != lane for told, lane in by_lane if told == order_id)
        started = row["finding"] is not None or row["started_at"] is not None
        if row["due"] is None or elsewhere or (order_id in ready and started):
            left.append(Row(lane=row["lane"], order_id=order_id))
            yield from leave_notices(tx, row["lane"], [order_id])
    return left


def _watched(row: Row) -> bool:
    return row["finding"] is not None or row["due"] is None or row["started_at"] is not None


@reading
def insert_unknown_statuses(_tx: "Tx", *_columns: Any) -> int:
    return 0  # nothing reads them but a command


@reading
def told_orders(tx: "Tx", order_ids: list[str]) -> list[Row]:
    names = ("order_id", "seller_id", "fulfilment", "entered_at", "labels", "told_due", "total",
             "currency")  # fmt: skip
    rows = (tx.get("orders", order_id) for order_id in sorted(set(order_ids)))
    return [row.only(*names) for row in rows if row is not None and row["lane"] is not None]


@statement
def insert_versions(tx: "Tx", *columns: Any) -> "Statement":
    *columns, received_at = columns
    number = 0
    for order_id, seller, fulfilment, entered_at, labels, told, total, currency, *place in zip(
        *columns, strict=True
    ):
        topic, partition, offset = place
        row = Row(order_id=order_id, received_at=received_at, topic=topic, partition=partition,
                  offset=offset, seller_id=seller, fulfilment=fulfilment, entered_at=entered_at,
                  total=total and Decimal(total), currency=currency, labels=labels,
                  told_due=told)  # fmt: skip
        number += yield from insert_missing(tx, "order_versions", (order_id, *place), row)
    return number


@statement
def insert_changes(
    tx: "Tx", order_id: str, *values: Any,
) -> "Statement":  # fmt: skip
    key = (order_id, *values[-3:])
    return (yield from insert_missing(tx, "deadline_changes", key, _change(order_id, *values)))


def _change(
    order_id: str, kind: str, occurred_at: Any, received_at: Any, due: Any, author: str,
    reason: str, topic: str, partition: int, offset: int,
) -> Row:  # fmt: skip
    return Row(
        order_id=order_id, kind=kind, occurred_at=occurred_at, received_at=received_at, due=due,
        author=author, reason=reason, topic=topic, partition=partition, offset=offset,
        counted=None,
    )  # fmt: skip


@statement
def insert_dead_letters(
    tx: "Tx", lane: int, topic: str, partition: int, offset: int, timestamp: Any, received_at: Any,
    error: str, message: str, key: Any, value: Any, names: Any, values: Any, named: list[str],
    tells_act: bool,
) -> "Statement":  # fmt: skip
    orders = [tx.get("orders", order_id) for order_id in named]
    known = any(order is not None and order["lane"] is not None for order in orders)
    astray = True if tells_act and not known else None
    place = (topic, partition, offset, timestamp)
    number = tx.serial("dead_letters")
    yield "dead_letters_by_place", place
    there = [
        row["id"]
        for row in all_rows(tx, "dead_letters")
        if (row["topic"], row["partition"], row["offset"], row["timestamp"]) == place
    ]
    if there:
        (number,) = there
        yield "dead_letters", number
        letter = tx.newest("dead_letters", number)
        assert letter is not None
        tx.put("dead_letters", number, letter.but(astray=astray))
    else:
        tx.put("dead_letters", number, Row(
            id=number, lane=lane, topic=topic, partition=partition, offset=offset,
            timestamp=timestamp, received_at=received_at, error=error, message=message, key=key,
            value=value, header_names=names, header_values=values, published=False,
            astray=astray,
        ))  # fmt: skip
    shielded = 0
    for order_id in named:
        shield = Row(order_id=order_id, dead_letter=number)
        shielded += yield from insert_missing(tx, "shields", (order_id, number), shield)
    return shielded
