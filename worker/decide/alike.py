"""Alike orders: one of them is judged as any other order, and the rest share its judgement.

Most orders that lapse are of two kinds, and the rule looks at little in them. Of a bare order
nothing is known but its order-created; alike ones share most of the bytes of their events, too. A
plainly handled order has acts of handling in time, and no other act that counts. Plazo keeps it and
publishes nothing.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

from schemas.statuses import Meaning
from worker.domain.acts import ORDER_CREATED
from worker.domain.case import Case, Finding, Judgement, Limits, Order, Outcome
from worker.domain.decide import likeness
from worker.domain.policy import Policies
from worker.freshness.evidence import Reading
from worker.outbox.events import AlikeEvents, Event
from worker.storage.transaction import Transaction, text_array

_JUDGED = itemgetter("entered_at", "due", "at_lapse", "doubt")
# What the events of alike orders share, and what is each one's own.
_SHARED = itemgetter("fulfilment", "policy", "policy_version", "topic", "partition")
_OWN = itemgetter("order_id", "seller_id", "entered_at", "due", "received_at", "offset")
# Of plainly handled orders one of each policy is judged, which tells how their clock starts.
_POLICY = itemgetter("policy", "policy_version")

KEPT = Judgement(Finding.VALIDATED, Outcome.KEPT, ())


class Alike(NamedTuple):
    """Rows of alike_orders.sql. The first is judged, and the others may share its judgement."""

    rows: Sequence[Any]

    def share(self, case: Case, judgement: Judgement) -> bool:
        """Whether what the first turned out to be holds for the others."""
        return judgement == KEPT if self.rows[0]["handled"] else case == Case(case.order)


async def load_alike(
    tx: Transaction,
    lane: int,
    order_ids: Sequence[str],
    at: datetime,
    limits: Limits,
    policies: Policies,
) -> list[Alike]:
    """Those of these orders that fire at or before ``at`` and are bare or plainly handled.

    The caller's transaction has passed the fence, as for :func:`load_cases`.
    """
    if not order_ids:
        return []
    rows = await tx.rows(
        "alike_orders", text_array(order_ids), lane, at,
        policies.words(Meaning.NOTHING),
        policies.words(Meaning.NOTHING, Meaning.READY),
        policies.words(Meaning.HANDLING),
        policies.mere_clocks,
    )  # fmt: skip
    return alike(rows, limits, policies)


def alike(rows: Iterable[Any], limits: Limits, policies: Policies) -> list[Alike]:
    """Put rows of orders together that share a judgement and the layout of its events."""
    found: defaultdict[Hashable, list[Any]] = defaultdict(list)
    for row in rows:
        if row["handled"]:
            if _clock_is_right(row, policies):
                found[_POLICY(row)].append(row)
            continue
        entered_at, due, at_lapse, doubt = _JUDGED(row)
        judged = likeness(entered_at, due, at_lapse, doubt, limits)
        found[_SHARED(row), judged].append(row)
    return [Alike(rows) for rows in found.values()]


def _clock_is_right(row: Any, policies: Policies) -> bool:
    """Whether the clock of a plainly handled order started as its policy and its acts say."""
    entered_at = row["entered_at"]
    started_at = row["started_at"] or entered_at
    policy = policies.named(*_POLICY(row))
    if policy is None:
        return True  # it is gone, and the clock that it started stays
    if policy.clock == ORDER_CREATED:
        return bool(started_at == entered_at)
    return bool(row["clock"] == policy.clock and started_at == max(row["clock_at"], entered_at))


@dataclass
class SharedEvents:
    """Makes the events of a judgement for each of the orders that share it; ``order`` is one."""

    order: Order
    judgement: Judgement
    reading: Reading
    now: datetime

    @cached_property
    def _layouts(self) -> list[AlikeEvents]:
        decisions = self.judgement.decisions
        return [AlikeEvents(self.order, one, self.reading, self.now) for one in decisions]

    def of(self, row: Any) -> list[Event]:
        """The events of the order of a row."""
        return [layout.event(*_OWN(row)) for layout in self._layouts]
