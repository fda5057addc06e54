"""What the topic of decisions says: in order, once, and as the table has it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.end_to_end.reader import Event
from tests.simulation.kafka import BASE
from tests.simulation.scenario.records import DECISIONS

if TYPE_CHECKING:
    from tests.simulation.world import World


def published_in(
    world: "World", log: Any, number: int, events: dict[str, list[Event]]
) -> Iterator[str]:
    last, seen, ids = 0, {}, {}
    left = world.formers.get(number)
    decided = world.database.tables["decisions"]
    for record in log.records():
        event = _read(record, log.entries[record.offset].stored_at)
        yield from _as_stored(world, event, decided.get((number, event.sequence)))
        before = seen.get(event.sequence)
        if left is not None and record.offset < left.end:
            last = left.former.whole
        elif before is not None and event.sequence <= last:
            # A verdict that is lost with its commit, and comes again, tells another time.
            same = before.body == event.body or world.words.lost_commits
            if before.id != event.id or not same:
                yield f"lane {number}: sequence {event.sequence} for two decisions"
            elif not world.processes.is_excused(number, log.entries[record.offset].stored_at):
                yield f"lane {number}: sequence {event.sequence} twice, without an excuse"
            continue
        elif any(between not in seen for between in range(last + 1, event.sequence)):
            yield f"lane {number}: sequence {event.sequence} behind {last}"
        else:
            last = event.sequence
        if before is not None:
            continue  # it stood behind a hole
        if event.id in ids:
            yield f"lane {number}: {event.id} under two sequences"
        seen[event.sequence] = ids[event.id] = event
        events[event.order_id].append(event)
    for lane, sequence in decided.keys() - {(number, sequence) for sequence in seen}:
        if lane == number:
            yield f"LOST: lane {lane}, sequence {sequence} was never published"


# Of the id, type and sequence that a published value has beside the stored one, in bytes.
_LONGEST_HEAD = 200


def _as_stored(world: "World", event: Event, row: Any) -> Iterator[str]:
    """Whether the topic says what the database says, without the evidence at most."""
    who = f"lane {event.partition}, sequence {event.sequence}"
    if row is None:
        yield f"{who}: not in the database"
        return
    stored = json.loads(row["value"])
    if event.id != str(row["id"]):
        yield f"{who}: {event.id} in the topic, {row['id']} in the database"
    elif event.body != stored and not world.words.lost_commits:
        # A verdict that is lost and comes again is the same one, at another time.
        largest = world.words.largest_decision
        short = {**event.body, "evidence": None} == {**stored, "evidence": None}
        if not short or largest is None or len(row["value"]) + _LONGEST_HEAD <= largest:
            yield f"{who}: not the body of the database"


def contradicted(world: "World", lane: int) -> bool:
    """Whether the topic holds a decision that is not in the database, or another there."""
    decided = world.database.tables["decisions"]
    known = {(row["lane"], row["sequence"], str(row["id"])) for row in decided.values()}
    return any((lane, *told) not in known for told in told_in(world, lane))


def told_in(world: "World", lane: int) -> set[tuple[int, str]]:
    """The sequences and ids in the partition of a lane."""
    headers = (dict(record.headers) for record in world.broker.logs[DECISIONS, lane].records())
    return {(int(each["ce_sequence"]), each["ce_id"].decode()) for each in headers}


def _read(record: Any, stored_at: float) -> Event:
    headers = {name: value.decode() for name, value in record.headers}
    body = json.loads(record.value)
    told = [str(body.pop(name)) for name in ("id", "type", "sequence") if name in body]
    # A worker of an earlier version tells them in the headers alone.
    assert told in ([], [headers["ce_id"], headers["ce_type"], headers["ce_sequence"]])
    kind = headers["ce_type"].removeprefix("marketplace.order.").removesuffix(".v1")
    return Event(
        partition=record.partition,
        offset=record.offset,
        stored_at=BASE + timedelta(seconds=stored_at),
        id=headers["ce_id"],
        sequence=int(headers["ce_sequence"]),
        kind=kind,
        order_id=record.key.decode(),
        reason=body["reason"],
        body=body,
    )
