"""The rule: from a case to its judgement.

One function serves the first verdict and every later correction. It considers all known facts and
never their order of arrival, so it is idempotent: a repeat changes nothing.
"""

from collections.abc import Iterator
from datetime import datetime

from worker.domain.acts import CANCELED, DISPUTE_OPENED, DISPUTE_RESOLVED, HANDLING, Act
from worker.domain.case import (
    Case,
    Decision,
    Finding,
    Judgement,
    Kind,
    Outcome,
    PriorDecision,
    Reason,
)
from worker.domain.policy import AtLapse

type_of_outcome = {
    Outcome.AUTO_CANCELLED: Kind.AUTO_CANCEL,
    Outcome.ESCALATED: Kind.ESCALATION,
}

_CLOSED = {
    Finding.VALIDATED: Outcome.KEPT,
    Finding.CANCELLED: Outcome.CANCELLED,
    Finding.CANCELLED_INCOMPLETE: Outcome.CANCELLED_INCOMPLETE,
}


def decide(
    case: Case,
    evidence_since: datetime | None = None,
    *,
    braked: bool = False,
    unconfirmed: bool = False,
) -> Judgement:
    """Judge a case whose deadline has lapsed under a proof of freshness.

    ``evidence_since`` is the time from which the logs are known to be complete; ``None`` means
    from their beginning. With ``braked`` a person decides in place of an auto-cancel.
    ``unconfirmed``: the time to confirm an auto-cancel is over.
    """
    finding = find(case)
    late = {act.status for act in case.acts if act.occurred_at > case.order.due}
    outcome, reason = _verdict(case, finding, late, evidence_since)
    if braked and outcome == Outcome.AUTO_CANCELLED:
        outcome, reason = Outcome.ESCALATED, Reason.MASS_CANCEL
    first = case.decided + 1
    decisions: list[Decision] = []
    standing = list(case.standing)

    def emit(kind: Kind, reason: Reason, revokes: PriorDecision | None = None) -> None:
        decisions.append(Decision(first + len(decisions), kind, reason, revokes))

    if finding != case.finding:
        kind = type_of_outcome.get(outcome)
        # A late dispute is independent of the verdict and outlives it; the others rest on it.
        resting = [given for given in standing if given.reason != Reason.LATE_DISPUTE]
        if not resting or (resting[0].kind, resting[0].reason) != (kind, reason):
            for given in resting:
                emit(Kind.REVOKED, Reason.LATE_EVIDENCE, given)
                standing.remove(given)
            if kind is not None and reason is not None:
                emit(kind, reason)
    else:
        # No new evidence in time: the verdict is unchanged, whatever happened after `due`.
        outcome = _standing_outcome(case, outcome)

    if late or unconfirmed:
        issued = {given.reason for given in standing} | {
            decision.reason for decision in decisions if decision.kind != Kind.REVOKED
        }
        for follow_up in _follow_ups(late, issued):
            emit(Kind.ESCALATION, follow_up)
        if unconfirmed and _awaits_cancellation(case, issued):
            emit(Kind.ESCALATION, Reason.CANCEL_UNCONFIRMED)
    return Judgement(finding, outcome, tuple(decisions))


def remind(case: Case, at: datetime) -> tuple[Decision, ...]:
    """The reminder planned for this time, if it still makes sense.

    A decided order needs none, nor does one with any act in time or any refused record. An order
    whose deadline has moved has other reminders.
    """
    order = case.order
    if case.finding is not None or case.refusals or order.due - at not in order.reminders:
        return ()
    if find(case) != Finding.SILENT:
        return ()
    return (Decision(case.decided + 1, Kind.REMINDER, Reason.DEADLINE_APPROACHES),)


