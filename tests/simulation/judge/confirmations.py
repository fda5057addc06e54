"""Whether a person was asked about each auto-cancel that nobody carried out, and no other."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.end_to_end.oracle import AUTO_CANCEL, Act, opened
from tests.end_to_end.reader import Event, standing
from tests.simulation.judge.terms import our_cancels, ready_status
from tests.simulation.kafka import BASE
from tests.simulation.scenario.records import Order

if TYPE_CHECKING:
    from tests.simulation.world import World

UNCONFIRMED = "escalation cancel-unconfirmed"


def is_of_confirmation(event: Event) -> bool:
    said = event.body["revokes"]["reason"] if event.kind == "decision-revoked" else event.reason
    return bool(said == "cancel-unconfirmed")


def unconfirmed(world: "World", order: Order, events: list[Event]) -> Iterator[str]:
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
    revoked = {e.body["revokes"]["id"] for e in events if e.kind == "decision-revoked"}
    now = [
        event
        for event in cancelled
        if event.id not in revoked and (again is None or event.due > again)
    ]
    last: Event | None = None
    for event in events:
        if event.says == AUTO_CANCEL:
            last = event  # one before may be revoked
        if event.says != UNCONFIRMED:
            continue
        if within is None or last is None:
            yield f"{order.order_id}: {event.says}, out of nothing"
            continue
        asked = last.decided_at + timedelta(seconds=within)
        if event.stored_at < asked:
            yield f"{order.order_id}: {event.says} TOO EARLY by {asked - event.stored_at}"
        if any(at < asked for at in confirmed):
            yield f"{order.order_id}: {event.says}, but it was confirmed"
    if within is not None and now and not confirmed and UNCONFIRMED not in stands:
        yield f"{order.order_id}: nobody was told that the auto-cancel is unconfirmed"
