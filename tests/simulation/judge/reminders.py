"""Whether sellers were reminded at the right time, as long as nothing was done."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from tests.end_to_end.oracle import IMPLIES_HANDLING, Act, Fact, Terms, Unreadable
from tests.end_to_end.reader import Event
from tests.simulation.judge.course import described
from tests.simulation.judge.terms import DECISIVE, ORDER_CREATED
from tests.simulation.scenario.records import Order
from tests.simulation.statements import REMINDERS

REMINDER = "deadline-reminder"


def reminded_rightly(
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
                yield f"{who}: reminded, though it was known that {described(one)}"
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
