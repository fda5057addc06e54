"""The terms by which an order may be judged, and the facts that tell of its cycle.

An order has several where a correct worker may have known a thing in time or not.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.end_to_end.oracle import (
    AUTO_CANCEL,
    BEFORE_ADOPTION,
    FACTS_MISSING,
    IMPLIES_HANDLING,
    LATE_DISPUTE,
    POLICY,
    Act,
    OurCancel,
    Published,
    Terms,
    expected,
    opened,
)
from tests.end_to_end.reader import Event
from tests.simulation.kafka import BASE
from tests.simulation.scenario.records import STATUS, Change, Order
from tests.simulation.scenario.rules import LEAST_WINDOW, WINDOW

if TYPE_CHECKING:
    from tests.simulation.world import World

DECISIVE = (
    "aceptado", "listo", "start-handling", "handling", "ready-for-invoicing", "invoice",
    "invoiced", "canceled", "dispute-opened", "dispute-resolved",
)  # fmt: skip
STOP = "payment-pending"
# A verdict that began before a loss was found is committed by then.
SETTLED = timedelta(seconds=3)
# So short that in the end everybody gets a verdict.
LONGEST_HOLD = timedelta(seconds=12)
ORDER_CREATED = "order-created"
ON_SILENCE = {
    "plain": AUTO_CANCEL, "person": POLICY, "nobody": None, "dear": POLICY,
    "unpriced": FACTS_MISSING,
}  # fmt: skip


def first_terms(world: "World", order: Order) -> Terms:
    """The terms of an order by what is known when it enters."""
    rules = world.scenario.rules
    entered = BASE + timedelta(seconds=order.entered)
    return Terms(
        entered_at=entered,
        window=timedelta(seconds=WINDOW),
        grace=timedelta(seconds=world.scenario.grace),
        logs_reach_back=all(
            entered >= instant for instant in _known_since(world, order, world.scenario.begins)
        ),
        on_silence=ON_SILENCE[order.side],
        adopted_at=world.database.adopted_at,
        before_adoption=BEFORE_ADOPTION if rules.before_adoption == "escalate" else None,
    )


def entered_late(world: "World", order: Order, terms: Terms) -> set[bool]:
    """Whether its order-created left less than the least window; of several, either may count."""
    if world.scenario.rules.adopted is None or world.scenario.rules.clock is not None:
        return {False}
    if not world.clocks.times_are_true:
        return {False, True}
    return {one.at > terms.due - LEAST_WINDOW for one in order.told.values()}


def _known_since(world: "World", order: Order, cut: Iterable[int]) -> list[datetime]:
    """Since when the logs are known, if these partitions of the acts are cut."""
    narrow = world.scenario.proof == "lane"
    # What is lost may be as young as the moment at which the loss was found.
    since = [
        _found_lost(world, partition)
        for partition in cut
        # A lane that halted before may never have looked.
        if (row := world.database.tables["positions"].get((STATUS, partition))) is not None
        and row["covered_since"] is not None
        and (not narrow or partition in order.homes)
    ]
    return since + (beginning(world) if world.scenario.rules.adopted is not None else [])


def _found_lost(world: "World", partition: int) -> datetime:
    """When the loss in this log was found; no worker can have found it before it ran."""
    row = world.database.tables["positions"][STATUS, partition]
    moment: datetime = row["covered_since"]
    assert moment >= BASE - timedelta(seconds=4), "before the clock that is furthest behind"
    return moment


def beginning(world: "World") -> list[datetime]:
    """Since when the log of acts is known."""
    rows = world.database.tables["positions"].items()
    begins = [row["begins_at"] for (topic, _), row in rows if topic == STATUS]
    return [] if None in begins else begins and [min(begins)]


def reach_back(world: "World", order: Order, terms: Terms, events: Sequence[Event]) -> set[bool]:
    """Whether its evidence was known to be complete; of a loss during the run, either may hold.

    Its verdict may have fallen before the loss was found, but not long after.
    """
    known = terms.logs_reach_back
    since = max(_known_since(world, order, world.found_lost), default=None)
    if not known or since is None or terms.entered_at >= since:
        return {known}
    late = world.clocks.times_are_true and all(
        event.decided_at > since + SETTLED for event in events
    )
    return {False} if events and late else {True, False}


def possible_terms(world: "World", order: Order, first: Terms) -> list[Terms]:
    """Those that an order may be judged by.

    A change that came about when the verdict could fall may count or not.
    """
    if world.scenario.rules.clock is not None:
        started = _started(order, world.scenario.rules.clock, first)
        # The worker that entered it may have had another policy file.
        return [*started, first] if world.scenario.rules.rolling else started
    certain, possible = {first.due}, set[datetime]()
    for change in order.changes:
        if change.due is not None:
            before = [one for one in order.facts if one.stored_at <= change.stored_at]
            # By the verdict itself: what came later may have been read with the change.
            at_verdict = [one for one in before if one.stored_at < first.fires_at]
            # By any deadline that it had until then.
            sooner = [one for one in order.changes if one.stored_at < change.stored_at]
            stands = all(
                _stands(terms, one)
                for terms in [first, *_extended(first, sooner)]
                for one in (at_verdict, before, order.facts)
            )
            in_time = change.occurred_at <= first.due and stands
            known = change.stored_at < first.fires_at or in_time
            (certain if known else possible).add(BASE + timedelta(seconds=change.due))
    for one in order.facts:
        if isinstance(one.fact, Act) and one.fact.status == ORDER_CREATED:
            due = one.fact.occurred_at + timedelta(seconds=WINDOW)
            (certain if one.stored_at < first.fires_at else possible).add(due)
    # None takes time away.
    least = max(certain)
    dues = [least, *sorted(due for due in possible if due > least)]
    return [replace(first, window=due - first.entered_at) for due in dues]


def _stands(terms: Terms, facts: Sequence[Published]) -> bool:
    """Whether by these facts something stands in any case that an extension takes back."""
    result = expected(terms, of_cycle(terms, facts))
    return all(ending.standing - {LATE_DISPUTE} for ending in result.endings)


def _started(order: Order, clock: str, entered: Terms) -> list[Terms]:
    """One for each instant at which its clock may have started.

    One that became known after the verdict takes no time away.
    """
    if _is_stopped(order):
        return _restarted(order, clock, entered)
    starts = {
        (one.partition, one.offset): one.fact.occurred_at
        for one in order.facts
        if isinstance(one.fact, Act) and one.fact.status == clock
    }
    grace = entered.window + entered.grace
    # Of those that were known when its verdict could fall, the earliest counts.
    possible = {
        instant: None
        for instant in starts.values()
        if not any(
            one.fact.occurred_at < instant and one.stored_at < one.fact.occurred_at + grace
            for one in order.facts
            if isinstance(one.fact, Act) and one.fact.status == clock
        )
    }
    return [
        replace(entered, window=instant - entered.entered_at + entered.window)
        for instant in possible
    ]


def _is_stopped(order: Order) -> bool:
    return any(isinstance(one.fact, Act) and one.fact.status == STOP for one in order.facts)


def _restarted(
    order: Order, clock: str, entered: Terms, since: datetime | None = None
) -> list[Terms]:
    """The terms by a clock that stops. Each of these acts is known at once.

    ``since``: the order was cancelled before, and is alive again from then on.
    """
    # At one time, as an outside judge takes them.
    rank = {name: n for n, name in enumerate((*IMPLIES_HANDLING, STOP, clock, "canceled"))}
    acts = sorted(
        {
            one.fact
            for one in order.facts
            if isinstance(one.fact, Act) and (since is None or one.fact.occurred_at >= since)
        },
        key=lambda act: (act.occurred_at, rank.get(act.status, 0)),
    )

    def start(seen: Iterable[Act]) -> datetime | None:
        started: datetime | None = None
        handled = False
        for act in seen:
            if act.status == "canceled" and act.occurred_at >= entered.entered_at:
                break
            if act.status in IMPLIES_HANDLING:
                handled = True
            elif act.status == STOP and not handled:
                started = None
            elif act.status == clock and started is None:
                started = max(act.occurred_at, entered.entered_at)
        return started

    # Another act may have become known too late to let the clock run on.
    possible = {start(acts), start(act for act in acts if act.status in (STOP, clock))}
    return [
        replace(entered, window=started - entered.entered_at + entered.window)
        for started in possible
        if started is not None
    ]


def with_hold(order: Order, terms: Terms) -> list[Terms]:
    """The terms with the hold that nobody releases; of one that may have come too late, both."""
    holds = [one for one in order.changes if one.kind in ("held", "released")]
    last = max(holds, key=lambda one: one.occurred_at, default=None)
    if last is None or last.kind == "released":
        return [terms]
    held = replace(terms, hold_expires=last.occurred_at + LONGEST_HOLD)
    return [held] if last.stored_at < terms.fires_at else [held, terms]


def terms_alive_again(
    world: "World", order: Order, first: Terms, ours: Sequence[OurCancel]
) -> list[Terms]:
    """The terms of the cycle that a cancelled order has begun; none if it never did."""
    at = opened(first.entered_at, order.facts, ready_status(world), ours)
    if at is None:
        return []
    again = replace(
        first,
        window=at - first.entered_at + timedelta(seconds=WINDOW),
        opened_at=at,
        cancelled_before=any(one.due < at and not one.revoked for one in ours),
    )
    clock = world.scenario.rules.clock
    stopped = _restarted(order, clock, first, at) if clock and _is_stopped(order) else []
    restarted = [replace(again, window=one.window) for one in stopped]
    return [again, *with_extensions(order, again), *restarted]


def with_extensions(order: Order, terms: Terms) -> list[Terms]:
    """The terms by each of its extensions."""
    return _extended(terms, order.changes)


def _extended(terms: Terms, changes: Iterable[Change]) -> list[Terms]:
    return [
        replace(terms, window=BASE + timedelta(seconds=change.due) - terms.entered_at)
        for change in changes
        if change.due is not None
    ]


def ready_status(world: "World") -> str:
    return world.scenario.rules.clock or "ready-for-handling"


def our_cancels(world: "World", order: Order, events: list[Event]) -> list[OurCancel]:
    """The auto-cancels of an order, with the facts that each says it had read."""
    revoked = {e.body["revokes"]["id"] for e in events if e.kind == "decision-revoked"}
    return [
        OurCancel(
            event.due,
            event.id in revoked,
            frozenset(one.fact for one in order.facts if _was_read(evidence["read_to"], one)),
        )
        for event in events
        if event.says == AUTO_CANCEL
        for evidence in [evidence_of(world, event)]
    ]


def evidence_of(world: "World", event: Event) -> Any:
    # A topic that takes little gets it without its evidence. One that was lost with its commit, and
    # made again, may have read more by then.
    row = world.database.tables["decisions"].get((event.partition, event.sequence))
    lost = row is not None and world.words.lost_commits
    if row is not None and (lost or "omitted" in event.body["evidence"]):
        return json.loads(row["value"])["evidence"]
    return event.body["evidence"]


def _was_read(read_to: Any, one: Published) -> bool:
    offsets = read_to.get(one.topic, [])
    return one.partition < len(offsets) and one.offset < offsets[one.partition]


def of_cycle(terms: Terms, facts: Sequence[Published]) -> tuple[Published, ...]:
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
