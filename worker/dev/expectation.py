"""The outcome that an order must have, from nothing but the published records.

It states the marketplace's rule a second time and shares no line with the worker's domain, so that
one misreading cannot hide in both. A fact that stood in the log before the verdict could fall
has to be known to it; any later one may or may not be, and each course of events is followed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from worker.dev.ledger import Fact

AUTO_CANCEL = "auto-cancel stock-not-validated"
UNREADABLE_EVIDENCE = "escalation unreadable-evidence"
DISPUTE_OPEN = "escalation dispute-open"
WITHOUT_STOCK = "escalation handling-without-stock"
HANDLED_LATE = "escalation handled-after-deadline"
LATE_DISPUTE = "escalation late-dispute"

CONTRADICTORY = "escalation contradictory-acts"
UNKNOWN_STATUS = "escalation unknown-status"

# The OMS names these in its flow; an order that has come to any of them was taken in hand.
_IN_HAND = ("start-handling", "handling", "ready-for-invoicing", "invoice", "invoiced")
# Nobody disputes an order that is not in hand.
_SHOWS_HANDLING = (*_IN_HAND, "dispute-opened", "dispute-resolved")
_SAYS_NOTHING = ("ready-for-handling", "payment-approved", "order-created", "staging")
_UNDERSTOOD = (*_SHOWS_HANDLING, *_SAYS_NOTHING, "canceled")


@dataclass(frozen=True, slots=True)
class Expectation:
    """Every set of verdicts that may stand in the end, and whether a cancel may ever appear."""

    standing: frozenset[frozenset[str]]
    may_cancel: bool


@dataclass(frozen=True, slots=True)
class _State:
    said: str
    verdict: str | None
    follow_ups: frozenset[str] = frozenset()

    @property
    def standing(self) -> frozenset[str]:
        return self.follow_ups | ({self.verdict} if self.verdict else set())


def lives_again(due: datetime, facts: Sequence[Fact]) -> bool:
    """Whether an order may have another deadline after a cancellation, which is not judged here."""
    cancelled = [f.occurred_at for f in facts if f.status == "canceled" and f.occurred_at]
    since = min([due, *cancelled])
    return any(
        f.status == "ready-for-handling" and f.occurred_at and f.occurred_at > since for f in facts
    )


def expect(due: datetime, known: Sequence[Fact], later: Sequence[Fact]) -> Expectation:
    """Follow the facts. ``known`` stood in the log when the verdict could fall at the earliest."""
    standing: set[frozenset[str]] = set()
    may_cancel = False
    for seen in range(len(later) + 1):
        facts, ignored = [*known, *later[:seen]], list[Fact]()
        said, verdict = _rule(due, facts)
        state = _follow_up(_State(said, verdict), due, facts, ignored)
        cancelled = verdict == AUTO_CANCEL
        for fact in later[seen:]:
            # A cancellation that arrives after ours confirms it; a strange word revokes nothing.
            if cancelled and _in_time(due, fact) and not _is_evidence(fact):
                ignored.append(fact)
            else:
                facts.append(fact)
            state = _correct(state, due, facts, ignored)
            cancelled |= state.verdict == AUTO_CANCEL
        may_cancel |= cancelled
        standing.add(state.standing)
    return Expectation(frozenset(standing), may_cancel)


def _correct(
    before: _State, due: datetime, facts: Sequence[Fact], ignored: Sequence[Fact]
) -> _State:
    said, verdict = _rule(due, facts)
    if said == before.said:  # acts after the deadline take nothing back
        return _follow_up(before, due, facts, ignored)
    kept = before.follow_ups if verdict == before.verdict else before.follow_ups & {LATE_DISPUTE}
    return _follow_up(_State(said, verdict, kept), due, facts, ignored)


def _follow_up(
    state: _State, due: datetime, facts: Sequence[Fact], ignored: Sequence[Fact]
) -> _State:
    late = _late(due, facts)
    found = set()
    if state.verdict == AUTO_CANCEL:
        if not late.isdisjoint(_IN_HAND):
            found.add(HANDLED_LATE)
        if any(fact.status not in _UNDERSTOOD for fact in ignored):
            found.add(UNKNOWN_STATUS)
    elif state.said in ("silent", "strange", "without stock", "disputed") and (
        state.verdict != HANDLED_LATE and _late_contradiction(due, facts)
    ):
        found.add(CONTRADICTORY)
    if "dispute-opened" in late:
        found.add(LATE_DISPUTE)
    return replace(state, follow_ups=state.follow_ups | (found - {state.verdict}))


def _rule(due: datetime, facts: Sequence[Fact]) -> tuple[str, str | None]:
    """The state that the seller reported in time, and the verdict."""
    said = _said(due, facts)
    late = _late(due, facts)
    if said in ("cancelled", "validated"):
        return said, None
    if said == "contradictory":
        return said, CONTRADICTORY
    if said == "disputed":
        return said, DISPUTE_OPEN
    if "canceled" in late:
        return said, CONTRADICTORY if _late_contradiction(due, facts) else None
    if said == "without stock":
        return said, WITHOUT_STOCK
    if not late.isdisjoint(_SHOWS_HANDLING):
        return said, HANDLED_LATE
    if any(fact.status is None for fact in facts):
        return said, UNREADABLE_EVIDENCE
    return said, UNKNOWN_STATUS if said == "strange" else AUTO_CANCEL


def _said(due: datetime, facts: Sequence[Fact]) -> str:
    in_hand = disputed = broken = strange = False
    for fact in sorted((fact for fact in facts if _in_time(due, fact)), key=_rank):
        if fact.status == "canceled":
            assert fact.occurred_at is not None
            return "contradictory" if _in_hand_after(facts, fact.occurred_at) else "cancelled"
        strange |= fact.status not in _UNDERSTOOD
        in_hand |= fact.status in _SHOWS_HANDLING
        if fact.status == "dispute-opened":
            disputed, broken = True, False
        elif fact.status == "dispute-resolved":
            disputed = False
        elif fact.status in _IN_HAND:
            broken = broken if fact.stock_ok is None else not fact.stock_ok
    if disputed:
        return "disputed"
    if not in_hand:
        return "strange" if strange else "silent"
    return "without stock" if broken else "validated"


def _in_time(due: datetime, fact: Fact) -> bool:
    return fact.occurred_at is not None and fact.occurred_at <= due


def _is_evidence(fact: Fact) -> bool:
    """Whether a fact may speak against an auto-cancel that was told before."""
    return fact.status in (*_SHOWS_HANDLING, *_SAYS_NOTHING)


def _in_hand_after(facts: Iterable[Fact], at: datetime) -> bool:
    return any(f.status in _IN_HAND and f.occurred_at and f.occurred_at > at for f in facts)


def _late_contradiction(due: datetime, facts: Sequence[Fact]) -> bool:
    """Whether the order was cancelled after its deadline and taken in hand later still."""
    late = [
        f.occurred_at
        for f in facts
        if f.status == "canceled" and f.occurred_at and f.occurred_at > due
    ]
    return bool(late) and _in_hand_after(facts, min(late))


def _rank(fact: Fact) -> tuple[datetime, int, bool]:
    """At the same time the worse report counts, and a dispute comes before its resolution."""
    assert fact.occurred_at is not None
    rank = {"dispute-opened": 1, "dispute-resolved": 2}.get(fact.status or "", 0)
    return fact.occurred_at, rank, fact.stock_ok is False


def _late(due: datetime, facts: Iterable[Fact]) -> set[str]:
    return {f.status for f in facts if f.status and f.occurred_at and f.occurred_at > due}
