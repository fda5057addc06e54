"""Loads the cases of orders from the rows of seven tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from schemas.statuses import Meaning
from worker.decide.lines import ReadLines, complete_cancellations
from worker.domain.acts import Act, Change, Place, RefusedRecord
from worker.domain.case import Case, Finding, Kind, Order, PriorDecision, Reason, Version
from worker.domain.policy import AtLapse, Dispute, Facts, Policies, told_due
from worker.observability.logs import logger
from worker.storage.transaction import Transaction, text_array

log = logger(__name__)


# An order with fewer acts is judged by all of them, one with more by those that the rule can tell
# apart.
MOST_ACTS = 100
# The same for changes of its deadline, and how many new ones a sweep judges of orders with more.
MOST_CHANGES = 100
# Of the order-created records that tell an order otherwise, the first ones.
MOST_VERSIONS = 20
_PAGE = 1_000
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_LEAST_PAGE = 10


class Cases(NamedTuple):
    """The cases of orders, in the order asked, and the orders whose rows our code cannot read.

    ``facts`` are those by which the policy of an order is chosen.
    """

    readable: list[Case]
    faulty: set[str]
    facts: dict[str, Facts]


async def load_cases(
    tx: Transaction,
    lane: int,
    order_ids: Sequence[str],
    policies: Policies,
    read_lines: ReadLines | None = None,
) -> Cases:
    """The cases of orders; only of orders of this lane whose clock runs.

    What an order costs is bounded, however many acts and changes it has.

    The caller's transaction has passed the fence: nothing can change an order of this lane between
    the reading and the verdict.
    """
    if not order_ids:
        return Cases([], set(), {})
    asked = text_array(order_ids)
    orders = {r["order_id"]: r for r in await tx.rows("case_orders", asked, lane)}
    acts, many_acts = await _load_acts(tx, asked, orders, policies)
    refusals = _by_order(await tx.rows("case_refusals", asked))
    changes, many_changes, more_changes = await _load_changes(tx, asked, orders)
    retold = [order_id for order_id, row in orders.items() if row["retold"]]
    versions = _by_order(await tx.rows("case_versions", retold, MOST_VERSIONS)) if retold else {}
    decided = [order_id for order_id, row in orders.items() if row["decisions"]]
    decisions = _by_order(await tx.rows("case_decisions", decided) if decided else ())
    cases, faulty, facts = [], set(), {}
    known = {order_id: _acts(rows, policies) for order_id, rows in acts.items()}
    known.update(await complete_cancellations(tx, known, policies, read_lines))
    for order_id in order_ids:
        row = orders.get(order_id)
        if row is None:
            continue
        try:
            given = _decisions(decisions.get(order_id, ()))
            cases.append(
                Case(
                    order=order_of(row),
                    acts=known.get(order_id, ()),
                    refusals=tuple(map(_refusal, refusals.get(order_id, ()))),
                    finding=Finding(row["finding"]) if row["finding"] else None,
                    decided=row["decisions"],
                    standing=tuple(one for one in given if not one.revoked),
                    changes=tuple(map(_change, changes.get(order_id, ()))),
                    many_acts=order_id in many_acts,
                    many_changes=order_id in many_changes,
                    more_changes=order_id in more_changes,
                    auto_cancels=tuple(one for one in given if one.kind == Kind.AUTO_CANCEL),
                    has_namesake=row["has_namesake"] and not known.get(order_id),
                    versions=_versions(row, versions.get(order_id, ()), policies),
                )
            )
            facts[order_id] = facts_of(row)
        except Exception:
            # Such as a reason that a later version wrote. It must not hold the others.
            faulty.add(order_id)
            log.exception("order_not_loaded", lane=lane, order=order_id)
    return Cases(cases, faulty, facts)


async def load_waiting(
    tx: Transaction, order_ids: Sequence[str], policies: Policies
) -> tuple[dict[str, Any], dict[str, tuple[Act, ...]]]:
    """The rows of those orders that wait for their clock, and their acts."""
    waiting = {row["order_id"]: row for row in await tx.rows("waiting_orders", order_ids)}
    if not waiting:
        return {}, {}
    acts, _ = await _load_acts(tx, text_array(waiting), waiting, policies)
    return waiting, {order_id: _acts(rows, policies) for order_id, rows in acts.items()}


def facts_of(row: Mapping[str, Any]) -> Facts:
    """The facts of an order by which its policy is chosen."""
    labels = json.loads(row["labels"]) if row["labels"] else {}
    told = told_due(row["entered_at"], row["told_due"])
    return Facts(row["seller_id"], row["fulfilment"], row["total"], row["currency"], labels, told)


async def count_omitted(tx: Transaction, case: Case, policies: Policies) -> Case:
    """The case with the number of acts and changes that it leaves out."""
    if not case.many_acts and not case.many_changes:
        return case
    row = await tx.row("count_evidence", case.order.order_id, [*policies.telling])
    assert row is not None
    omitted = row["acts"] - len(case.acts) if case.many_acts else 0
    omitted += row["changes"] - len(case.changes) if case.many_changes else 0
    return case._replace(omitted=max(0, omitted))


async def _load_acts(
    tx: Transaction, asked: str, orders: Mapping[str, Any], policies: Policies
) -> tuple[dict[str, list[Any]], set[str]]:
    acts = _by_order(await tx.rows("case_acts", asked, MOST_ACTS))
    many = {o for o, rows in acts.items() if len(rows) >= MOST_ACTS and o in orders}
    if many:
        # Of an order that waits for its clock, all acts may be in time.
        dues = [orders[order_id]["due"] or _END_OF_TIME for order_id in many]
        found = await tx.rows("abridged_acts", [*many], dues, [*policies.telling])
        acts.update({order_id: [] for order_id in many} | _by_order(found))
    return acts, many


async def _load_changes(
    tx: Transaction, asked: str, orders: Mapping[str, Any]
) -> tuple[dict[str, list[Any]], set[str], set[str]]:
    """The rows, the orders with many of them, and those with more new ones than were read."""
    changes = _by_order(await tx.rows("case_changes", asked, MOST_CHANGES))
    many = {o for o, rows in changes.items() if len(rows) >= MOST_CHANGES and o in orders}
    more: set[str] = set()
    if many:
        page = max(_LEAST_PAGE, _PAGE // len(many))
        dues = [orders[order_id]["first_due"] or orders[order_id]["due"] for order_id in many]
        found = _by_order(await tx.rows("abridged_changes", [*many], dues, page))
        changes.update(found)
        more = {o for o, rows in found.items() if sum(not r["counted"] for r in rows) >= page}
    return changes, many, more


def _by_order(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row["order_id"], []).append(row)
    return found


_AT_LAPSE = {one.value: one for one in AtLapse}


def order_of(row: Any) -> Order:
    """The order of a row of case_orders.sql."""
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
        started_at=row["started_at"] or row["entered_at"],
        doubt=Reason(row["doubt"]) if row["doubt"] else None,
    )


@lru_cache(maxsize=64)
def _dispute(kind: str | None, text: str) -> Dispute:
    """Orders share the few disputes of their policies."""
    return Dispute() if kind is None else Dispute(kind, text)


def _acts(rows: Iterable[Any], policies: Policies) -> tuple[Act, ...]:
    """Those that can affect a verdict, without repeats, which change nothing.

    Repeats follow each other, the first received first.
    """
    acts: list[Act] = []
    last = None
    for row in rows:
        meaning = policies.meaning(row["status"])
        if meaning == Meaning.NOTHING and row["status"] not in policies.telling:
            continue
        same = row["status"], row["occurred_at"], row["stock_ok"], row["form_complete"]
        if same != last:
            acts.append(_act(row, meaning))
            last = same
    return tuple(acts)


def _act(row: Any, meaning: Meaning) -> Act:
    return Act(
        status=row["status"],
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        place=_place(row),
        stock_ok=row["stock_ok"],
        form_complete=row["form_complete"],
        meaning=meaning,
    )


def _versions(row: Any, told: Iterable[Any], policies: Policies) -> tuple[Version, ...]:
    """The other versions of an order, by the terms that each would have given it."""
    versions = []
    for other in told:
        known = {key: other[key] if other[key] is not None else row[key] for key in _FACTS}
        facts = facts_of(known | {"entered_at": other["entered_at"]})
        policy = policies.choose(facts)
        versions.append(
            Version(
                place=_place(other),
                received_at=other["received_at"],
                seller_id=other["seller_id"],
                entered_at=other["entered_at"],
                policy=policy,
                due=policy.due(other["entered_at"], facts.due),
            )
        )
    return tuple(versions)


_FACTS = ("seller_id", "fulfilment", "total", "currency", "labels", "told_due")


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


def _decisions(rows: Sequence[Any]) -> list[PriorDecision]:
    """All that were made but revocations, each revoked or not."""
    revoked = {row["revokes"] for row in rows}
    return [
        PriorDecision(
            ordinal=row["ordinal"],
            id=str(row["id"]),
            kind=Kind(row["kind"]),
            reason=Reason(row["reason"]),
            sequence=row["sequence"],
            decided_at=row["decided_at"],
            due=row["due"],
            read_to=json.loads(row["read_to"]),
            revoked=row["ordinal"] in revoked,
        )
        for row in rows
        if row["revokes"] is None
    ]


def _place(row: Any) -> Place:
    return Place(row["topic"], row["partition"], row["offset"])
