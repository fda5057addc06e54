"""The judge: holds what stands in the logs and tables against what was published.

Nothing of the worker is imported. What an order may come to is the business of
tests/end_to_end/oracle.py. How long work may wait is that of lateness.py.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.end_to_end.oracle import (
    AUTO_CANCEL,
    IMPLIES_HANDLING,
    Act,
    Fact,
    Published,
    Terms,
    Unreadable,
    expected,
    opened,
)
from tests.end_to_end.reader import Event, standing
from tests.simulation.former import PREFIX
from tests.simulation.kafka import BASE
from tests.simulation.scenario import CREATED, DECISIONS, LETTERS, STATUS, WINDOW, Order
from tests.simulation.statements import REMINDERS

if TYPE_CHECKING:
    from tests.simulation.world import World

DECISIVE = (
    "aceptado", "listo", "start-handling", "handling", "ready-for-invoicing", "invoice",
    "invoiced", "canceled", "dispute-opened", "dispute-resolved",
)  # fmt: skip
REMINDER = "deadline-reminder"
UNCONFIRMED = "escalation cancel-unconfirmed"


def quiet(world: "World") -> bool:
    """Whether nothing is left to do."""
    return not unquiet(world)


def unquiet(world: "World") -> str:
    """What is left to do."""
    tables = world.database.tables
    logs = world.broker.logs
    if world.loop.now < max((send.at for send in world.scenario.sends), default=0.0):
        return "not everything is published"
    for (topic, number), log in logs.items():
        if topic in (CREATED, STATUS):
            row = tables["positions"].get((topic, number))
            if row is None or row["next_offset"] < log.end:
                return f"{topic}/{number} is not read: {row}, its end is {log.end}"
    if tables["deadlines"]:
        return f"deadlines: {sorted(tables['deadlines'])}"
    if tables["reminders"]:
        return f"reminders: {sorted(tables['reminders'])}"
    if tables["notices"]:
        return f"notices: {list(tables['notices'].values())}"
    for lane, row in tables["lanes"].items():
        if row["sequence"] > tables["published"].get(lane, {"sequence": 0})["sequence"]:
            return f"lane {lane}: not everything is marked as published"
    if any(not row["published"] for row in tables["dead_letters"].values()):
        return "dead letters not published"
    return ""


def faults(world: "World") -> Iterator[str]:
    """Every broken promise."""
    if world.must_halt or world.halted:
        yield from _halted(world)
        return
    events: dict[str, list[Event]] = defaultdict(list)
    for (topic, number), log in world.broker.logs.items():
        if topic == DECISIONS:
            yield from _partition(world, log, number, events)
    for stranger in events.keys() - world.scenario.orders.keys():
        if stranger.startswith(PREFIX):
            continue
        yield f"{stranger}: decided, but nobody published it"
    for order in world.scenario.orders.values():
        yield from _order(world, order, events[order.order_id])
    yield from _dead_letters(world)
    yield from _effects(world)


def _partition(
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
            if (before.id, before.body) != (event.id, event.body):
                yield f"lane {number}: sequence {event.sequence} for two decisions"
            elif not world.is_excused(number, log.entries[record.offset].stored_at):
                yield f"lane {number}: sequence {event.sequence} twice, without an excuse"
            continue
        elif event.sequence != last + 1:
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
        if not short or largest is None or len(row["value"]) <= largest:
            yield f"{who}: not the body of the database"


def contradicted(world: "World", lane: int) -> bool:
    """Whether the topic holds a decision that is not in the database, or another there."""
    decided = world.database.tables["decisions"]
    known = {(row["lane"], row["sequence"], str(row["id"])) for row in decided.values()}
    return any((lane, *told) not in known for told in _told_in(world, lane))


def _told_in(world: "World", lane: int) -> set[tuple[int, str]]:
    """The sequences and ids in the partition of a lane."""
    headers = (dict(record.headers) for record in world.broker.logs[DECISIONS, lane].records())
    return {(int(each["ce_sequence"]), each["ce_id"].decode()) for each in headers}


def _halted(world: "World") -> Iterator[str]:
    """A lane that cannot know what was published stands still. Of the others little is asked."""
    decided = world.database.tables["decisions"]
    for topic, lane in world.broker.logs:
        if topic != DECISIONS:
            continue
        told = _told_in(world, lane)
        if len({sequence for sequence, _ in told}) < len(told):
            yield f"lane {lane}: a sequence for two decisions"
        if lane in world.must_halt:
            if lane not in world.halted:
                yield f"lane {lane}: the topic contradicts the database, and it never halted"
            if world.broker.logs[topic, lane].end > world.formers[lane].end:
                yield f"lane {lane}: published beyond a contradiction"
        elif lane not in world.halted:
            known = {
                (sequence, str(row["id"]))
                for (one, sequence), row in decided.items()
                if one == lane
            }
            if {sequence for sequence, _ in known - told} & {sequence for sequence, _ in told}:
                yield f"lane {lane}: a sequence for two decisions, and it never halted"
            for sequence, _ in sorted(known - told):
                yield f"LOST: lane {lane}, sequence {sequence} was never published"


def _read(record: Any, stored_at: float) -> Event:
    headers = {name: value.decode() for name, value in record.headers}
    body = json.loads(record.value)
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


def _found_lost(world: "World", partition: int) -> datetime:
    """When the loss in this log was found; no worker can have found it before it ran."""
    row = world.database.tables["positions"][STATUS, partition]
    moment: datetime = row["covered_since"]
    assert moment >= BASE - timedelta(seconds=4), "before the clock that is furthest behind"
    return moment


def _order(world: "World", order: Order, events: list[Event]) -> Iterator[str]:
    who = order.order_id
    if not order.created:
        if events:
            yield f"{who}: decided without an order"
        return
    narrow = world.scenario.proof == "lane"
    # What is lost may be as young as the moment at which the loss was found.
    since = [
        _found_lost(world, partition)
        for partition in world.scenario.begins
        if not narrow or partition in order.homes
    ]
    entered = BASE + timedelta(seconds=order.entered)
    terms = Terms(
        entered_at=entered,
        window=timedelta(seconds=WINDOW),
        grace=timedelta(seconds=world.scenario.grace),
        logs_reach_back=all(entered >= instant for instant in since),
    )
    if any(
        world.clocks_were_ahead(_seconds(at))
        for event in events
        for at in (event.stored_at, event.decided_at)
    ):
        return  # by every clock it was time
    yield from _unconfirmed(world, order, events)
    reminded = [event for event in events if event.kind == REMINDER]
    events = [e for e in events if e.kind != REMINDER and not _is_of_confirmation(e)]
    possible = _terms(world, order, terms)
    dues = {one.due for one in possible}
    if world.scenario.rules.clock is None:
        dues.add(terms.due)  # that of the time before it was extended
    alive = _alive_again(world, order, terms, events)
    dues |= {one.due for one in alive}
    yield from _reminders(order, dues, alive, reminded)
    if not possible:
        if events:
            yield f"{who}: decided, and its clock never started"
        return
    # Where several were possible, the database says which of them came about.
    row = world.database.tables["orders"].get(who)
    fixed = [one for one in (*possible, *alive) if row is not None and one.due == row["due"]]
    if fixed:
        before = [event for event in events if event.due != fixed[0].due]
        yield from _earlier(order, [*possible, *alive, terms], before)
        now = [event for event in events if event.due == fixed[0].due]
        # The start of a cycle may be that of the clock before: either explanation will do.
        yield from min((list(_course(world, order, one, now)) for one in fixed), key=len)
    elif not (row and row["decided_at"] and world.clocks_were_ahead(_seconds(row["decided_at"]))):
        yield f"{who}: due at {row and row['due']}, not at one of {sorted(dues)}"
    yield from _released(order, terms, events)


def _alive_again(world: "World", order: Order, first: Terms, events: list[Event]) -> list[Terms]:
    """The terms of each cycle that a cancelled order may have begun."""
    ours = [event.due for event in events if event.says == AUTO_CANCEL]
    ready = world.scenario.rules.clock or "ready-for-handling"
    again = [
        replace(first, window=at - first.entered_at + timedelta(seconds=WINDOW), opened_at=at)
        for at in opened(first.entered_at, order.facts, ready, ours)
    ]
    extended = [
        replace(one, window=timedelta(seconds=change.due - order.entered))
        for one in again
        for change in order.changes
        if change.due is not None
    ]
    return again + extended


def _earlier(order: Order, possible: list[Terms], events: list[Event]) -> Iterator[str]:
    """What was told by a deadline that is no longer in force: of a cycle before, or revoked."""
    for event in events:
        if event.says != AUTO_CANCEL:
            continue
        terms = [one for one in possible if one.due == event.due]
        if not any(expected(one, _known(one, order.facts)).may_cancel for one in terms):
            yield f"{order.order_id}: FALSE CANCEL by a deadline of {event.due}"


def _known(terms: Terms, facts: Sequence[Published]) -> tuple[Published, ...]:
    """The facts of the cycle that must be known at its verdict."""
    known = [one for one in facts if one.stored_at < terms.fires_at]
    return _of_cycle(terms, known)


def _of_cycle(terms: Terms, facts: Sequence[Published]) -> tuple[Published, ...]:
    """The facts that tell of the cycle."""
    return tuple(
        one
        for one in facts
        if not isinstance(one.fact, Act)
        or (
            one.fact.status in DECISIVE
            and (terms.opened_at is None or one.fact.occurred_at >= terms.opened_at)
        )
    )


def _is_of_confirmation(event: Event) -> bool:
    said = event.body["revokes"]["reason"] if event.kind == "decision-revoked" else event.reason
    return bool(said == "cancel-unconfirmed")


def _unconfirmed(world: "World", order: Order, events: list[Event]) -> Iterator[str]:
    """Whether a person was asked about each auto-cancel that nobody carried out, and no other."""
    within = world.scenario.confirm_within
    stands, _, _ = standing(events)
    cancelled = [event for event in events if event.says == AUTO_CANCEL]
    clock = world.scenario.rules.clock or "ready-for-handling"
    entered = BASE + timedelta(seconds=order.entered)
    again = opened(entered, order.facts, clock, [event.due for event in cancelled])
    confirmed = [
        one.stored_at
        for one in order.facts
        if isinstance(one.fact, Act)
        and one.fact.status == "canceled"
        # A cancellation of an earlier cycle confirms nothing.
        and not any(one.fact.occurred_at < at < event.due for at in again for event in cancelled)
    ]
    for event in events:
        if event.says != UNCONFIRMED:
            continue
        if within is None or not cancelled:
            yield f"{order.order_id}: {event.says}, out of nothing"
            continue
        asked = cancelled[0].decided_at + timedelta(seconds=within)
        if event.stored_at < asked:
            yield f"{order.order_id}: {event.says} TOO EARLY by {asked - event.stored_at}"
        if any(at < asked for at in confirmed):
            yield f"{order.order_id}: {event.says}, but it was confirmed"
    if within is not None and AUTO_CANCEL in stands and not confirmed and UNCONFIRMED not in stands:
        yield f"{order.order_id}: nobody was told that the auto-cancel is unconfirmed"


def _reminders(
    order: Order, dues: set[datetime], alive: Sequence[Terms], told: list[Event]
) -> Iterator[str]:
    """Whether the seller was reminded at the right time, as long as nothing was done."""
    who = order.order_id
    for event in told:
        first = event.due - max(REMINDERS)
        if event.due not in dues:
            yield f"{who}: reminded of {event.due}, not of {dues}"
        if event.stored_at < first:
            yield f"{who}: reminded TOO EARLY by {first - event.stored_at}"
        if event.decided_at > event.due:
            yield f"{who}: reminded when it was over"
        # What happened before a cycle began says nothing of its deadline.
        entered = BASE + timedelta(seconds=order.entered)
        since = max((t.opened_at or entered for t in alive if t.due == event.due), default=None)
        for one in order.facts:
            if one.stored_at < first and _is_done(one.fact, entered, since, event.due):
                yield f"{who}: reminded, though it was known that {_told(one)}"
    for due, times in Counter(event.due for event in told).items():
        if times > len(REMINDERS):
            yield f"{who}: reminded {times} times of {due}"


def acted(order: Order) -> bool:
    """Whether anything is known of an order so far that may spare its seller a reminder."""
    return any(not isinstance(one.fact, Act) or one.fact.status in DECISIVE for one in order.facts)


def _is_done(fact: Fact, entered: datetime, since: datetime | None, due: datetime) -> bool:
    """Whether a seller of whom this is known needs no reminder, in the cycle since then."""
    if not isinstance(fact, Act):
        return isinstance(fact, Unreadable)
    if fact.status == "canceled" and fact.occurred_at < entered:
        return False  # it is none of this order
    in_cycle = since is None or fact.occurred_at >= since
    return in_cycle and fact.occurred_at <= due and fact.status in ("canceled", *IMPLIES_HANDLING)


def _terms(world: "World", order: Order, first: Terms) -> list[Terms]:
    """Those that an order may be judged by.

    A change that came about when the verdict could fall may count or not.
    """
    if world.scenario.rules.clock is not None:
        return _started(order, world.scenario.rules.clock, first)
    for change in order.changes:
        if change.due is not None:
            extended = replace(first, window=timedelta(seconds=change.due - order.entered))
            return [extended] if change.stored_at < first.fires_at else [first, extended]
    return [first]


def _started(order: Order, clock: str, entered: Terms) -> list[Terms]:
    """One for each instant at which its clock may have started: whichever was read first.

    Of two in one log the second cannot have been, and counts only if its instant is the earlier.
    """
    starts = {
        (one.partition, one.offset): one.fact.occurred_at
        for one in order.facts
        if isinstance(one.fact, Act) and one.fact.status == clock
    }
    possible = {
        instant: None
        for place, instant in starts.items()
        if not any(
            place[0] == earlier[0] and earlier < place and starts[earlier] <= instant
            for earlier in starts
        )
    }
    return [
        replace(entered, window=instant - entered.entered_at + entered.window)
        for instant in possible
    ]


def _released(order: Order, terms: Terms, events: list[Event]) -> Iterator[str]:
    """No verdict of a held order before somebody releases it."""
    held = [one for one in order.changes if one.kind == "held" and one.stored_at < terms.fires_at]
    released = [one.sent_at for one in order.changes if one.kind == "released"]
    if held and events and events[0].stored_at < max(released):
        yield f"{order.order_id}: TOO EARLY, it was held until {max(released)}"


def _course(world: "World", order: Order, terms: Terms, events: list[Event]) -> Iterator[str]:
    who = order.order_id
    facts = _of_cycle(terms, order.facts)
    result = expected(terms, facts, events[0].stored_at if events else None)
    stands, told, wrong = standing(events)
    yield from (f"{who}: {fault}" for fault in wrong)
    allowed = " or ".join(sorted({str(ending.told) for ending in result.endings}))
    if AUTO_CANCEL in told and not result.may_cancel:
        yield f"{who}: FALSE CANCEL, told {told}, expected {allowed}"
    elif not events and result.speaks:
        yield f"{who}: MISSED, expected {allowed}"
    elif not any((stands, told) == (one.standing, one.told) for one in result.endings):
        yield f"{who}: WRONG, told {told}, expected {allowed}"
    for event in events:
        yield from _event(world, order, terms, facts, event)


def _event(world: "World", order: Order, terms: Terms, facts: Any, event: Event) -> Iterator[str]:
    who = f"{order.order_id} {event.says}"
    if event.stored_at < terms.fires_at:
        yield f"{who}: TOO EARLY by {terms.fires_at - event.stored_at}"
    if event.due != terms.due:
        yield f"{who}: tells due {event.due}, not {terms.due}"
    if event.partition not in order.homes:
        yield f"{who}: in partition {event.partition}, home is {order.homes}"
    # A topic that takes little gets it without its evidence.
    row = world.database.tables["decisions"].get((event.partition, event.sequence))
    evidence = event.body["evidence"]
    if row is not None and "omitted" in evidence:
        evidence = json.loads(row["value"])["evidence"]
    read_to = evidence["read_to"]

    def was_read(topic: str, partition: int, offset: int) -> bool:
        offsets = read_to.get(topic, [])
        return partition < len(offsets) and offset < offsets[partition]

    acts = evidence["acts"]
    for act in acts:
        if not was_read(act["topic"], act["partition"], act["offset"]):
            yield f"{who}: rests on {act}, beyond what it says was read, {read_to}"
    named = Counter(act["status"] for act in acts)
    read = tuple(one for one in facts if was_read(one.topic, one.partition, one.offset))
    for one in read:
        status = _status(one)
        if not named[status]:
            yield f"{who}: says it read {_told(one)}, and rests not on it"
    if event.says == AUTO_CANCEL:
        # From what it says was read no other verdict may follow.
        known = tuple(replace(one, stored_at=terms.entered_at) for one in read)
        if not expected(terms, known).may_cancel:
            yield f"{who}: says it read {'; '.join(map(_told, read))}"


def _seconds(moment: datetime) -> float:
    return (moment - BASE).total_seconds()


def _status(one: Published) -> str:
    """The status of the act in an event's evidence."""
    if isinstance(one.fact, Act):
        return one.fact.status
    return "refused" if isinstance(one.fact, Unreadable) else "order-created"


