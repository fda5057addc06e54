"""Bare orders: nothing is known of them but their order-created, as of most that lapse.

The rule looks at little in such an order. Of those that agree in it, one is judged as any other
order, and the rest share its judgement and most of the bytes of its events.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from worker.domain.case import Case, Judgement, Limits
from worker.domain.decide import likeness
from worker.freshness.evidence import Reading
from worker.outbox.events import AlikeEvents, Event
from worker.storage.transaction import Transaction, text_array

_JUDGED = itemgetter("entered_at", "due", "at_lapse", "doubt")
# What the events of alike orders share, and what is each one's own.
_SHARED = itemgetter("fulfilment", "policy", "policy_version", "topic", "partition")
_OWN = itemgetter("order_id", "seller_id", "entered_at", "due", "received_at", "offset")


async def load_alike(
    tx: Transaction,
    lane: int,
    order_ids: Sequence[str],
    at: datetime,
    limits: Limits,
    braked: Callable[[str], bool] = lambda _: False,
) -> list[list[Any]]:
    """The rows of the bare ones of these orders that fire at or before ``at``, alike ones together.

    The caller's transaction has passed the fence, as for :func:`load_cases`.
    """
    if not order_ids:
        return []
    return alike(await tx.rows("bare_orders", text_array(order_ids), lane, at), limits, braked)


def alike(rows: Sequence[Any], limits: Limits, braked: Callable[[str], bool]) -> list[list[Any]]:
    """Put rows of bare orders together that share a judgement and the layout of its events."""
    found: defaultdict[Hashable, list[Any]] = defaultdict(list)
    for row in rows:
        entered_at, due, at_lapse, doubt = _JUDGED(row)
        judged = likeness(entered_at, due, at_lapse, doubt, limits)
        found[_SHARED(row), judged, braked(row["order_id"])].append(row)
    return [*found.values()]


def is_bare(case: Case) -> bool:
    """Whether nothing is known of an order but its order-created."""
    return case == Case(case.order)


def shared_events(
    case: Case, judgement: Judgement, rows: Sequence[Any], reading: Reading, now: datetime
) -> list[Event]:
    """The events of a judgement, for each of these orders; ``case`` is that of one like them."""
    made = [AlikeEvents(case.order, one, reading, now) for one in judgement.decisions]
    return [one.event(*_OWN(row)) for row in rows for one in made]
