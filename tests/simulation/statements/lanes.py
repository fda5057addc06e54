"""The statements of lanes and positions, as in ``worker/storage/sql/lanes``."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.statements.common import (
    POLICIES,
    Row,
    insert_missing,
    reading,
    statement,
    update,
)
from tests.simulation.statements.notices import leave_notices

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx


@reading
def end_frozen_sessions(tx: "Tx") -> list[Row]:
    return []  # a frozen session is ended by the model of the server


@statement
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


@statement
def lock_lane(tx: "Tx", lane: int, epoch: int, owner: str, *left_at: list[Any]) -> "Statement":
    row = tx.get("lanes", lane)
    if row is None or (row["epoch"], row["owner"]) != (epoch, owner):
        return []
    kept = _kept(tx, left_at)
    yield "lanes", lane
    row = tx.newest("lanes", lane)
    if (row["epoch"], row["owner"]) != (epoch, owner):
        return []
    return [row.only("sequence", "open_deadlines").but(kept=kept, told_at=tx.now())]


@reading
def look_at_lane(tx: "Tx", lane: int, epoch: int, owner: str) -> list[Row]:
    row = tx.get("lanes", lane)
    ours = row is not None and (row["epoch"], row["owner"]) == (epoch, owner)
    return [row.only("sequence")] if ours else []


def _kept(tx: "Tx", left_at: Sequence[list[Any]]) -> int:
    """How many positions are where they were left."""
    rows = [(tx.get("positions", (t, p)), at) for t, p, at in zip(*left_at, strict=True)]
    return sum(row is not None and row["next_offset"] == at for row, at in rows)


@statement
def update_lane(tx: "Tx", lane: int, sequence: int, open_deadlines: int) -> "Statement":
    return (
        yield from update(tx, "lanes", [lane], sequence=sequence, open_deadlines=open_deadlines)
    )


@statement
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


@reading
def lane_positions(tx: "Tx", lane: int, topics: list[str]) -> list[Row]:
    return [
        row.only(
            "topic",
            "partition",
            "next_offset",
            "last_offset",
            "last_timestamp",
            "topic_id",
            "covered_since",
            "other_log",
        )
        for row in tx.scan("positions")
        if row["partition"] == lane and row["topic"] in topics
    ]


@reading
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


@reading
def positions(tx: "Tx") -> list[Row]:
    names = (
        "topic", "partition", "next_offset", "last_offset", "last_timestamp", "topic_id",
        "covered_since", "begins_at", "other_log",
    )  # fmt: skip
    adopted_at = tx.database.adopted_at
    return [row.only(*names).but(adopted_at=adopted_at) for row in tx.scan("positions")]


@statement
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
                                 last_offset=None, last_timestamp=None,
                                 other_log=before and before["other_log"]))  # fmt: skip
    return 1


@statement
def keep_finding(tx: "Tx", topic: str, partition: int, reason: str) -> "Statement":
    key = (topic, partition)
    if tx.get("positions", key) is None:
        return 0
    yield "positions", key
    tx.put("positions", key, tx.newest("positions", key).but(other_log=reason))
    return 1


@statement
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


@statement
def raise_partition_coverage(tx: "Tx", topic: str, partition: int, since: datetime) -> "Statement":
    key = (topic, partition)
    if tx.get("positions", key) is None:
        return 0
    yield "positions", key
    row = tx.newest("positions", key)
    covered = max(since, row["covered_since"] or since)
    tx.put("positions", key, row.but(covered_since=covered))
    return 1


@statement
def notice_waiting(
    tx: "Tx", lane: int, after: str, limit: int, statuses: list[str] | None
) -> "Statement":
    page = [
        row["order_id"]
        for row in tx.scan("orders")
        if row["lane"] == lane and row["due"] is None and row["order_id"] > after
    ][:limit]
    told = {row["order_id"] for row in tx.scan("acts") if row["status"] in (statuses or ())}
    noticed = page if statuses is None else [one for one in page if one in told]
    yield from leave_notices(tx, lane, noticed)
    return [Row(orders=len(page), last=max(page, default=None), noticed=len(noticed))]


@reading
def next_deadline(tx: "Tx", lane: int) -> list[Row]:
    fires = (row["fires_at"] for row in tx.scan("deadlines") if row["lane"] == lane)
    return [Row(min=min(fires, default=None))]


@reading
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


@statement
def arm_reminders(tx: "Tx", lane: int, instants: list[Any], ids: list[str]) -> "Statement":
    armed = 0
    for key in sorted((lane, at, order_id) for at, order_id in zip(instants, ids, strict=True)):
        reminder = Row(lane=key[0], remind_at=key[1], order_id=key[2])
        armed += yield from insert_missing(tx, "reminders", key, reminder)
    return armed


@reading
def next_reminder(tx: "Tx", lane: int) -> list[Row]:
    instants = [row["remind_at"] for row in tx.scan("reminders") if row["lane"] == lane]
    return [Row(min=min(instants, default=None))]
