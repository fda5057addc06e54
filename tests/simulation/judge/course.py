"""The events of one deadline: what was told, when, and on what evidence."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.end_to_end.oracle import (
    AUTO_CANCEL,
    HANDLED_LATE,
    Act,
    Astray,
    Published,
    Terms,
    Unreadable,
    expected,
)
from tests.end_to_end.reader import Event, standing
from tests.simulation.judge.terms import evidence_of, of_cycle
from tests.simulation.scenario.records import Order

if TYPE_CHECKING:
    from tests.simulation.world import World


def judge_course(
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
    elif not any(
        (stands, told)
        == (one.standing - before, tuple(each for each in one.told if each not in before))
        for one in result.endings
    ):
        if not events and result.speaks:
            yield f"{who}: MISSED, expected {allowed}"
        else:
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
            yield f"{who}: says it read {described(one)}, and rests not on it"
    if event.says == AUTO_CANCEL:
        # From what it says was read no other verdict may follow.
        known = tuple(replace(one, stored_at=terms.entered_at) for one in read)
        if not expected(terms, known).may_cancel:
            yield f"{who}: says it read {'; '.join(map(described, read))}"


def _status(one: Published) -> str:
    """The status of the act in an event's evidence."""
    if isinstance(one.fact, Act):
        return one.fact.status
    return "refused" if isinstance(one.fact, Unreadable | Astray) else "order-created"


def described(one: Published) -> str:
    place = f"{one.topic}/{one.partition}/{one.offset}"
    return f"{place} {_status(one)}"
