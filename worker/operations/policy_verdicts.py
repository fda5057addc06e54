"""The verdict on a known order by other policies: the one place where a trial meets the rule."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from schemas.statuses import Meaning
from worker.decide.cases import facts_of, load_cases, load_waiting
from worker.domain.acts import ORDER_CREATED, Act
from worker.domain.case import Case, Reason
from worker.domain.cycle import cycle_of
from worker.domain.deadline import schedule
from worker.domain.decide import decide, type_of_outcome
from worker.domain.policy import Facts, Policies, Policy
from worker.operations.lines import read_lines
from worker.storage.transaction import Transaction

OPEN = "open"
WAITING = "waits for its clock"


class Trial(NamedTuple):
    """The terms and the verdict of an order, before and by the policies that are tried."""

    policy_before: str | None
    due_before: datetime | None
    verdict_before: str
    policy: str
    due: datetime | None
    verdict: str


async def trials(
    tx: Transaction,
    lane: int,
    order_ids: Sequence[str],
    before: Policies,
    tried: Policies,
    now: datetime,
) -> dict[str, Trial]:
    """A trial of each order of a lane that can be compared."""
    # Loaded twice, because the meaning of a status is part of the policies.
    as_before, _, _ = await load_cases(tx, lane, order_ids, before, read_lines)
    known = {case.order.order_id: case for case in as_before}
    cases, _, facts = await load_cases(tx, lane, order_ids, tried, read_lines)
    found = {}
    for case in cases:
        order_id = case.order.order_id
        if order_id not in known or _opened_again(known[order_id], facts[order_id], before):
            continue
        with suppress(OverflowError):  # an order of a far past, which the calendar does not reach
            found[order_id] = trial_of(known[order_id], case, facts[order_id], tried, now)
    waiting, acts = await load_waiting(tx, order_ids, tried)
    for order_id, row in waiting.items():
        told = facts_of(row)
        policy = tried.choose(told)
        start = cycle_of(
            row["entered_at"], acts.get(order_id, ()), (), policy.clock, policy.stops
        ).started_at
        with suppress(OverflowError):
            due = policy.due(start, told.due) if start else None
            verdict = OPEN if due else WAITING
            found[order_id] = Trial(None, None, WAITING, policy.name, due, verdict)
    return found


def trial_of(known: Case, case: Case, facts: Facts, tried: Policies, now: datetime) -> Trial:
    """The trial of an order whose clock has started.

    ``known`` is its case by the vocabulary in force, ``case`` that by the policies that are tried.

    Raises:
        OverflowError: its policy has no deadline from there.
    """
    order = known.order
    verdict_before = OPEN
    if known.finding:
        verdict_before = _verdict(known._replace(acts=_own_acts(known)))
    before = order.policy, order.first_due or order.due, verdict_before
    acts, policy = _own_acts(case), tried.choose(facts)
    cycle = cycle_of(order.entered_at, acts, (), policy.clock, policy.stops)
    if cycle.started_at is None:
        return Trial(*before, policy.name, None, WAITING)
    due, verdict = policy.due(cycle.started_at, facts.due), OPEN
    planned = schedule(due, cycle.started_at, (c for c in case.changes if c.counted))
    if not planned.held and policy.fires_at(planned.due) <= now:
        judged = _by_policy(case, policy, planned.due, doubtful=tried.lacks(facts))
        verdict = _verdict(judged._replace(acts=acts))
    return Trial(*before, policy.name, due, verdict)


def _opened_again(case: Case, facts: Facts, before: Policies) -> bool:
    """Whether the order lives on after a cancellation: other terms had led elsewhere."""
    order = case.order
    policy = before.named(order.policy, order.policy_version) or before.choose(facts)
    told = (Act(ORDER_CREATED, v.entered_at, v.received_at, v.place) for v in case.versions)
    acts = [*case.acts, *told]
    cycle = cycle_of(order.entered_at, acts, case.auto_cancels, policy.clock, policy.stops)
    return cycle.opened is not None


def _by_policy(case: Case, policy: Policy, due: datetime, *, doubtful: bool) -> Case:
    doubt: Reason | None = case.order.doubt
    if doubt in (None, Reason.FACTS_MISSING):
        doubt = Reason.FACTS_MISSING if doubtful else None
    due = max([due, *(version.due for version in case.versions)])
    return case._replace(order=case.order._replace(due=due, at_lapse=policy.at_lapse, doubt=doubt))


def _own_acts(case: Case) -> tuple[Act, ...]:
    """The acts but cancellations since our own auto-cancel: other terms had not brought them."""
    first = min((given.decided_at for given in case.auto_cancels), default=None)
    return tuple(
        act
        for act in case.acts
        if act.meaning != Meaning.CANCELED or first is None or act.received_at <= first
    )


def _verdict(case: Case) -> str:
    """The verdict on all that is known, as if it were the first."""
    judged = decide(
        case._replace(finding=None, decided=0, standing=(), auto_cancels=(), hold_expired=False)
    )
    assert judged.outcome is not None
    if judged.outcome not in type_of_outcome:
        return judged.outcome.value
    return f"{judged.outcome.value} {judged.decisions[0].reason.value}"
