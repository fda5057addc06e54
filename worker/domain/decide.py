"""The rule: from a case to its judgement.

One function serves the first verdict and every later correction. It considers all known facts and
never their order of arrival, so it is idempotent: a repeat changes nothing. A case holds the facts
of the cycle in force, see :mod:`worker.domain.cycle`.
"""

from collections.abc import Collection, Hashable, Iterator
from datetime import datetime

from schemas.statuses import Meaning
from worker.domain.acts import IMPLIES_HANDLING, OBSCURE, Act, Place
from worker.domain.case import (
    Case,
    Decision,
    Finding,
    Judgement,
    Kind,
    Limits,
    Outcome,
    PriorDecision,
    Reason,
)
from worker.domain.cycle import confirms
from worker.domain.policy import AtLapse

type_of_outcome = {
    Outcome.AUTO_CANCELLED: Kind.AUTO_CANCEL,
    Outcome.ESCALATED: Kind.ESCALATION,
}

# The verdict of a finding that is not silence.
_VERDICTS: dict[Finding, tuple[Outcome, Reason | None]] = {
    Finding.VALIDATED: (Outcome.KEPT, None),
    Finding.CANCELLED: (Outcome.CANCELLED, None),
    Finding.CANCELLED_INCOMPLETE: (Outcome.CANCELLED_INCOMPLETE, None),
    Finding.CONTRADICTORY: (Outcome.ESCALATED, Reason.CONTRADICTORY_ACTS),
    Finding.DISPUTED: (Outcome.ESCALATED, Reason.DISPUTE_OPEN),
    Finding.CONFLICTING: (Outcome.ESCALATED, Reason.CONFLICTING_ORDERS),
    Finding.WITHOUT_STOCK: (Outcome.ESCALATED, Reason.HANDLING_WITHOUT_STOCK),
}


_UNLIMITED = Limits()


def decide(
    case: Case,
    limits: Limits = _UNLIMITED,
    *,
    braked: bool = False,
    unconfirmed: bool = False,
) -> Judgement:
    """Judge a case whose deadline has lapsed under a proof of freshness.

    With ``braked`` a person decides in place of an auto-cancel. ``unconfirmed``: the time to
    confirm an auto-cancel is over.
    """
    finding = find(case)
    late = [act for act in case.acts if act.occurred_at > case.order.due]
    outcome, reason = _verdict(case, finding, late, limits)
    if braked and outcome == Outcome.AUTO_CANCELLED:
        outcome, reason = Outcome.ESCALATED, Reason.MASS_CANCEL
    emit = _Emitter(case)
    if finding != case.finding:
        kind = type_of_outcome.get(outcome)
        resting = emit.resting
        if not resting or (resting[0].kind, resting[0].reason) != (kind, reason):
            emit.revoke(resting)
            if kind is not None and reason is not None:
                emit(kind, reason)
    else:
        # No new evidence in time: the verdict is unchanged, whatever happened after `due`.
        outcome = _standing_outcome(case, outcome)
    # Nothing is told of what happened before this installation began.
    adopted_at = limits.adopted_at
    recent = [act for act in late if adopted_at is None or act.occurred_at >= adopted_at]
    for follow_up in _follow_ups(case, recent, finding, emit.issued):
        emit(Kind.ESCALATION, follow_up)
    if unconfirmed and _awaits_cancellation(case, emit.issued):
        emit(Kind.ESCALATION, Reason.CANCEL_UNCONFIRMED)
    return Judgement(finding, outcome, tuple(emit.decisions))


def likeness(
    entered_at: datetime, due: datetime, at_lapse: str, doubt: str | None, limits: Limits
) -> Hashable:
    """Return the facts by which the rule judges an order that has nothing but its order-created.

    Such an order has no act, change, refusal or decision, and no other version. Two such orders
    with equal facts get the same judgement.
    """
    return (
        at_lapse,
        doubt,
        limits.adopted_at is not None and due < limits.adopted_at,
        limits.astray_at is not None and limits.astray_at >= entered_at,
        limits.evidence_since is not None and limits.evidence_since > entered_at,
    )


