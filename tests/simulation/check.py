"""The judge: holds what stands in the logs and tables against what was published.

Nothing of the worker is imported. What an order may come to is the business of
tests/end_to_end/oracle.py, by which deadlines that of terms.py, and how long work may wait that of
lateness.py.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.end_to_end.oracle import (
    AUTO_CANCEL,
    HANDLED_LATE,
    IMPLIES_HANDLING,
    LATE_DISPUTE,
    Act,
    Astray,
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
from tests.simulation.scenario import (
    CREATED,
    DECISIONS,
    LETTERS,
    STATUS,
    WINDOW,
    Order,
)
from tests.simulation.statements import REMINDERS
from tests.simulation.terms import (
    DECISIVE,
    ORDER_CREATED,
    beginning,
    entered_late,
    evidence_of,
    first_terms,
    of_cycle,
    our_cancels,
    possible_terms,
    reach_back,
    ready_status,
    terms_alive_again,
    with_extensions,
    with_hold,
)

if TYPE_CHECKING:
    from tests.simulation.world import World

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
    if lanes := untold(world):
        return f"lanes {lanes}: not everything is marked as published"
    if any(not row["published"] for row in tables["dead_letters"].values()):
        return "dead letters not published"
    return ""


def untold(world: "World") -> list[int]:
    """The lanes with decisions that are not marked as published."""
    tables = world.database.tables
    nothing = {"sequence": 0}
    return [
        lane
        for lane, row in tables["lanes"].items()
        if row["sequence"] > tables["published"].get(lane, nothing)["sequence"]
    ]


def faults(world: "World") -> Iterator[str]:
    """Every broken promise."""
    if world.must_halt or world.halted or world.must_notice:
        yield from _halted(world)
        return
    if unknown := [*_forget_retained(world)]:
        # Then the judge does not know either since when the evidence is complete.
        yield from unknown
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
    yield from _first_sight(world)
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
    for lane in world.must_notice - world.halted:
        yield f"lane {lane}: a log went back behind its position, and it never halted"
    if world.went_back:
        yield from _cancelled_unread(world)


def _cancelled_unread(world: "World") -> Iterator[str]:
    """Auto-cancels against evidence that a log holds below the position of its lane."""
    events: dict[str, list[Event]] = defaultdict(list)
    for (topic, number), log in world.broker.logs.items():
        if topic == DECISIONS:
            # Its sequences are judged above.
            list(_partition(world, log, number, events))
    for order in world.scenario.orders.values():
        told = events[order.order_id]
        if not order.created or _by_clocks_ahead(world, told):
            continue
        first = first_terms(world, order)
        ours = our_cancels(world, order, told)
        terms = [
            *possible_terms(world, order, first),
            *terms_alive_again(world, order, first, ours),
            first,
        ]
        # What gave an order its deadline may be lost itself.
        dues = {one.due for one in terms}
        yield from _earlier(order, terms, [event for event in told if event.due in dues])


def _forget_retained(world: "World") -> Iterator[str]:
    """What retention removed before a worker read it tells of nothing."""
    tables = world.database.tables
    for partition in world.scenario.begins:
        if tables["positions"][STATUS, partition]["covered_since"] is None:
            yield f"{STATUS}/{partition} was cut before the start, and nobody knows"
    read = {
        (row["topic"], row["partition"], row["offset"])
        for table in ("acts", "dead_letters")
        for row in tables[table].values()
    }
    for (topic, number), log in world.broker.logs.items():
        # Nobody can know of these: no offset shows them. They are what is not promised.
        unseen = [one for one in log.compacted if (topic, number, one.offset) not in read]
        world.forget(log, unseen)
        lost = [one for one in log.retained if (topic, number, one.offset) not in read]
        world.forget(log, lost)
        if not log.retained:
            continue
        found = tables["positions"][topic, number]["covered_since"] is not None
        if lost and not found:
            yield f"{topic}/{number}: {len(lost)} records were lost, and nobody knows"
        # Where nothing but offsets without records is gone, a worker cannot know that.
        if topic == STATUS and log.retained and found:
            world.found_lost.add(number)


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


def _first_sight(world: "World") -> Iterator[str]:
    """Nobody saw the log of acts before its first record, or before a worker saw it empty."""
    if world.scenario.rules.adopted is None or not world.times_are_true:
        return
    firsts = [
        log.first_at
        for (topic, _), log in world.broker.logs.items()
        if topic == STATUS and log.first_at is not None
    ]
    # The times of records are whole milliseconds.
    least = BASE + timedelta(seconds=min([world.first_start, *firsts]) - 0.001)
    for begin in beginning(world):
        if begin < least:
            yield f"the log of acts is known since {begin}, and began at {least}"


def _order(world: "World", order: Order, events: list[Event]) -> Iterator[str]:
    who = order.order_id
    if not order.created:
        if events:
            yield f"{who}: decided without an order"
        return
    terms = first_terms(world, order)
    entered = terms.entered_at
    if _by_clocks_ahead(world, events):
        return
    yield from _unconfirmed(world, order, events)
    reminded = [event for event in events if event.kind == REMINDER]
    events = [e for e in events if e.kind != REMINDER and not _is_of_confirmation(e)]
    possible = [
        replace(one, entered_late=late, logs_reach_back=back)
        for one in possible_terms(world, order, terms)
        for late in entered_late(world, order, terms)
        for back in reach_back(world, order, terms, events)
    ]
    possible = [each for one in possible for each in with_hold(order, one)]
    dues = {one.due for one in possible}
    if world.scenario.rules.clock is None:
        dues.add(terms.due)  # that of the time before it was extended
    ours = our_cancels(world, order, events)
    alive = [
        replace(one, logs_reach_back=back)
        for one in terms_alive_again(world, order, terms, ours)
        for back in reach_back(world, order, terms, events)
    ]
    dues |= {one.due for one in alive}
    # A clock may have started anew since, or an order been told again.
    starts = (ORDER_CREATED, ready_status(world))
    dues |= {one.fact.occurred_at + timedelta(seconds=WINDOW) for one in order.facts
             if isinstance(one.fact, Act) and one.fact.status in starts}  # fmt: skip
    yield from _reminders(order, entered, alive, dues, reminded)
    if not possible:
        if events:
            yield f"{who}: decided, and its clock never started"
        return
    # Where several were possible, the database says which of them came about.
    row = world.database.tables["orders"].get(who)
    fixed = [one for one in alive or possible if row is not None and one.due == row["due"]]
    if fixed:
        groupings = [_of_earlier_deadlines(events, fixed[0].due)]
        if world.scenario.rules.rolling:
            # Another policy file may have taken the clock away, and the next one set it again.
            groupings.append(groupings[0] | _revoked(events))
        # Each extension may have been in force until the next one was known.
        terms_before = [*possible, *alive, *with_extensions(order, terms), terms]
        judged = (
            list(_by_deadline(world, order, events, earlier, fixed, terms_before, bool(alive)))
            for earlier in groupings
        )
        yield from min(judged, key=len)
    elif row is not None and row["due"] is None and _may_wait(world, order, row["lane"]):
        return
    elif world.words.clocks_ahead and row is not None and row["due"] in dues:
        # By those clocks it may have been over before another start was known.
        due = replace(terms, window=row["due"] - terms.entered_at)
        yield from _earlier(order, [*possible, *alive, due], events)
    elif order.side == "nobody" and world.words.clocks_ahead:
        return  # it may have lapsed by those clocks, and nothing tells when
    elif not (row and row["decided_at"] and world.clocks_were_ahead(_seconds(row["decided_at"]))):
        yield f"{who}: due at {row and row['due']}, not at one of {sorted(dues)}"
    yield from _released(order, terms, events)


def _by_clocks_ahead(world: "World", events: Iterable[Event]) -> bool:
    """Whether one was told while all clocks were ahead: by each of them it was time."""
    return any(
        world.clocks_were_ahead(_seconds(at))
        for event in events
        for at in (event.stored_at, event.decided_at)
    )


def _by_deadline(
    world: "World",
    order: Order,
    events: Sequence[Event],
    earlier: Collection[str],
    fixed: Sequence[Terms],
    possible: list[Terms],
    is_alive_again: bool,
) -> Iterator[str]:
    """Judge the ``earlier`` events by any of the terms, the others by those in force."""
    before = [event for event in events if event.id in earlier]
    yield from _earlier(order, possible, before)
    stands = frozenset() if is_alive_again else standing(before)[0]
    if left := stands - {LATE_DISPUTE}:
        yield f"{order.order_id}: {left} stands, by a deadline that is no longer in force"
    now = [event for event in events if event.id not in earlier]
    # The start of a cycle may be that of the clock before: either explanation will do.
    courses = (list(_course(world, order, one, now, stands)) for one in fixed)
    yield from min(courses, key=len)


def _revoked(events: Iterable[Event]) -> set[str]:
    """The ids of the decisions that were revoked, and of the revocations."""
    revoking = [event for event in events if event.kind == "decision-revoked"]
    return {id_ for event in revoking for id_ in (event.id, event.body["revokes"]["id"])}


def _of_earlier_deadlines(events: Sequence[Event], due: datetime) -> set[str]:
    """The ids of the events by a deadline that came before this one."""
    dues = {event.id: event.due for event in events}
    # A revocation belongs to the deadline of the decision that it revokes.
    revokes = {
        event.id: event.body["revokes"]["id"]
        for event in events
        if event.kind == "decision-revoked"
    }
    return {
        event.id for event in events if dues.get(revokes.get(event.id, event.id), event.due) != due
    }


def _may_wait(world: "World", order: Order, lane: int | None) -> bool:
    """Whether it waits for a clock by the policy file of the worker that has its lane."""
    rules = world.scenario.rules
    if lane is None:
        return False
    owner = world.database.tables["lanes"][lane]["owner"]
    former = owner is not None and int(owner[1 : owner.index(".")]) % 2 == 1
    started = any(
        isinstance(one.fact, Act) and one.fact.status == rules.clock for one in order.facts
    )
    return rules.rolling and not former and not started


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
    return of_cycle(terms, known)


def _is_of_confirmation(event: Event) -> bool:
    said = event.body["revokes"]["reason"] if event.kind == "decision-revoked" else event.reason
    return bool(said == "cancel-unconfirmed")


def _unconfirmed(world: "World", order: Order, events: list[Event]) -> Iterator[str]:
    """Whether a person was asked about each auto-cancel that nobody carried out, and no other."""
    within = world.scenario.confirm_within
    stands, _, _ = standing(events)
    cancelled = [event for event in events if event.says == AUTO_CANCEL]
    entered = BASE + timedelta(seconds=order.entered)
    again = opened(entered, order.facts, ready_status(world), our_cancels(world, order, events))
    confirmed = [
        one.stored_at
        for one in order.facts
        if isinstance(one.fact, Act)
        and one.fact.status == "canceled"
        # A cancellation of an earlier cycle confirms nothing.
        and not (again and any(one.fact.occurred_at < again < event.due for event in cancelled))
    ]
    now = [event for event in cancelled if again is None or event.due > again]
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
    asks = within is not None and now and AUTO_CANCEL in stands
    if asks and not confirmed and UNCONFIRMED not in stands:
        yield f"{order.order_id}: nobody was told that the auto-cancel is unconfirmed"


def _reminders(
    order: Order, entered: datetime, alive: list[Terms], dues: set[datetime], told: list[Event]
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
        again = [one.opened_at for one in alive if one.opened_at and one.due == event.due]
        for one in order.facts:
            if one.stored_at < first and _is_done(one.fact, event.due, entered, *again[:1]):
                yield f"{who}: reminded, though it was known that {_told(one)}"
    for due, times in Counter(event.due for event in told).items():
        if times > len(REMINDERS):
            yield f"{who}: reminded {times} times of {due}"


def acted(order: Order) -> bool:
    """Whether anything is known of an order so far that may spare its seller a reminder."""
    return any(
        not isinstance(one.fact, Act) or one.fact.status in (*DECISIVE, ORDER_CREATED)
        for one in order.facts
    )


def _is_done(fact: Fact, due: datetime, entered: datetime, again: datetime | None = None) -> bool:
    """Whether a seller of whom this is known needs no reminder.

    ``again``: the order was cancelled before, and is alive again from then on.
    """
    if not isinstance(fact, Act):
        return isinstance(fact, Unreadable)
    if fact.occurred_at > due or (again and fact.occurred_at < again):
        return False
    return fact.status in IMPLIES_HANDLING or (
        fact.status == "canceled" and fact.occurred_at >= entered
    )


def _released(order: Order, terms: Terms, events: list[Event]) -> Iterator[str]:
    """No verdict of a held order before somebody releases it."""
    held = [one for one in order.changes if one.kind == "held" and one.stored_at < terms.fires_at]
    released = [one.sent_at for one in order.changes if one.kind == "released"]
    if held and released and events and events[0].stored_at < max(released):
        yield f"{order.order_id}: TOO EARLY, it was held until {max(released)}"


def _course(
    world: "World", order: Order, terms: Terms, events: list[Event], before: frozenset[str]
) -> Iterator[str]:
    """Judge the events of one deadline. What stands from ``before`` is not told again."""
    who = order.order_id
    facts = of_cycle(terms, order.facts)
    verdicts = [event for event in events if not _is_apart(terms, event)]
    result = expected(terms, facts, verdicts[0].stored_at if verdicts else None)
    stands, told, wrong = standing(events)
    yield from (f"{who}: {fault}" for fault in wrong)
    allowed = " or ".join(sorted({str(ending.told) for ending in result.endings}))
    if AUTO_CANCEL in told and not result.may_cancel:
        yield f"{who}: FALSE CANCEL, told {told}, expected {allowed}"
    elif not events and result.speaks:
        yield f"{who}: MISSED, expected {allowed}"
    elif not any(
        (stands, told)
        == (one.standing - before, tuple(each for each in one.told if each not in before))
        for one in result.endings
    ):
        yield f"{who}: WRONG, told {told}, expected {allowed}"
    for event in events:
        yield from _event(world, order, terms, facts, event)


def _is_apart(terms: Terms, event: Event) -> bool:
    """Whether it waits for no verdict: somebody handles an order that we cancelled before."""
    return terms.cancelled_before and event.says == HANDLED_LATE


def _event(world: "World", order: Order, terms: Terms, facts: Any, event: Event) -> Iterator[str]:
    who = f"{order.order_id} {event.says}"
    if event.stored_at < terms.fires_at and not _is_apart(terms, event):
        yield f"{who}: TOO EARLY by {terms.fires_at - event.stored_at}"
    if event.due != terms.due:
        yield f"{who}: tells due {event.due}, not {terms.due}"
    if event.partition not in order.homes:
        yield f"{who}: in partition {event.partition}, home is {order.homes}"
    evidence = evidence_of(world, event)
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
        if not isinstance(one.fact, Astray) and not named[status]:
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
    return "refused" if isinstance(one.fact, Unreadable | Astray) else "order-created"


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
        for record in [*log.records(), *log.retained, *log.compacted]:
            place = (topic, number, record.offset)
            here, other = (kept, rows) if place in world.refused else (rows, kept)
            refused, times = other.pop(place, 0), here.pop(place, 0)
            if times == 0 and (record in log.retained or record in log.compacted):
                continue
            if times != 1 or (refused and place not in world.changes):
                yield f"{place} took effect {times} times"
    for place in rows + kept:
        yield f"{place} took effect, and was never committed"
    for lane, row in tables["lanes"].items():
        if row["open_deadlines"]:
            yield f"lane {lane}: counts {row['open_deadlines']} open deadlines"
