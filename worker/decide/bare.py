"""Bare orders: nothing is known of them but their order-created, as of most that lapse.

The rule looks at little in such an order. Those that agree in it share one judgement, and their
events share most of their bytes. The judgement itself is that of :mod:`worker.domain.decide`.
"""

from collections.abc import Hashable
from datetime import datetime
from operator import itemgetter
from typing import Any

from worker.decide.cases import order_of
from worker.domain.case import Case, Judgement, Limits
from worker.domain.decide import decide, likeness
from worker.freshness.evidence import Reading
from worker.outbox.events import AlikeEvents, Event

# Of a row of load_orders: all that may be known of an order beside its order-created.
_KNOWN = itemgetter(
    "acted", "refused", "changed", "retold", "has_namesake", "finding", "decisions"
)  # fmt: skip
_JUDGED = itemgetter("entered_at", "due", "at_lapse", "doubt")
# What the events of alike orders share, and what is each one's own.
_SHARED = itemgetter("fulfilment", "policy", "policy_version", "topic", "partition")
_OWN = itemgetter("order_id", "seller_id", "entered_at", "due", "received_at", "offset")


def take_bare(orders: dict[str, Any], at: datetime) -> list[Any]:
    """Take the rows of bare orders that fire at or before ``at`` out of those of load_orders."""
    bare = [
        row
        for row in orders.values()
        if not any(_KNOWN(row)) and row["fires_at"] is not None and row["fires_at"] <= at
    ]
    for row in bare:
        del orders[row["order_id"]]
    return bare


class Alike:
    """Bare orders that share a judgement and the layout of their events."""

    def __init__(self, judgement: Judgement, events: list[AlikeEvents]) -> None:
        self.judgement = judgement
        self._events = events

    def events(self, row: Any) -> list[Event]:
        """The events of one of them."""
        own = _OWN(row)
        return [made.event(*own) for made in self._events]


class BareOrders:
    """Judges the bare orders of one sweep."""

    def __init__(self, limits: Limits, reading: Reading, now: datetime) -> None:
        self._limits = limits
        self._reading = reading
        self._now = now
        self._alike: dict[Hashable, Alike] = {}

    def judge(self, row: Any, *, braked: bool = False) -> Alike:
        """The orders like this one.

        Raises: as :func:`order_of`.
        """
        entered_at, due, at_lapse, doubt = _JUDGED(row)
        alike = likeness(entered_at, due, at_lapse, doubt, self._limits)
        key = _SHARED(row), alike, braked
        found = self._alike.get(key)
        if found is None:
            order = order_of(row)
            judgement = decide(Case(order), self._limits, braked=braked)
            self._alike[key] = found = Alike(
                judgement,
                [AlikeEvents(order, d, self._reading, self._now) for d in judgement.decisions],
            )
        return found