def withdraw(case: Case) -> Judgement:
    """Revoke the verdict of an order that had more time: it is open again."""
    emit = _Emitter(case)
    emit.revoke(emit.resting)
    return Judgement(None, None, tuple(emit.decisions))


def watch(case: Case) -> Judgement:
    """Judge an order whose deadline lies ahead: a person may have to know something already."""
    emit = _Emitter(case)
    for reason in _since_cancelled(case, emit.issued):
        emit(Kind.ESCALATION, reason)
    return Judgement(None, None, tuple(emit.decisions))


class _Emitter:
    """The decisions of one judgement, numbered behind those made before."""

    def __init__(self, case: Case) -> None:
        self.decisions: list[Decision] = []
        self._first = case.decided + 1
        self._standing = list(case.standing)
        self._case = case

    @property
    def resting(self) -> list[PriorDecision]:
        """The decisions that rest on the verdict."""
        return [given for given in self._standing if _rests(self._case, given)]

    @property
    def issued(self) -> set[Reason]:
        """The reasons in force."""
        own = {each.reason for each in self.decisions if each.kind != Kind.REVOKED}
        return own | {given.reason for given in self._standing}

    def revoke(self, given: list[PriorDecision]) -> None:
        for one in given:
            self(Kind.REVOKED, Reason.LATE_EVIDENCE, one)
            self._standing.remove(one)

    def __call__(self, kind: Kind, reason: Reason, revokes: PriorDecision | None = None) -> None:
        ordinal = self._first + len(self.decisions)
        self.decisions.append(Decision(ordinal, kind, reason, revokes))


def remind(case: Case, at: datetime, planned: Collection[datetime]) -> tuple[Decision, ...]:
    """The reminder planned for this time, if it still makes sense.

    ``planned`` are the reminders of the deadline in force: one that has moved has others. A decided
    order needs none, nor does one with any act in time or any refused record.
    """
    if case.finding is not None or case.refusals or at not in planned:
        return ()
    if find(case) != Finding.SILENT:
        return ()
    return (Decision(case.decided + 1, Kind.REMINDER, Reason.DEADLINE_APPROACHES),)


def find(case: Case) -> Finding:
    """The evidence of the acts in time; exactly 24:00:00 is in time."""
    acts = [act for act in case.acts if _counts(case, act)]
    acts.sort(key=_rank)
    if cancels := [act for act in acts if act.meaning == Meaning.CANCELED]:
        return _cancelled(case, cancels)
    disputes = [
        act for act in acts if act.meaning in (Meaning.DISPUTE_OPENED, Meaning.DISPUTE_RESOLVED)
    ]
    if disputes and disputes[-1].meaning == Meaning.DISPUTE_OPENED:
        return Finding.DISPUTED
    if _two_sellers(case):
        return Finding.CONFLICTING
    if not any(act.meaning in IMPLIES_HANDLING for act in acts):
        obscure = any(act.meaning in OBSCURE for act in acts)
        return Finding.OBSCURE if obscure else Finding.SILENT
    reported = [act for act in acts if act.meaning == Meaning.HANDLING and act.stock_ok is not None]
    if reported and _wrong(reported[-1], reported) and not _disputed_since(reported[-1], disputes):
        return Finding.WITHOUT_STOCK
    return Finding.VALIDATED


def _counts(case: Case, act: Act) -> bool:
    """Whether an act is evidence for the verdict."""
    if act.occurred_at > case.order.due or confirms(act, _told_cancels(case)):
        return False
    if act.meaning == Meaning.CANCELED:
        # A cancellation from before the order entered is none of it.
        return act.occurred_at >= case.order.entered_at
    # What downstream was told cannot rest on a word that nobody understands.
    return act.meaning not in OBSCURE or not _after_auto_cancel(case, act.place)


def _told_cancels(case: Case) -> Iterator[PriorDecision]:
    """The auto-cancels that a verdict on this deadline has to reckon with.

    One that was taken back when the deadline moved is carried out by nobody.
    """
    return (c for c in case.auto_cancels if not c.revoked or c.due >= case.order.due)


def _after_auto_cancel(case: Case, place: Place) -> bool:
    return any(not given.knew(place) for given in _told_cancels(case))