def _told(one: Published) -> str:
    place = f"{one.topic}/{one.partition}/{one.offset}"
    return f"{place} {_status(one)}"


def _dead_letters(world: "World") -> Iterator[str]:
    found: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for (topic, _), log in world.broker.logs.items():
        if topic != LETTERS:
            continue
        for record in log.records():
            headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
            place = (
                headers["plazo-source-topic"],
                int(headers["plazo-source-partition"]),
                int(headers["plazo-source-offset"]),
            )
            found[place].append(log.entries[record.offset].stored_at)
            if place in world.changes:
                continue  # one that came too late
            if place not in world.refused:
                yield f"dead letter for {place}, which can be read"
                continue
            came = world.refused[place].record
            assert came is not None
            too_large = len(came.value or b"") > world.largest_letter
            if (record.key, record.value) != (came.key, None if too_large else came.value):
                yield f"dead letter for {place}: not the bytes as they came"
    for place in world.refused:
        if place not in found:
            yield f"LOST: no dead letter for {place}"
    for place, (_, *again) in found.items():
        # Commits that the database loses are made again, with their dead letters.
        if not world.words.lost_commits and not all(
            world.is_excused(place[1], stored_at) for stored_at in again
        ):
            yield f"{1 + len(again)} dead letters for {place}, without an excuse"


def _effects(world: "World") -> Iterator[str]:
    """Each record took effect once."""
    tables = world.database.tables
    rows = Counter((r["topic"], r["partition"], r["offset"]) for r in tables["acts"].values())
    kept = Counter(
        (r["topic"], r["partition"], r["offset"]) for r in tables["dead_letters"].values()
    )
    for (topic, number), log in world.broker.logs.items():
        if topic not in (CREATED, STATUS):
            continue
        for record in log.records():
            place = (topic, number, record.offset)
            here, other = (kept, rows) if place in world.refused else (rows, kept)
            refused, times = other.pop(place, 0), here.pop(place, 0)
            if times != 1 or (refused and place not in world.changes):
                yield f"{place} took effect {times} times"
    for place in rows + kept:
        yield f"{place} took effect, and was never committed"
    for lane, row in tables["lanes"].items():
        if row["open_deadlines"]:
            yield f"lane {lane}: counts {row['open_deadlines']} open deadlines"
