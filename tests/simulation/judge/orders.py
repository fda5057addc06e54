"""The verdicts on one order, by each deadline that it had."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.end_to_end.oracle import AUTO_CANCEL, LATE_DISPUTE, Act, Published, Terms, expected
from tests.end_to_end.reader import Event, standing
from tests.simulation.judge.confirmations import is_of_confirmation, unconfirmed
from tests.simulation.judge.course import judge_course
from tests.simulation.judge.reminders import REMINDER, reminded_rightly
from tests.simulation.judge.terms import (
    ORDER_CREATED,
    entered_late,
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
from tests.simulation.kafka import BASE
from tests.simulation.scenario.records import Order
from tests.simulation.scenario.rules import WINDOW

if TYPE_CHECKING:
    from tests.simulation.world import World


def judge_order(world: "World", order: Order, events: list[Event]) -> Iterator[str]:
    who = order.order_id
    if not order.created:
        if events:
            yield f"{who}: decided without an order"
        return
    terms = first_terms(world, order)
    entered = terms.entered_at
    row = world.database.tables["orders"].get(who)
    if by_clocks_ahead(world, events) or _lapsed_by_clocks_ahead(world, row):
        return
    yield from unconfirmed(world, order, events)
    reminded = [event for event in events if event.kind == REMINDER]
    events = [e for e in events if e.kind != REMINDER and not is_of_confirmation(e)]
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
    # Nor need the last extension be the one that counts in the end.
    once = {one.due for one in with_extensions(order, terms)}
    yield from reminded_rightly(order, entered, alive, dues | once, reminded)
    if not possible:
        if events:
            yield f"{who}: decided, and its clock never started"
        return
    # Where several were possible, the database says which of them came about.
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
        yield from cancelled_rightly(order, [*possible, *alive, due], events)
    elif order.side == "nobody" and world.words.clocks_ahead:
        return  # it may have lapsed by those clocks, and nothing tells when
    else:
        yield f"{who}: due at {row and row['due']}, not at one of {sorted(dues)}"
    yield from _released(order, terms, events)


def by_clocks_ahead(world: "World", events: Iterable[Event]) -> bool:
    """Whether one was told while all clocks were ahead: by each of them it was time."""
    return any(
        world.clocks.were_ahead(_seconds(at))
        for event in events
        for at in (event.stored_at, event.decided_at)
    ) or any(
        # A sweep may take long, and the clock of its worker be further ahead.
        world.clocks.are_ahead(world.commits.began.get((event.partition, event.sequence), 0.0))
        for event in events
    )


def _lapsed_by_clocks_ahead(world: "World", row: Any) -> bool:
    """Whether its last verdict fell while all clocks were ahead; not every verdict is told."""
    return bool(row and row["decided_at"] and world.clocks.were_ahead(_seconds(row["decided_at"])))


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
    yield from cancelled_rightly(order, possible, before)
    stands = frozenset() if is_alive_again else standing(before)[0]
    if left := stands - {LATE_DISPUTE}:
        yield f"{order.order_id}: {left} stands, by a deadline that is no longer in force"
    now = [event for event in events if event.id not in earlier]
    # The start of a cycle may be that of the clock before: either explanation will do.
    courses = (list(judge_course(world, order, one, now, stands)) for one in fixed)
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


def cancelled_rightly(order: Order, possible: list[Terms], events: list[Event]) -> Iterator[str]:
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


def _released(order: Order, terms: Terms, events: list[Event]) -> Iterator[str]:
    """No verdict of a held order before somebody releases it."""
    held = [one for one in order.changes if one.kind == "held" and one.stored_at < terms.fires_at]
    released = [one.sent_at for one in order.changes if one.kind == "released"]
    if held and released and events and events[0].stored_at < max(released):
        yield f"{order.order_id}: TOO EARLY, it was held until {max(released)}"


def _seconds(moment: datetime) -> float:
    return (moment - BASE).total_seconds()