def _cancelled(case: Case, cancels: list[Act]) -> Finding:
    first = cancels[0].occurred_at
    if _handled_after(case, first):
        return Finding.CONTRADICTORY
    # The first cancellation counts. Of several at that time, one complete form is enough.
    incomplete = all(act.form_complete is False for act in cancels if act.occurred_at == first)
    return Finding.CANCELLED_INCOMPLETE if incomplete else Finding.CANCELLED


def _handled_after(case: Case, cancelled_at: datetime) -> bool:
    return any(
        act.meaning == Meaning.HANDLING and act.occurred_at > cancelled_at for act in case.acts
    )


def _two_sellers(case: Case) -> bool:
    """Whether the order was told of two sellers: the silence of one would be nobody's."""
    if case.order.doubt == Reason.UNREADABLE_EVIDENCE:
        return False  # nobody could read the first record, nor its seller
    return any(
        version.seller_id and version.seller_id != case.order.seller_id
        for version in case.versions
        if not _after_auto_cancel(case, version.place)
    )


def _verdict(
    case: Case, finding: Finding, late: list[Act], limits: Limits
) -> tuple[Outcome, Reason | None]:
    outcome, reason = _judge(case, finding, late, limits)
    order = case.order
    over = limits.adopted_at is not None and order.due < limits.adopted_at
    # The usual rule corrects a verdict that subscribers know. A deadline that moves takes it away.
    corrects = case.decided and case.finding is not None
    if over and reason is not None and not corrects:
        if limits.escalate_before_adoption:
            return Outcome.ESCALATED, Reason.BEFORE_ADOPTION
        return Outcome.BEFORE_ADOPTION, None
    return outcome, reason


def _judge(
    case: Case, finding: Finding, late: list[Act], limits: Limits
) -> tuple[Outcome, Reason | None]:
    cancels = [act.occurred_at for act in late if act.meaning == Meaning.CANCELED]
    if cancels and finding not in (
        Finding.CANCELLED, Finding.CANCELLED_INCOMPLETE, Finding.CONTRADICTORY, Finding.DISPUTED,
        Finding.VALIDATED,
    ):  # fmt: skip
        if _handled_after(case, min(cancels)):
            return Outcome.ESCALATED, Reason.CONTRADICTORY_ACTS
        return Outcome.CANCELLED_LATE, None
    if finding in _VERDICTS:
        return _VERDICTS[finding]
    # Silent from here on. Only an order with no evidence against it is cancelled.
    unwatched = case.order.at_lapse == AtLapse.NONE
    if not unwatched and any(act.meaning in IMPLIES_HANDLING for act in late):
        return Outcome.ESCALATED, Reason.HANDLED_AFTER_DEADLINE
    return next(_doubts(case, finding, limits), None) or (
        Outcome.AUTO_CANCELLED,
        Reason.STOCK_NOT_VALIDATED,
    )


def _doubts(
    case: Case, finding: Finding, limits: Limits
) -> Iterator[tuple[Outcome, Reason | None]]:
    """The reasons not to cancel a silent order, the gravest first."""
    order = case.order
    if case.refusals or case.has_namesake or order.doubt == Reason.UNREADABLE_EVIDENCE:
        yield Outcome.ESCALATED, Reason.UNREADABLE_EVIDENCE
    if limits.astray_at is not None and limits.astray_at >= order.entered_at:
        yield Outcome.ESCALATED, Reason.UNREADABLE_EVIDENCE
    if limits.evidence_since is not None and limits.evidence_since > order.entered_at:
        yield Outcome.ESCALATED, Reason.EVIDENCE_INCOMPLETE
    if finding == Finding.OBSCURE:
        yield Outcome.ESCALATED, Reason.UNKNOWN_STATUS
    if any(version.policy.at_lapse != order.at_lapse for version in case.versions):
        yield Outcome.ESCALATED, Reason.CONFLICTING_ORDERS
    if order.doubt is not None:
        yield Outcome.ESCALATED, order.doubt
    if case.hold_expired:
        yield Outcome.ESCALATED, Reason.HOLD_EXPIRED
    if order.at_lapse == AtLapse.ESCALATE:
        yield Outcome.ESCALATED, Reason.POLICY
    if order.at_lapse == AtLapse.NONE:
        yield Outcome.LAPSED, None


