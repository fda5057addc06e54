"""Loads the cases of orders from the rows of six tables."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from worker.domain.acts import DECISIVE, Act, Change, Place, RefusedRecord
from worker.domain.case import Case, Finding, Kind, Order, PriorDecision, Reason
from worker.domain.policy import AtLapse, Dispute
from worker.storage.transaction import Transaction, text_array


async def load_cases(
    tx: Transaction, lane: int, order_ids: Sequence[str], clocks: Iterable[str] = ()
) -> list[Case]:
    """The cases of orders, in the order asked; only of orders of this lane whose clock runs.

    ``clocks`` are the statuses that start a clock.

    The caller's transaction has passed the fence: nothing can change an order of this lane between
    the reading and the verdict.
    """
    if not order_ids:
        return []
    asked = text_array(order_ids)
    orders = {r["order_id"]: r for r in await tx.rows("case_orders", asked, lane)}
    acts: defaultdict[str, list[Act]] = defaultdict(list)
    for row in await tx.rows("case_acts", asked, [*DECISIVE, *clocks]):
        acts[row["order_id"]].append(_act(row))
    refusals: defaultdict[str, list[RefusedRecord]] = defaultdict(list)
    for row in await tx.rows("case_refusals", asked):
        refusals[row["order_id"]].append(_refusal(row))
    changes: defaultdict[str, list[Change]] = defaultdict(list)
    for row in await tx.rows("case_changes", asked):
        changes[row["order_id"]].append(_change(row))
    decided = [order_id for order_id, row in orders.items() if row["decisions"]]
    given: defaultdict[str, dict[int, PriorDecision]] = defaultdict(dict)
    for row in await tx.rows("case_decisions", decided) if decided else ():
        if row["revokes"] is not None:
            given[row["order_id"]].pop(row["revokes"], None)
        else:
            given[row["order_id"]][row["ordinal"]] = _prior_decision(row)
    return [
        Case(
            order=_order(row),
            acts=tuple(acts.get(order_id, ())),
            refusals=tuple(refusals.get(order_id, ())),
            finding=Finding(row["finding"]) if row["finding"] else None,
            decided=row["decisions"],
            standing=tuple(given[order_id].values()) if order_id in given else (),
            changes=tuple(changes.get(order_id, ())),
        )
        for order_id in order_ids
        if (row := orders.get(order_id)) is not None
    ]


_AT_LAPSE = {one.value: one for one in AtLapse}


def _order(row: Any) -> Order:
    grace = row["grace"]
    return Order(
        order_id=row["order_id"],
        seller_id=row["seller_id"],
        fulfilment=row["fulfilment"],
        entered_at=row["entered_at"],
        due=row["due"],
        policy=row["policy"],
        at_lapse=_AT_LAPSE[row["at_lapse"]],
        place=_place(row),
        received_at=row["received_at"],
        policy_version=row["policy_version"],
        dispute=_dispute(row["dispute_type"], row["dispute_text"]),
        fires_at=row["fires_at"],
        grace=row["fires_at"] - row["due"] if grace is None else grace,
        first_due=row["first_due"],
        reminders=tuple(row["reminders"] or ()),
    )


@lru_cache(maxsize=64)
def _dispute(kind: str | None, text: str) -> Dispute:
    """Orders share the few disputes of their policies."""
    return Dispute() if kind is None else Dispute(kind, text)


def _act(row: Any) -> Act:
    return Act(
        status=row["status"],
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        place=_place(row),
        stock_ok=row["stock_ok"],
        form_complete=row["form_complete"],
    )


def _refusal(row: Any) -> RefusedRecord:
    return RefusedRecord(_place(row), row["received_at"], row["error"])


def _change(row: Any) -> Change:
    return Change(
        kind=row["kind"],
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        place=_place(row),
        due=row["due"],
        counted=row["counted"],
    )


def _prior_decision(row: Any) -> PriorDecision:
    return PriorDecision(
        ordinal=row["ordinal"],
        id=str(row["id"]),
        kind=Kind(row["kind"]),
        reason=Reason(row["reason"]),
        sequence=row["sequence"],
    )


def _place(row: Any) -> Place:
    return Place(row["topic"], row["partition"], row["offset"])
