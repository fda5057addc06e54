"""The statements of verdicts, deadlines and reminders, as in ``worker/storage/sql/decide``."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.statements.common import (
    ACT,
    CHANGES,
    POLICIES,
    Row,
    delete,
    insert,
    reading,
    statement,
    texts,
    update,
)
from tests.simulation.statements.ingest import insert_dead_letters
from worker.domain.acts import ORDER_CREATED

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx


@reading
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


def _waits(row: Row | None) -> bool:
    return row is not None and row["lane"] is not None and row["due"] is None


@reading
def waiting_orders(tx: "Tx", order_ids: list[str]) -> list[Row]:
    names = ("order_id", "seller_id", "fulfilment", "total", "currency", "labels", "told_due",
             "entered_at",
             "due")  # fmt: skip
    rows = (tx.get("orders", order_id) for order_id in sorted(set(order_ids)))
    return [row.only(*names) for row in rows if row is not None and _waits(row)]


@statement
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
            disarmed += yield from delete(tx, "deadlines", [(lane, fired_at, order_id)])
        key = (lane, fires_at, order_id)
        if started and fires_at is not None and tx.get("deadlines", key) is None:
            tx.put("deadlines", key, Row(lane=lane, fires_at=fires_at, order_id=order_id))
            armed.append(fires_at)
    return [Row(disarmed=disarmed, armed=len(armed),
                first_fires_at=min(armed, default=None))]  # fmt: skip


@reading
def due_deadlines(tx: "Tx", lane: int, at: Any, limit: int) -> list[Row]:
    found = [row for row in tx.scan("deadlines") if row["lane"] == lane and row["fires_at"] <= at]
    return [row.only("fires_at", "order_id") for row in found[:limit]]


@statement
def disarm_deadlines(tx: "Tx", lane: int, fires_at: Any, order_id: str) -> "Statement":
    keys = [
        (lane, row["fires_at"], row["order_id"])
        for row in tx.scan("deadlines")
        if row["lane"] == lane and (row["fires_at"], row["order_id"]) <= (fires_at, order_id)
    ]
    return (yield from delete(tx, "deadlines", keys))


@statement
def arm_deadlines(tx: "Tx", lane: int, at: Any, order_ids: list[str]) -> "Statement":
    for order_id in order_ids:
        yield from insert(
            tx,
            "deadlines",
            (lane, at, order_id),
            Row(lane=lane, fires_at=at, order_id=order_id),
        )
    return len(order_ids)


@statement
def postpone_deadlines(tx: "Tx", lane: int, to: Any, ids: list[str]) -> "Statement":
    moved = 0
    for order_id in ids:
        yield from insert(
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


@statement
def update_outcomes(
    tx: "Tx", array: str, finding: str | None, outcome: str | None, decisions: int, at: Any
) -> "Statement":
    return (
        yield from update(
            tx, "orders", sorted(texts(array)),
            finding=finding, outcome=outcome, decisions=decisions,
            decided_at=None if finding is None else at,
        )
    )  # fmt: skip


@reading
def case_orders(tx: "Tx", array: str, lane: int) -> list[Row]:
    rows = (tx.get("orders", order_id) for order_id in sorted(set(texts(array))))
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


@reading
def alike_orders(
    tx: "Tx",
    array: str,
    lane: int,
    at: Any,
    nothing: list[str],
    neutral: list[str],
    handling: list[str],
    clocks: list[str],
) -> list[Row]:
    names = ("order_id", "seller_id", "fulfilment", "entered_at", "due", "policy",
             "policy_version", "at_lapse", "doubt", "topic", "partition", "offset",
             "received_at", "started_at")  # fmt: skip
    acts = _acts_of(tx, lambda row: row["status"] not in (ORDER_CREATED, *CHANGES))
    known = {row["order_id"] for name in ("shields", "order_versions") for row in tx.scan(name)}
    known |= {row["order_id"] for row in tx.scan("deadline_changes") if row["counted"] is not False}
    stubs = {row["order_id"].lower() for row in tx.scan("orders") if row["lane"] is None}

    def in_time(act: Row, order: Row) -> bool:
        validated = act["status"] in handling and act["stock_ok"] is not False
        return validated and act["occurred_at"] <= order["due"]

    found = []
    for row in (tx.get("orders", order_id) for order_id in sorted(set(texts(array)))):
        if (
            row is None
            or (row["lane"], row["finding"], row["decisions"]) != (lane, None, 0)
            or row["due"] is None
            or row["fires_at"] is None
            or row["fires_at"] > at
            or row["order_id"] in known
            or row["order_id"].lower() in stubs
        ):
            continue
        said = acts.get(row["order_id"], [])
        bare = all(act["status"] in nothing for act in said)
        handled = [act for act in said if in_time(act, row)]
        starts = [act for act in said if act["status"] in clocks]
        clock = {act["status"] for act in starts}
        plainly = (
            row["first_due"] is None
            and len(clock) < 2
            and all(act in handled or act in starts or act["status"] in neutral for act in said)
        )
        if len(said) <= 10 and (bare or (handled and plainly)):
            found.append(
                row.only(*names).but(
                    handled=not bare,
                    clock=min(clock, default=None),
                    clock_at=min((act["occurred_at"] for act in starts), default=None),
                )
            )
    return found


@reading
def case_acts(tx: "Tx", array: str, most: int) -> list[Row]:
    acts = _acts_of(tx, lambda row: row["status"] not in (ORDER_CREATED, *CHANGES))
    found = [row for one in sorted(set(texts(array))) for row in acts.get(one, ())[:most]]
    return sorted(found, key=_by_meaning)


@reading
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


@reading
def case_versions(tx: "Tx", order_ids: list[str], most: int) -> list[Row]:
    found = []
    for order_id in sorted(set(order_ids)):
        told = [row for row in tx.scan("order_versions") if row["order_id"] == order_id]
        told.sort(key=lambda row: (row["received_at"], row["topic"], row["partition"],
                                   row["offset"]))  # fmt: skip
        found += told[:most]
    return found


@reading
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


@reading
def count_evidence(tx: "Tx", order_id: str, statuses: list[str]) -> list[Row]:
    changes = [
        row
        for row in tx.scan("deadline_changes")
        if row["order_id"] == order_id and row["counted"] is not False
    ]
    acts = _acts_of(tx, lambda row: row["status"] in statuses)
    return [Row(acts=len(acts.get(order_id, ())), changes=len(changes))]


_SHOWN = tuple(name for name in ACT if name not in ("unknown", "body"))


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


@reading
def outages(tx: "Tx") -> list[Row]:
    return []  # never given back here


_CHANGE = ("order_id", "kind", "occurred_at", "received_at", "due", "topic", "partition", "offset")


def _changes_of(tx: "Tx", order_id: str) -> list[Row]:
    return [
        row.only(*_CHANGE).but(counted=row["counted"] is not None)
        for row in tx.scan("deadline_changes")
        if row["order_id"] == order_id and row["counted"] is not False
    ]


@reading
def case_changes(tx: "Tx", array: str, most: int) -> list[Row]:
    return [row for one in sorted(set(texts(array))) for row in _changes_of(tx, one)[:most]]


@reading
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


@statement
def mark_changes_counted(
    tx: "Tx", order_ids: list[str], topics: list[str], partitions: list[int], offsets: list[int],
    counted: list[bool],
) -> "Statement":  # fmt: skip
    places = zip(order_ids, topics, partitions, offsets, strict=True)
    number = 0
    for key, counts in zip(places, counted, strict=True):
        number += yield from update(tx, "deadline_changes", [key], counted=counts)
    return number


@statement
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


@statement
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
            disarmed += yield from delete(tx, "deadlines", [(lane, fired_at, order_id)])
        key = (lane, fires_at, order_id)
        if tx.get("deadlines", key) is None:
            tx.put("deadlines", key, Row(lane=lane, fires_at=fires_at, order_id=order_id))
            armed.append(fires_at)
    return [Row(disarmed=disarmed, armed=len(armed),
                first_fires_at=min(armed, default=None))]  # fmt: skip


@statement
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


@reading
def case_refusals(tx: "Tx", array: str) -> list[Row]:
    found = []
    for order_id in sorted(set(texts(array))):
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


@reading
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


@reading
def due_reminders(tx: "Tx", lane: int, at: Any, limit: int) -> list[Row]:
    rows = [r for r in tx.scan("reminders") if r["lane"] == lane and r["remind_at"] <= at]
    return [row.only("remind_at", "order_id") for row in rows[:limit]]


@statement
def disarm_reminders(tx: "Tx", lane: int, instants: list[Any], ids: list[str]) -> "Statement":
    keys = [(lane, at, order_id) for at, order_id in zip(instants, ids, strict=True)]
    return (yield from delete(tx, "reminders", keys))


@statement
def update_decision_counts(tx: "Tx", order_ids: list[str], counts: list[int]) -> "Statement":
    counted = 0
    for order_id, decisions in zip(order_ids, counts, strict=True):
        counted += yield from update(tx, "orders", [order_id], decisions=decisions)
    return counted


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
