"""The statements of ``worker/storage/sql``, by name, for the model of Postgres.

Each yields the key of a row before it changes it; what it looked at before may be stale by then,
as in Postgres.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from worker.domain.acts import EXTENDED, HELD, ORDER_CREATED, RELEASED
from worker.outbox.events import Event

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx

# A body that holds this stands for a value that Postgres refuses.
REFUSED = "refused-by-postgres"
# What the table of policies holds, by name and version: it never changes.
REMINDERS = timedelta(seconds=6), timedelta(seconds=2)
POLICIES = {
    ("default", 1): {"dispute_type": "CS", "dispute_text": "late", "reminders": [*REMINDERS]}
}

# A person looks at a tripped brake and resets it.
RESET_AFTER = timedelta(seconds=4)
CHANGES = EXTENDED, HELD, RELEASED

STATEMENTS: dict[str, "Callable[..., Statement]"] = {}
COPIES: dict[str, "Callable[..., Statement]"] = {}

_ORDER = (
    "order_id", "lane", "seller_id", "fulfilment", "entered_at", "due", "fires_at", "policy",
    "policy_version", "at_lapse", "doubt", "labels", "told_due", "total", "currency", "topic",
    "partition", "offset", "received_at",
)  # fmt: skip


_ACT = (
    "order_id", "status", "occurred_at", "received_at", "topic", "partition", "offset",
    "stock_ok", "form_complete", "unknown", "body",
)  # fmt: skip
# What an order has beside the columns that it enters with.
_NEW = {
    "finding": None, "outcome": None, "decided_at": None, "decisions": 0, "first_due": None,
    "grace": None, "held": False, "started_at": None,
}  # fmt: skip


class Row(dict[Any, Any]):
    """A row: by name, or by number as asyncpg allows."""

    def __missing__(self, number: int) -> Any:
        return list(self.values())[number]

    def only(self, *names: str) -> "Row":
        return Row((name, self[name]) for name in names)

    def but(self, **changes: Any) -> "Row":
        return Row(self, **changes)


def _texts(array: str) -> list[str]:
    """What :func:`worker.storage.transaction.text_array` wrote."""
    texts: list[str] = json.loads(f"[{array[1:-1]}]", strict=False)
    return texts


def _statement(made: "Callable[..., Statement]") -> "Callable[..., Statement]":
    STATEMENTS[made.__name__] = made
    return made


def _reading(made: Callable[..., Any]) -> Callable[..., Any]:
    """A statement that locks nothing."""

    def run(tx: "Tx", *arguments: Any) -> "Statement":
        return made(tx, *arguments)
        yield

    STATEMENTS[made.__name__] = run
    return made


def _fault(sqlstate: str) -> Exception:
    from tests.simulation.database import Fault

    return Fault(sqlstate)


# Lanes and positions.


@_reading
def end_frozen_sessions(tx: "Tx") -> list[Row]:
    return []  # a frozen session is ended by the model of the server


@_reading
def set_lock_timeout(tx: "Tx") -> list[Row]:
    from tests.simulation.database import LOCK_TIMEOUT_AT_TAKE_OVER

    tx.lock_timeout = LOCK_TIMEOUT_AT_TAKE_OVER
    return []


@_statement
def acquire_lane(tx: "Tx", lane: int, owner: str) -> "Statement":
    published = tx.get("published", lane)
    yield "lanes", lane
    row = tx.newest("lanes", lane)
    if row is None:
        row = Row(lane=lane, epoch=1, owner=owner, sequence=0, open_deadlines=0)
    else:
        row = row.but(epoch=row["epoch"] + 1, owner=owner)
    tx.put("lanes", lane, row)
    found = row.only("epoch", "sequence", "open_deadlines")
    return [found.but(published=published["sequence"] if published else 0)]


@_statement
def lock_lane(tx: "Tx", lane: int, epoch: int, owner: str, *left_at: list[Any]) -> "Statement":
    row = tx.get("lanes", lane)
    if row is None or (row["epoch"], row["owner"]) != (epoch, owner):
        return []
    kept = _kept(tx, left_at)
    yield "lanes", lane
    row = tx.newest("lanes", lane)
    if (row["epoch"], row["owner"]) != (epoch, owner):
        return []
    return [row.only("sequence", "open_deadlines").but(kept=kept)]


@_reading
def look_at_lane(tx: "Tx", lane: int, epoch: int, owner: str) -> list[Row]:
    row = tx.get("lanes", lane)
    ours = row is not None and (row["epoch"], row["owner"]) == (epoch, owner)
    return [row.only("sequence")] if ours else []


def _kept(tx: "Tx", left_at: Sequence[list[Any]]) -> int:
    """How many positions are where they were left."""
    rows = [(tx.get("positions", (t, p)), at) for t, p, at in zip(*left_at, strict=True)]
    return sum(row is not None and row["next_offset"] == at for row, at in rows)


@_statement
def begin_batch(tx: "Tx", lane: int, epoch: int, owner: str, *columns: list[Any]) -> "Statement":
    found = yield from lock_lane(tx, lane, epoch, owner, *columns[6:])
    moved = 0
    for topic, partition, old, new, offset, timestamp in zip(*columns[:6], strict=True):
        key = (topic, partition)
        row = tx.get("positions", key)
        if not found or row is None or row["next_offset"] != old:
            continue
        yield "positions", key
        row = tx.newest("positions", key)
        if row["next_offset"] == old:
            if offset is not None:
                row = row.but(last_offset=offset, last_timestamp=timestamp)
            tx.put("positions", key, row.but(next_offset=new))
            moved += 1
    return [row.but(moved=moved) for row in found]


@_statement
def update_lane(tx: "Tx", lane: int, sequence: int, open_deadlines: int) -> "Statement":
    return (
        yield from _update(tx, "lanes", [lane], sequence=sequence, open_deadlines=open_deadlines)
    )


@_statement
def release_lane(tx: "Tx", lane: int, epoch: int, owner: str) -> "Statement":
    row = tx.get("lanes", lane)
    if row is None or (row["epoch"], row["owner"]) != (epoch, owner):
        return 0
    yield "lanes", lane
    row = tx.newest("lanes", lane)
    if (row["epoch"], row["owner"]) != (epoch, owner):
        return 0
    tx.put("lanes", lane, row.but(owner=None))
    return 1


@_reading
def lane_positions(tx: "Tx", lane: int, topics: list[str]) -> list[Row]:
    return [
        row.only("topic", "partition", "next_offset", "last_offset", "last_timestamp", "topic_id")
        for row in tx.scan("positions")
        if row["partition"] == lane and row["topic"] in topics
    ]


@_reading
def lanes_as_stored(tx: "Tx", lanes: list[int]) -> list[Row]:
    nothing = Row(topic=None, partition=None, next_offset=None)
    return [
        lane.only("lane", "epoch", "owner", "sequence").but(
            **position.only("topic", "partition", "next_offset")
        )
        for lane in tx.scan("lanes")
        if lane["lane"] in lanes
        for position in [p for p in tx.scan("positions") if p["partition"] == lane["lane"]]
        or [nothing]
    ]


@_reading
def positions(tx: "Tx") -> list[Row]:
    names = (
        "topic", "partition", "next_offset", "last_offset", "last_timestamp", "topic_id",
        "covered_since", "begins_at",
    )  # fmt: skip
    adopted_at = tx.database.adopted_at
    return [row.only(*names).but(adopted_at=adopted_at) for row in tx.scan("positions")]


@_reading
def astray_since(tx: "Tx", lane: int) -> list[Row]:
    known = {
        row["dead_letter"]
        for row in tx.scan("shields")
        if (order := tx.get("orders", row["order_id"])) and order["lane"] is not None
    }
    times = [
        row["timestamp"]
        for row in tx.scan("dead_letters")
        if row["lane"] == lane and row["astray"] and row["id"] not in known
    ]
    return [Row(at=max(times))] if times else []


@_statement
def start_position(
    tx: "Tx",
    topic: str,
    partition: int,
    next_offset: int,
    covered_since: Any,
    begins_at: Any,
    topic_id: bytes | None,
) -> "Statement":
    key = (topic, partition)
    yield "positions", key
    before = tx.newest("positions", key)
    if before is not None and before["covered_since"] is not None:
        known = before["covered_since"]
        covered_since = known if covered_since is None else max(known, covered_since)
    if others := [row["begins_at"] for row in tx.scan("positions") if row["topic"] == topic]:
        begins_at = min((at for at in others if at is not None), default=None)
    if before is not None:
        begins_at = before["begins_at"]
    tx.put("positions", key, Row(topic=topic, partition=partition, next_offset=next_offset,
                                 covered_since=covered_since, begins_at=begins_at,
                                 topic_id=topic_id,
                                 last_offset=None, last_timestamp=None))  # fmt: skip
    return 1


@_statement
def identify_topic(tx: "Tx", topic: str, partition: int, topic_id: bytes) -> "Statement":
    key = (topic, partition)
    row = tx.get("positions", key)
    if row is None or row["topic_id"] is not None:
        return 0
    yield "positions", key
    row = tx.newest("positions", key)
    if row["topic_id"] is not None:
        return 0
    tx.put("positions", key, row.but(topic_id=topic_id))
    return 1


@_statement
def mark_published(tx: "Tx", lane: int, sequence: int) -> "Statement":
    yield "published", lane
    row = tx.newest("published", lane)
    if row is not None:
        sequence = max(sequence, row["sequence"])
    tx.put("published", lane, Row(lane=lane, sequence=sequence))
    return 1


# Orders, deadlines and notices.


@_statement
def enter_orders(
    tx: "Tx", lane: int, topic: str, partition: int, now: Any,
    stubs: list[str], *columns: list[Any],
) -> "Statement":  # fmt: skip
    columns, touched, acts = columns[:15], columns[15], columns[16:]
    rows = (tx.get("orders", order_id) for order_id in sorted(set(touched)))
    met = [row for row in rows if row is not None]
    watched = [row["order_id"] for row in met if row["lane"] != lane or _watched(row)]
    stub = dict.fromkeys(_ORDER) | {"received_at": now, "policy_version": 0}
    arriving = [Row(stub | {"order_id": order_id}) for order_id in stubs]
    arriving += _arriving(lane, topic, partition, now, columns)
    entered, made, armed = 0, 0, []
    for row in sorted(arriving, key=lambda row: row["order_id"]):
        row = row.but(**_NEW)
        if not (yield from _insert_missing(tx, "orders", row["order_id"], row)):
            continue
        if row["lane"] is None:
            made += 1
        else:
            entered += 1
            yield from _arm(tx, row, armed)
    row = tx.get("lanes", lane)
    if armed and row is not None:
        yield "lanes", lane
        row = tx.newest("lanes", lane)
        tx.put("lanes", lane, row.but(open_deadlines=row["open_deadlines"] + len(armed)))
    yield from copy_acts(tx, _ACT, zip(*acts, strict=True))
    (found,) = _entered(entered, armed)
    return [found.but(stubs=made, met=[row["order_id"] for row in met], watched=watched)]


@_reading
def existing_orders(tx: "Tx", array: str) -> list[Row]:
    rows = (tx.get("orders", order_id) for order_id in sorted(set(_texts(array))))
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


@_statement
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


@_statement
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


@_statement
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
            disarmed += yield from _delete(tx, "deadlines", [key])
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
    yield from _insert(tx, "deadlines", tuple(deadline.values()), deadline)
    armed.append(deadline)


def _entered(entered: int, armed: list[Row]) -> list[Row]:
    first = min((row["fires_at"] for row in armed), default=None)
    return [Row(entered=entered, armed=len(armed), first_fires_at=first)]


@_statement
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


@_statement
def notice_mentioned(tx: "Tx", order_ids: list[str], ready: list[str]) -> "Statement":
    left = []
    for order_id in sorted({*order_ids, *ready}):
        row = tx.get("orders", order_id)
        if row is None or row["lane"] is None:
            continue
        if row["due"] is None or (order_id in ready and _watched(row)):
            left.append(Row(lane=row["lane"]))
            yield from leave_notices(tx, row["lane"], [order_id])
    return left


@_statement
def notice_waiting(tx: "Tx", lane: int, after: str, limit: int) -> "Statement":
    waiting = [
        row["order_id"]
        for row in tx.scan("orders")
        if row["lane"] == lane and row["due"] is None and row["order_id"] > after
    ][:limit]
    yield from leave_notices(tx, lane, waiting)
    return [Row(orders=len(waiting), last=max(waiting, default=None))]


def _watched(row: Row) -> bool:
    return row["finding"] is not None or row["due"] is None or row["started_at"] is not None


def _waits(row: Row | None) -> bool:
    return row is not None and row["lane"] is not None and row["due"] is None


@_reading
def waiting_orders(tx: "Tx", order_ids: list[str]) -> list[Row]:
    names = ("order_id", "seller_id", "fulfilment", "total", "currency", "labels", "told_due",
             "entered_at",
             "due")  # fmt: skip
    rows = (tx.get("orders", order_id) for order_id in sorted(set(order_ids)))
    return [row.only(*names) for row in rows if row is not None and _waits(row)]


@_statement
def set_clocks(tx: "Tx", lane: int, *columns: list[Any]) -> "Statement":
    armed, disarmed = [], 0
    for (
        order_id, started_at, due, fires_at, policy, version, at_lapse, fired_at, doubt, seller_id
    ) in zip(*columns, strict=True):  # fmt: skip
        started = yield from _update_own(
            tx, lane, order_id, started_at=started_at, due=due, fires_at=fires_at,
            first_due=None, grace=None, held=False, policy=policy, policy_version=version,
            at_lapse=at_lapse, doubt=doubt, seller_id=seller_id,
        )  # fmt: skip
        if fired_at != fires_at:
            disarmed += yield from _delete(tx, "deadlines", [(lane, fired_at, order_id)])
        key = (lane, fires_at, order_id)
        if started and fires_at is not None and tx.get("deadlines", key) is None:
            tx.put("deadlines", key, Row(lane=lane, fires_at=fires_at, order_id=order_id))
            armed.append(fires_at)
    return [Row(disarmed=disarmed, armed=len(armed),
                first_fires_at=min(armed, default=None))]  # fmt: skip


@_reading
def next_notices(tx: "Tx", lane: int, limit: int, now: Any) -> list[Row]:
    ripe = [row for row in tx.scan("notices") if row["lane"] == lane and _ripe(row, now)]
    first = ripe[: 10 * limit]
    orders = [*dict.fromkeys(row["order_id"] for row in first)][:limit]
    return [row.only("id", "order_id") for row in first if row["order_id"] in orders]


def _ripe(notice: Row, now: Any) -> bool:
    return notice["retry_at"] is None or notice["retry_at"] <= now


@_statement
def postpone_notices(tx: "Tx", ids: list[int], to: Any) -> "Statement":
    return (yield from _update(tx, "notices", ids, retry_at=to))


@_reading
def lanes_with_notices(tx: "Tx", lanes: list[int]) -> list[Row]:
    found = {row["lane"] for row in tx.scan("notices") if _ripe(row, tx.now())}
    return [Row(lane=lane) for lane in sorted(found.intersection(lanes))]


@_statement
def delete_notices(tx: "Tx", ids: list[int]) -> "Statement":
    return (yield from _delete(tx, "notices", ids))


@_reading
def due_deadlines(tx: "Tx", lane: int, at: Any, limit: int) -> list[Row]:
    found = [row for row in tx.scan("deadlines") if row["lane"] == lane and row["fires_at"] <= at]
    return [row.only("fires_at", "order_id") for row in found[:limit]]


@_reading
def next_deadline(tx: "Tx", lane: int) -> list[Row]:
    fires = (row["fires_at"] for row in tx.scan("deadlines") if row["lane"] == lane)
    return [Row(min=min(fires, default=None))]


@_statement
def disarm_deadlines(tx: "Tx", lane: int, fires_at: Any, order_id: str) -> "Statement":
    keys = [
        (lane, row["fires_at"], row["order_id"])
        for row in tx.scan("deadlines")
        if row["lane"] == lane and (row["fires_at"], row["order_id"]) <= (fires_at, order_id)
    ]
    return (yield from _delete(tx, "deadlines", keys))


@_statement
def arm_deadlines(tx: "Tx", lane: int, at: Any, order_ids: list[str]) -> "Statement":
    for order_id in order_ids:
        yield from _insert(
            tx,
            "deadlines",
            (lane, at, order_id),
            Row(lane=lane, fires_at=at, order_id=order_id),
        )
    return len(order_ids)


@_statement
def postpone_deadlines(tx: "Tx", lane: int, to: Any, ids: list[str]) -> "Statement":
    moved = 0
    for order_id in ids:
        yield from _insert(
            tx, "deadlines", (lane, to, order_id), Row(lane=lane, fires_at=to, order_id=order_id)
        )
        if tx.get("orders", order_id) is None:
            continue
        yield "orders", order_id
        order = tx.newest("orders", order_id)
        if order is not None:
            grace = order["grace"]
            if grace is None and order["due"] is not None:
                grace = order["fires_at"] - order["due"]
            tx.put("orders", order_id, order.but(grace=grace, fires_at=to))
            moved += 1
    return moved


@_statement
def update_outcomes(
    tx: "Tx", array: str, finding: str | None, outcome: str | None, decisions: int, at: Any
) -> "Statement":
    return (
        yield from _update(
            tx, "orders", sorted(_texts(array)),
            finding=finding, outcome=outcome, decisions=decisions,
            decided_at=None if finding is None else at,
        )
    )  # fmt: skip


# Cases.


@_reading
def case_orders(tx: "Tx", array: str, lane: int) -> list[Row]:
    rows = (tx.get("orders", order_id) for order_id in sorted(set(_texts(array))))
    none = dict.fromkeys(("dispute_type", "dispute_text", "reminders"))
    retold = {row["order_id"] for row in tx.scan("order_versions")}
    stubs = {row["order_id"].lower() for row in tx.scan("orders") if row["lane"] is None}
    return [
        row.but(
            **POLICIES.get((row["policy"], row["policy_version"]), none),
            retold=row["order_id"] in retold,
            has_namesake=row["order_id"].lower() in stubs,
        )
        for row in rows
        if row is not None and row["lane"] == lane and row["due"] is not None
    ]


@_reading
def case_acts(tx: "Tx", array: str, most: int) -> list[Row]:
    acts = _acts_of(tx, lambda row: row["status"] not in (ORDER_CREATED, *CHANGES))
    found = [row for one in sorted(set(_texts(array))) for row in acts.get(one, ())[:most]]
    return sorted(found, key=_by_meaning)


@_reading
def abridged_acts(
    tx: "Tx", order_ids: list[str], dues: list[Any], statuses: list[str]
) -> list[Row]:
    acts = _acts_of(tx, lambda row: row["status"] in statuses)
    unknown = _acts_of(tx, lambda row: row["unknown"])
    found: dict[Any, Row] = {}
    for order_id, due in zip(order_ids, dues, strict=True):
        kinds: dict[Any, list[Row]] = {}
        for row in acts.get(order_id, ()):
            kind = row["status"], row["stock_ok"], row["form_complete"], row["occurred_at"] <= due
            kinds.setdefault(kind, []).append(row)
        for rows in kinds.values():
            rows.sort(key=lambda row: row["occurred_at"])
            # Of equal ones, Postgres may give any.
            for row in (rows[0], rows[-1]):
                found[tuple(row.values())] = row
        obscure = sorted(unknown.get(order_id, ()), key=lambda row: row["occurred_at"])
        in_time = [row for row in obscure if row["occurred_at"] <= due]
        for row in (*obscure[:1], *in_time[-1:]):
            found[tuple(row.values())] = row
    return sorted(found.values(), key=_by_meaning)


@_reading
def case_versions(tx: "Tx", order_ids: list[str], most: int) -> list[Row]:
    found = []
    for order_id in sorted(set(order_ids)):
        told = [row for row in tx.scan("order_versions") if row["order_id"] == order_id]
        told.sort(key=lambda row: (row["received_at"], row["topic"], row["partition"],
                                   row["offset"]))  # fmt: skip
        found += told[:most]
    return found


@_reading
def insert_unknown_statuses(_tx: "Tx", *_columns: Any) -> int:
    return 0  # nothing reads them but a command


@_reading
def case_lines(tx: "Tx", order_ids: list[str], statuses: list[str]) -> list[Row]:
    names = "order_id", "status", "occurred_at", "topic", "partition", "offset", "body"
    found = []
    for order_id in sorted(set(order_ids)):
        rows = [
            row.only(*names)
            for row in tx.scan("acts")
            if row["order_id"] == order_id and row["status"] in statuses
        ]
        found += sorted(rows, key=lambda row: row["occurred_at"])[:20]
    return found


@_reading
def told_orders(tx: "Tx", order_ids: list[str]) -> list[Row]:
    names = ("order_id", "seller_id", "fulfilment", "entered_at", "labels", "told_due", "total",
             "currency")  # fmt: skip
    rows = (tx.get("orders", order_id) for order_id in sorted(set(order_ids)))
    return [row.only(*names) for row in rows if row is not None and row["lane"] is not None]


@_statement
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
        number += yield from _insert_missing(tx, "order_versions", (order_id, *place), row)
    return number


@_reading
def count_evidence(tx: "Tx", order_id: str, statuses: list[str]) -> list[Row]:
    changes = [
        row
        for row in tx.scan("deadline_changes")
        if row["order_id"] == order_id and row["counted"] is not False
    ]
    acts = _acts_of(tx, lambda row: row["status"] in statuses)
    return [Row(acts=len(acts.get(order_id, ())), changes=len(changes))]


_SHOWN = tuple(name for name in _ACT if name not in ("unknown", "body"))


def _acts_of(tx: "Tx", chosen: Callable[[Row], Any]) -> dict[str, list[Row]]:
    """By order, in the order of their arrival."""
    found: dict[str, list[Row]] = {}
    for row in tx.scan("acts"):
        if chosen(row):
            found.setdefault(row["order_id"], []).append(row.only(*_SHOWN))
    return found


def _by_meaning(row: Row) -> Any:
    """NULLs last, as Postgres sorts them."""
    names = ("order_id", "status", "occurred_at", "stock_ok", "form_complete", "received_at",
             "topic", "partition", "offset")  # fmt: skip
    return tuple(
        (row[n] is None, row[n] or 0) if n in ("stock_ok", "form_complete") else row[n]
        for n in names
    )


# Deadlines that move.


@_reading
def outages(tx: "Tx") -> list[Row]:
    return []  # never given back here


@_statement
def insert_changes(
    tx: "Tx", order_id: str, *values: Any,
) -> "Statement":  # fmt: skip
    key = (order_id, *values[-3:])
    return (yield from _insert_missing(tx, "deadline_changes", key, _change(order_id, *values)))


def _change(
    order_id: str, kind: str, occurred_at: Any, received_at: Any, due: Any, author: str,
    reason: str, topic: str, partition: int, offset: int,
) -> Row:  # fmt: skip
    return Row(
        order_id=order_id, kind=kind, occurred_at=occurred_at, received_at=received_at, due=due,
        author=author, reason=reason, topic=topic, partition=partition, offset=offset,
        counted=None,
    )  # fmt: skip


_CHANGE = ("order_id", "kind", "occurred_at", "received_at", "due", "topic", "partition", "offset")


def _changes_of(tx: "Tx", order_id: str) -> list[Row]:
    return [
        row.only(*_CHANGE).but(counted=row["counted"] is not None)
        for row in tx.scan("deadline_changes")
        if row["order_id"] == order_id and row["counted"] is not False
    ]


@_reading
def case_changes(tx: "Tx", array: str, most: int) -> list[Row]:
    return [row for one in sorted(set(_texts(array))) for row in _changes_of(tx, one)[:most]]


@_reading
def abridged_changes(tx: "Tx", order_ids: list[str], first_dues: list[Any], page: int) -> list[Row]:
    found: dict[Any, Row] = {}
    for order_id, first_due in zip(order_ids, first_dues, strict=True):
        changes = _changes_of(tx, order_id)
        chosen = [row for row in changes if not row["counted"]][:page]
        latest: dict[Any, Row] = {}
        for row in changes:
            if row["counted"] or row["due"] is None or row["due"] > first_due:
                kind = row["kind"], row["counted"]
                rank = row["due"] or row["occurred_at"], row["occurred_at"]
                if kind not in latest or rank > latest[kind][0]:
                    latest[kind] = rank, row
        chosen += [row for _, row in latest.values()]
        found.update((tuple(row.values()), row) for row in chosen)
    return list(found.values())


@_statement
def leave_notices(tx: "Tx", lane: int, order_ids: list[str]) -> "Statement":
    for order_id in order_ids:
        number = tx.serial("notices")
        tx.put("notices", number, Row(id=number, lane=lane, order_id=order_id, retry_at=None))
    return len(order_ids)
    yield


@_statement
def mark_changes_counted(
    tx: "Tx", order_ids: list[str], topics: list[str], partitions: list[int], offsets: list[int],
    counted: list[bool],
) -> "Statement":  # fmt: skip
    places = zip(order_ids, topics, partitions, offsets, strict=True)
    number = 0
    for key, counts in zip(places, counted, strict=True):
        number += yield from _update(tx, "deadline_changes", [key], counted=counts)
    return number


@_statement
def refuse_changes(tx: "Tx", lane: int, *columns: list[Any]) -> "Statement":
    there = {
        (r["topic"], r["partition"], r["offset"], r["timestamp"]) for r in tx.scan("dead_letters")
    }
    number = 0
    for topic, partition, offset, error, message in zip(*columns, strict=True):
        for act in tx.scan("acts"):
            place = (act["topic"], act["partition"], act["offset"])
            if act["status"] not in CHANGES or place != (topic, partition, offset):
                continue
            if (*place, act["received_at"]) in there:
                tx.serial("dead_letters")  # spent on the row that meets the other
                continue
            there.add((*place, act["received_at"]))
            kind = f"marketplace.{act['status']}.v1".encode()
            letter = (
                lane, *place, act["received_at"], act["received_at"], error, message,
                act["order_id"].encode(), act["body"].encode(),
                [b"content-type", b"ce_specversion", b"ce_type"],
                [b"application/json", b"1.0", kind], [], False,
            )  # fmt: skip
            yield from insert_dead_letters(tx, *letter)
            number += 1
    return number


@_statement
def move_deadlines(tx: "Tx", lane: int, *columns: list[Any]) -> "Statement":
    armed, disarmed = [], 0
    for order_id, due, fires_at, fired_at, held in zip(*columns, strict=True):
        row = tx.get("orders", order_id)
        if row is not None and row["lane"] == lane:
            first = row["first_due"] or row["due"]
            grace = row["grace"]
            if grace is None and row["due"] is not None:
                grace = row["fires_at"] - row["due"]
            yield from _update_own(tx, lane, order_id, first_due=first, grace=grace, due=due,
                                   fires_at=fires_at, held=held)  # fmt: skip
        if fired_at != fires_at:
            disarmed += yield from _delete(tx, "deadlines", [(lane, fired_at, order_id)])
        key = (lane, fires_at, order_id)
        if tx.get("deadlines", key) is None:
            tx.put("deadlines", key, Row(lane=lane, fires_at=fires_at, order_id=order_id))
            armed.append(fires_at)
    return [Row(disarmed=disarmed, armed=len(armed),
                first_fires_at=min(armed, default=None))]  # fmt: skip


@_statement
def refuse_acts(tx: "Tx", lane: int, *columns: Any) -> "Statement":
    *columns, error, message = columns
    there = {
        (r["topic"], r["partition"], r["offset"], r["timestamp"]) for r in tx.scan("dead_letters")
    }
    number = 0
    for order_id, *place in zip(*columns, strict=True):
        for act in tx.scan("acts"):
            at = [act["topic"], act["partition"], act["offset"]]
            if act["order_id"] != order_id or act["status"] == ORDER_CREATED or at != place:
                continue
            if (*place, act["received_at"]) in there:
                tx.serial("dead_letters")  # spent on the row that meets the other
                continue
            there.add((*place, act["received_at"]))
            letter = (
                lane, *place, act["received_at"], act["received_at"], error, message,
                order_id.encode(), act["body"].encode(), [], [], [order_id], False,
            )  # fmt: skip
            number += yield from insert_dead_letters(tx, *letter)
    return number


@_reading
def case_refusals(tx: "Tx", array: str) -> list[Row]:
    found = []
    for order_id in sorted(set(_texts(array))):
        shields = [row for row in tx.scan("shields") if row["order_id"] == order_id]
        for shield in shields[:10]:
            letter = tx.get("dead_letters", shield["dead_letter"])
            found.append((shield["dead_letter"], order_id, letter))
    return [
        Row(
            order_id=order_id, **letter.only("topic", "partition", "offset", "received_at", "error")
        )
        for _, order_id, letter in sorted(found, key=lambda one: one[:2])
    ]


@_reading
def case_decisions(tx: "Tx", order_ids: list[str]) -> list[Row]:
    found = [
        row
        for row in tx.scan("decisions")
        if row["order_id"] in order_ids and row["kind"] != "deadline-reminder"
    ]
    found.sort(key=lambda row: (row["order_id"], row["ordinal"]))
    names = ("order_id", "ordinal", "id", "kind", "reason", "revokes", "sequence", "decided_at")
    values = [json.loads(row["value"]) for row in found]
    return [
        row.only(*names).but(
            due=datetime.fromisoformat(value["due"]),
            read_to=json.dumps(value["evidence"]["read_to"]),
        )
        for row, value in zip(found, values, strict=True)
    ]


# Reminders.


@_reading
def reminded_orders(tx: "Tx", order_ids: list[str], lane: int) -> list[Row]:
    found = []
    for order_id in sorted(set(order_ids)):
        row = tx.get("orders", order_id)
        if row is None or row["lane"] != lane or row["finding"] is not None or row["due"] is None:
            continue
        policy = POLICIES.get((row["policy"], row["policy_version"]))
        if policy is not None:
            order = row.only("order_id", "due", "policy", "policy_version")
            found.append(order.but(reminders=policy["reminders"]))
    return found


@_statement
def arm_reminders(tx: "Tx", lane: int, instants: list[Any], ids: list[str]) -> "Statement":
    armed = 0
    for key in sorted((lane, at, order_id) for at, order_id in zip(instants, ids, strict=True)):
        reminder = Row(lane=key[0], remind_at=key[1], order_id=key[2])
        armed += yield from _insert_missing(tx, "reminders", key, reminder)
    return armed


@_reading
def due_reminders(tx: "Tx", lane: int, at: Any, limit: int) -> list[Row]:
    rows = [r for r in tx.scan("reminders") if r["lane"] == lane and r["remind_at"] <= at]
    return [row.only("remind_at", "order_id") for row in rows[:limit]]


@_reading
def next_reminder(tx: "Tx", lane: int) -> list[Row]:
    instants = [row["remind_at"] for row in tx.scan("reminders") if row["lane"] == lane]
    return [Row(min=min(instants, default=None))]


@_statement
def disarm_reminders(tx: "Tx", lane: int, instants: list[Any], ids: list[str]) -> "Statement":
    keys = [(lane, at, order_id) for at, order_id in zip(instants, ids, strict=True)]
    return (yield from _delete(tx, "reminders", keys))


@_statement
def update_decision_counts(tx: "Tx", order_ids: list[str], counts: list[int]) -> "Statement":
    counted = 0
    for order_id, decisions in zip(order_ids, counts, strict=True):
        counted += yield from _update(tx, "orders", [order_id], decisions=decisions)
    return counted


# The brake.


@_statement
def lock_brake(tx: "Tx") -> "Statement":
    """Nobody in this world takes it off; a person resets it a while after it tripped."""
    yield "brake", True
    return [Row(released=False, escalate=False, tripped=_tripped(tx))]


@_statement
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


@_reading
def brake_usage(tx: "Tx", window: timedelta, sellers: list[str]) -> list[Row]:
    counted = [row for row in tx.scan("brake_counts") if row["counted_at"] > tx.now() - window]

    def used(seller: str | None, rows: list[Row]) -> Row:
        lapsed, cancels = (sum(row[name] for row in rows) for name in ("lapsed", "cancels"))
        return Row(seller_id=seller, lapsed=lapsed, cancels=cancels)

    of = {one: [row for row in counted if row["seller_id"] == one] for one in sorted(sellers)}
    return [used(None, counted), *(used(one, rows) for one, rows in of.items() if rows)]


@_statement
def insert_brake_counts(tx: "Tx", lane: int, *columns: list[Any]) -> "Statement":
    for seller, lapsed, cancels in zip(*columns, strict=True):
        row = Row(counted_at=tx.now(), lane=lane, seller_id=seller, lapsed=lapsed, cancels=cancels)
        tx.put("brake_counts", tx.serial("brake_counts"), row)
    return len(columns[0])
    yield


@_reading
def delete_brake_counts(_tx: "Tx", _window: timedelta) -> int:
    """What it removes counts no more, so here it stays."""
    return 0


# What was decided and what was refused.


@_reading
def decision_ids(tx: "Tx", lane: int, sequences: list[int]) -> list[Row]:
    asked = set(sequences)
    found = [r for r in tx.scan("decisions") if r["lane"] == lane and r["sequence"] in asked]
    return [row.only("sequence", "id") for row in found]


@_reading
def unpublished_decisions(tx: "Tx", lane: int, after: int, limit: int) -> list[Row]:
    found = [row for row in tx.scan("decisions") if row["lane"] == lane and row["sequence"] > after]
    return [row.only("sequence", *Event._fields) for row in found[:limit]]


@_statement
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
        for row in _all(tx, "dead_letters")
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
        shielded += yield from _insert_missing(tx, "shields", (order_id, number), shield)
    return shielded


@_reading
def unpublished_dead_letters(tx: "Tx", lane: int, limit: int) -> list[Row]:
    found = [row for row in tx.scan("dead_letters") if row["lane"] == lane and not row["published"]]
    names = ("id", "topic", "partition", "offset", "timestamp", "error", "message", "key", "value",
             "header_names", "header_values")  # fmt: skip
    return [row.only(*names) for row in found[:limit]]


@_statement
def mark_dead_letters_published(tx: "Tx", ids: list[int]) -> "Statement":
    return (yield from _update(tx, "dead_letters", ids, published=True))


def copy_acts(tx: "Tx", columns: Iterable[str], rows: Iterable[Any]) -> "Statement":
    for values in rows:
        row = Row(zip(columns, values, strict=True))
        if REFUSED in row["body"]:
            raise _fault("22P02")
        tx.put("acts", tx.serial("acts"), row)
    return 0
    yield


def copy_orders(tx: "Tx", columns: Iterable[str], rows: Iterable[Any]) -> "Statement":
    for values in rows:
        row = Row(zip(columns, values, strict=True)).only(*_ORDER).but(**_NEW)
        yield from _insert(tx, "orders", row["order_id"], row)
    return 0


def copy_deadlines(tx: "Tx", columns: Iterable[str], rows: Iterable[Any]) -> "Statement":
    for values in rows:
        yield from _insert(tx, "deadlines", tuple(values), Row(zip(columns, values, strict=True)))
    return 0


def copy_decisions(tx: "Tx", columns: Iterable[str], rows: Iterable[Any]) -> "Statement":
    for values in rows:
        row = Row(zip(columns, values, strict=True))
        yield from _insert(tx, "decisions", (row["lane"], row["sequence"]), row)
        yield "decisions_by_order", (row["order_id"], row["ordinal"])
        if any(
            (other["order_id"], other["ordinal"]) == (row["order_id"], row["ordinal"])
            for other in _all(tx, "decisions")
            if other is not row
        ):
            raise _fault("23505")
    return 0


COPIES.update(
    acts=copy_acts, orders=copy_orders, deadlines=copy_deadlines, decisions=copy_decisions
)


def _all(tx: "Tx", table: str) -> Iterator[Any]:
    own = tx.writes.get(table, {})
    yield from (row for row in own.values() if row is not None)
    yield from (row for key, row in tx.database.tables[table].items() if key not in own)


def _insert(tx: "Tx", table: str, key: Any, row: Row) -> "Statement":
    """Whoever only locks the row that is there does not hold it up either."""

    def is_taken() -> bool:
        own = tx.writes.get(table, {})
        there = own[key] if key in own else tx.database.tables[table].get(key)
        return there is not None

    if is_taken() and not tx.changes_elsewhere(table, key):
        raise _fault("23505")
    yield table, key
    if is_taken():
        raise _fault("23505")
    tx.put(table, key, row)


def _insert_missing(tx: "Tx", table: str, key: Any, row: Row) -> "Statement":
    """``ON CONFLICT DO NOTHING``. Whoever only locks the row there is does not hold it up."""
    place = table, key
    if tx.newest(*place) is not None and not tx.changes_elsewhere(*place):
        return 0
    held = place in tx.locks
    yield place
    if tx.newest(*place) is None:
        tx.put(table, key, row)
        return 1
    if not held:
        tx.database.unlock(tx, place)
    return 0


def _update(tx: "Tx", table: str, keys: Iterable[Any], **changes: Any) -> "Statement":
    changed = 0
    for key in keys:
        if tx.get(table, key) is not None:
            yield table, key
            row = tx.newest(table, key)
            if row is not None:
                tx.put(table, key, row.but(**changes))
                changed += 1
    return changed


def _update_own(tx: "Tx", lane: int, order_id: str, **changes: Any) -> "Statement":
    """Update an order of this lane; whoever it waits for may give the order another."""
    row = tx.get("orders", order_id)
    if row is None or row["lane"] != lane:
        return 0
    yield "orders", order_id
    row = tx.newest("orders", order_id)
    if row is None or row["lane"] != lane:
        return 0
    if row["doubt"] == "unreadable-evidence":
        changes.pop("doubt", None)
    tx.put("orders", order_id, row.but(**changes))
    return 1


def _delete(tx: "Tx", table: str, keys: Iterable[Any]) -> "Statement":
    deleted = 0
    for key in dict.fromkeys(keys):
        if tx.get(table, key) is not None:
            yield table, key
            if tx.newest(table, key) is not None:
                tx.put(table, key, None)
                deleted += 1
    return deleted