def find(case: Case) -> Finding:
    """The evidence of the acts in time; exactly 24:00:00 is in time."""
    acts = [act for act in case.acts if act.occurred_at <= case.order.due]
    if not acts:
        return Finding.SILENT
    acts.sort(key=_rank)
    if cancels := [act for act in acts if act.status == CANCELED]:
        # The first cancellation counts. Of several at that time, one complete form is enough.
        first = [act for act in cancels if act.occurred_at == cancels[0].occurred_at]
        incomplete = all(act.form_complete is False for act in first)
        return Finding.CANCELLED_INCOMPLETE if incomplete else Finding.CANCELLED
    disputes = [act for act in acts if act.status in (DISPUTE_OPENED, DISPUTE_RESOLVED)]
    if disputes and disputes[-1].status == DISPUTE_OPENED:
        return Finding.DISPUTED
    handling = [act for act in acts if act.status in HANDLING]
    if not handling:
        return Finding.SILENT
    reported = [act for act in handling if act.stock_ok is not None]
    if reported and _wrong(reported[-1], reported) and not _disputed_since(reported[-1], disputes):
        return Finding.WITHOUT_STOCK
    return Finding.VALIDATED


def _verdict(
    case: Case, finding: Finding, late: set[str], evidence_since: datetime | None
) -> tuple[Outcome, Reason | None]:
    if finding in _CLOSED:
        return _CLOSED[finding], None
    if finding == Finding.DISPUTED:
        return Outcome.ESCALATED, Reason.DISPUTE_OPEN
    if CANCELED in late:
        return Outcome.CANCELLED_LATE, None
    if finding == Finding.WITHOUT_STOCK:
        return Outcome.ESCALATED, Reason.HANDLING_WITHOUT_STOCK
    # Silent from here on. Only an order with no evidence against it is cancelled.
    if late & HANDLING:
        return Outcome.ESCALATED, Reason.HANDLED_AFTER_DEADLINE
    if case.refusals:
        return Outcome.ESCALATED, Reason.UNREADABLE_EVIDENCE
    if evidence_since is not None and evidence_since > case.order.entered_at:
        return Outcome.ESCALATED, Reason.EVIDENCE_INCOMPLETE
    if case.order.at_lapse == AtLapse.ESCALATE:
        return Outcome.ESCALATED, Reason.POLICY
    return Outcome.AUTO_CANCELLED, Reason.STOCK_NOT_VALIDATED


def _follow_ups(late: set[str], issued: set[Reason]) -> Iterator[Reason]:
    """Escalations because of acts after `due`, once a verdict exists; each only once."""
    cancelled_by_us = Reason.STOCK_NOT_VALIDATED in issued
    if cancelled_by_us and late & HANDLING and Reason.HANDLED_AFTER_DEADLINE not in issued:
        yield Reason.HANDLED_AFTER_DEADLINE
    if DISPUTE_OPENED in late and Reason.LATE_DISPUTE not in issued:
        yield Reason.LATE_DISPUTE


def _awaits_cancellation(case: Case, issued: set[Reason]) -> bool:
    """Whether our auto-cancel is in force and no act reports the order as cancelled."""
    return (
        Reason.STOCK_NOT_VALIDATED in issued
        and Reason.CANCEL_UNCONFIRMED not in issued
        and not any(act.status == CANCELED for act in case.acts)
    )


def _standing_outcome(case: Case, otherwise: Outcome) -> Outcome:
    for given in case.standing:
        if given.kind == Kind.AUTO_CANCEL:
            return Outcome.AUTO_CANCELLED
        if given.reason != Reason.LATE_DISPUTE:
            return Outcome.ESCALATED
    return otherwise


def _wrong(last: Act, reported: list[Act]) -> bool:
    """The last report counts; of several at the same time, the worst does."""
    return any(a.stock_ok is False for a in reported if a.occurred_at == last.occurred_at)


def _disputed_since(act: Act, disputes: list[Act]) -> bool:
    return any(d.status == DISPUTE_OPENED and d.occurred_at >= act.occurred_at for d in disputes)


def _rank(act: Act) -> tuple[datetime, int]:
    return act.rank