def _cancelled_by_seller(case: Case) -> bool:
    """Whether a seller's cancellation in time became known only after our auto-cancel."""
    return any(
        act.form_complete is not None
        and act.occurred_at <= case.order.due
        and confirms(act, case.auto_cancels)
        for act in case.acts
    )


def _follow_ups(
    case: Case, late: list[Act], finding: Finding, issued: set[Reason]
) -> Iterator[Reason]:
    """Escalations because of what became known after the verdict; each only once."""
    meanings = {act.meaning for act in late}
    since = set(_since_cancelled(case, issued))
    yield from since
    issued |= since
    if Reason.STOCK_NOT_VALIDATED in issued:
        # A dispute that was opened has an escalation of its own.
        handled = meanings & {Meaning.HANDLING, Meaning.DISPUTE_RESOLVED}
        if handled and Reason.HANDLED_AFTER_DEADLINE not in issued:
            yield Reason.HANDLED_AFTER_DEADLINE
        if Reason.UNKNOWN_STATUS not in issued and any(
            act.meaning in OBSCURE
            and act.occurred_at <= case.order.due
            and _after_auto_cancel(case, act.place)
            for act in case.acts
        ):
            yield Reason.UNKNOWN_STATUS
    elif Reason.CONTRADICTORY_ACTS not in issued and Reason.HANDLED_AFTER_DEADLINE not in issued:
        cancels = [act.occurred_at for act in late if act.meaning == Meaning.CANCELED]
        told = finding in (Finding.CONTRADICTORY, Finding.VALIDATED)
        if cancels and not told and _handled_after(case, min(cancels)):
            yield Reason.CONTRADICTORY_ACTS
    if Meaning.DISPUTE_OPENED in meanings and Reason.LATE_DISPUTE not in issued:
        yield Reason.LATE_DISPUTE


def _since_cancelled(case: Case, issued: set[Reason]) -> Iterator[Reason]:
    """The order was told as cancelled in an earlier cycle, and somebody handles it now."""
    if (
        case.cancelled_before
        and Reason.HANDLED_AFTER_DEADLINE not in issued
        and any(act.meaning == Meaning.HANDLING for act in case.acts)
    ):
        yield Reason.HANDLED_AFTER_DEADLINE


def _rests(case: Case, given: PriorDecision) -> bool:
    """Whether a decision rests on the verdict of this cycle.

    A late dispute is independent of it, and so is the handling of an order that an earlier cycle
    cancelled.
    """
    if given.reason == Reason.HANDLED_AFTER_DEADLINE:
        return not case.cancelled_before
    return given.reason != Reason.LATE_DISPUTE


def _awaits_cancellation(case: Case, issued: set[Reason]) -> bool:
    """Whether our auto-cancel is in force and no act reports the order as cancelled."""
    return (
        Reason.STOCK_NOT_VALIDATED in issued
        and Reason.CANCEL_UNCONFIRMED not in issued
        and not any(act.meaning == Meaning.CANCELED for act in case.acts)
    )


def _standing_outcome(case: Case, otherwise: Outcome) -> Outcome:
    for given in case.standing:
        if given.kind == Kind.AUTO_CANCEL:
            if _cancelled_by_seller(case):
                return Outcome.CANCELLED_BY_SELLER
            return Outcome.AUTO_CANCELLED
        if _rests(case, given):
            return Outcome.ESCALATED
    if otherwise in type_of_outcome and case.order.at_lapse == AtLapse.NONE:
        return Outcome.LAPSED  # what became known since is no evidence
    return otherwise


def _wrong(last: Act, reported: list[Act]) -> bool:
    """The last report counts; of several at the same time, the worst does."""
    return any(a.stock_ok is False for a in reported if a.occurred_at == last.occurred_at)


def _disputed_since(act: Act, disputes: list[Act]) -> bool:
    return any(
        d.meaning == Meaning.DISPUTE_OPENED and d.occurred_at >= act.occurred_at for d in disputes
    )


def _rank(act: Act) -> tuple[datetime, int]:
    return act.rank
