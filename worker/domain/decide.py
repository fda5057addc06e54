"""The rule: from a case to its judgement.

One function serves the first verdict and every correction after it. It looks at all that is
known and never at the order of arrival, so a repeat changes nothing.
"""

from collections.abc import Iterator
from datetime import datetime

from worker.domain.acts import CANCELED, DISPUTE_OPENED, DISPUTE_RESOLVED, HANDLING, Act
from worker.domain.case import (
    Case,
    Decision,
    Finding,
    Given,
    Judgement,
    Kind,
    Outcome,
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

    ``evidence_since`` is the instant from which the logs are known to be complete, ``None`` where
    they reach back to their beginning. With ``braked`` a person decides in place of an auto-cancel.
    ``unconfirmed`` says that the time is over in which an auto-cancel has to be confirmed.
    """
    finding = find(case)
    late = {act.status for act in case.acts if act.occurred_at > case.order.due}
    outcome, reason = _verdict(case, finding, late, evidence_since)
    if braked and outcome == Outcome.AUTO_CANCELLED:
        outcome, reason = Outcome.ESCALATED, Reason.MASS_CANCEL
    first = case.decided + 1
    decisions: list[Decision] = []
    standing = list(case.standing)

    def emit(kind: Kind, reason: Reason, revokes: Given | None = None) -> None:
        decisions.append(Decision(first + len(decisions), kind, reason, revokes))

    if finding != case.finding:
        kind = type_of_outcome.get(outcome)
        # A late dispute is a fact of its own and outlives any verdict; all else rests on it.
        resting = [given for given in standing if given.reason != Reason.LATE_DISPUTE]
        if not resting or (resting[0].kind, resting[0].reason) != (kind, reason):
            for given in resting:
                emit(Kind.REVOKED, Reason.LATE_EVIDENCE, given)
                standing.remove(given)
            if kind is not None and reason is not None:
                emit(kind, reason)
    else:
        # Nothing in time is new: the verdict stands as it fell, whatever came after `due`.
        outcome = _standing_outcome(case, outcome)

    if late or unconfirmed:
        told = {given.reason for given in standing} | {
            decision.reason for decision in decisions if decision.kind != Kind.REVOKED
        }
        for follow_up in _follow_ups(late, told):
            emit(Kind.ESCALATION, follow_up)
        if unconfirmed and _awaits_cancellation(case, told):
            emit(Kind.ESCALATION, Reason.CANCEL_UNCONFIRMED)
    return Judgement(finding, outcome, tuple(decisions))


def remind(case: Case, at: datetime) -> tuple[Decision, ...]:
    """The reminder that was planned for then, if it still has a meaning.

    An order that was decided, or in which anything was done, needs none; one whose deadline has
    moved has others.
    """
    order = case.order
    if case.finding is not None or case.refusals or order.due - at not in order.reminders:
        return ()
    if find(case) != Finding.SILENT:
        return ()
    return (Decision(case.decided + 1, Kind.REMINDER, Reason.DEADLINE_APPROACHES),)


def find(case: Case) -> Finding:
    """What the acts in time say; 24:00:00 exactly is in time."""
    acts = [act for act in case.acts if act.occurred_at <= case.order.due]
    if not acts:
        return Finding.SILENT
    acts.sort(key=_rank)
    if cancels := [act for act in acts if act.status == CANCELED]:
        # The first counts; of several at that instant one complete form is enough.
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
    # Silent from here on. An auto-cancel is what is left when nothing speaks against it.
    if late & HANDLING:
        return Outcome.ESCALATED, Reason.HANDLED_AFTER_DEADLINE
    if case.refusals:
        return Outcome.ESCALATED, Reason.UNREADABLE_EVIDENCE
    if evidence_since is not None and evidence_since > case.order.entered_at:
        return Outcome.ESCALATED, Reason.EVIDENCE_INCOMPLETE
    if case.order.at_lapse == AtLapse.ESCALATE:
        return Outcome.ESCALATED, Reason.POLICY
    return Outcome.AUTO_CANCELLED, Reason.STOCK_NOT_VALIDATED


def _follow_ups(late: set[str], told: set[Reason]) -> Iterator[Reason]:
    """Escalations that acts after `due` call for once the verdict has fallen, each once."""
    cancelled_by_us = Reason.STOCK_NOT_VALIDATED in told
    if cancelled_by_us and late & HANDLING and Reason.HANDLED_AFTER_DEADLINE not in told:
        yield Reason.HANDLED_AFTER_DEADLINE
    if DISPUTE_OPENED in late and Reason.LATE_DISPUTE not in told:
        yield Reason.LATE_DISPUTE


def _awaits_cancellation(case: Case, told: set[Reason]) -> bool:
    """Whether our auto-cancel stands and nobody ever said that the order is cancelled."""
    return (
        Reason.STOCK_NOT_VALIDATED in told
        and Reason.CANCEL_UNCONFIRMED not in told
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
    """The last report counts; of several at that instant the worst does."""
    return any(a.stock_ok is False for a in reported if a.occurred_at == last.occurred_at)


def _disputed_since(act: Act, disputes: list[Act]) -> bool:
    return any(d.status == DISPUTE_OPENED and d.occurred_at >= act.occurred_at for d in disputes)


def _rank(act: Act) -> tuple[datetime, int]:
    return act.rank
