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

# The OMS names these in its flow; an order that has come to any of them was taken in hand.
_IN_HAND = ("start-handling", "handling", "ready-for-invoicing", "invoice", "invoiced")


@dataclass(frozen=True, slots=True)
class Expectation:
    """Every set of verdicts that may stand in the end, and whether a cancel may ever appear."""

    standing: frozenset[frozenset[str]]
    may_cancel: bool


@dataclass(frozen=True, slots=True)
class _State:
    said: str
    verdict: str | None
    handled_late: bool = False
    late_dispute: bool = False

    @property
    def standing(self) -> frozenset[str]:
        standing = {self.verdict} if self.verdict else set()
        standing |= {HANDLED_LATE} if self.handled_late else set()
        return frozenset(standing | ({LATE_DISPUTE} if self.late_dispute else set()))


def expect(due: datetime, known: Sequence[Fact], later: Sequence[Fact]) -> Expectation:
    """Follow the facts. ``known`` stood in the log when the verdict could fall at the earliest."""
    standing: set[frozenset[str]] = set()
    may_cancel = False
    for seen in range(len(later) + 1):
        facts = [*known, *later[:seen]]
        said, verdict = _rule(due, facts)
        state = _follow_up(_State(said, verdict), due, facts)
        may_cancel |= state.verdict == AUTO_CANCEL
        for fact in later[seen:]:
            facts.append(fact)
            state = _correct(state, due, facts)
            may_cancel |= state.verdict == AUTO_CANCEL
        standing.add(state.standing)
    return Expectation(frozenset(standing), may_cancel)


def _correct(before: _State, due: datetime, facts: Sequence[Fact]) -> _State:
    said, verdict = _rule(due, facts)
    if said == before.said:  # acts after the deadline take nothing back
        return _follow_up(before, due, facts)
    handled_late = before.handled_late and verdict == before.verdict
    return _follow_up(_State(said, verdict, handled_late, before.late_dispute), due, facts)


def _follow_up(state: _State, due: datetime, facts: Iterable[Fact]) -> _State:
    late = _late(due, facts)
    return replace(
        state,
        handled_late=state.handled_late
        or (state.verdict == AUTO_CANCEL and not late.isdisjoint(_IN_HAND)),
        late_dispute=state.late_dispute or "dispute-opened" in late,
    )


def _rule(due: datetime, facts: Sequence[Fact]) -> tuple[str, str | None]:
    """The state that the seller reported in time, and the verdict."""
    said = _said(due, facts)
    late = _late(due, facts)
    if said in ("cancelled", "validated"):
        return said, None
    if said == "disputed":
        return said, DISPUTE_OPEN
    if "canceled" in late:
        return said, None
    if said == "without stock":
        return said, WITHOUT_STOCK
    if not late.isdisjoint(_IN_HAND):
        return said, HANDLED_LATE
    if any(fact.status is None for fact in facts):
        return said, UNREADABLE_EVIDENCE
    return said, AUTO_CANCEL


def _said(due: datetime, facts: Iterable[Fact]) -> str:
    in_hand = disputed = broken = False
    in_time = [fact for fact in facts if fact.occurred_at is not None and fact.occurred_at <= due]
    for fact in sorted(in_time, key=_rank):
        if fact.status == "canceled":
            return "cancelled"
        if fact.status == "dispute-opened":
            disputed, broken = True, False
        elif fact.status == "dispute-resolved":
            disputed = False
        elif fact.status in _IN_HAND:
            in_hand = True
            broken = broken if fact.stock_ok is None else not fact.stock_ok
    if disputed:
        return "disputed"
    if not in_hand:
        return "silent"
    return "without stock" if broken else "validated"


def _rank(fact: Fact) -> tuple[datetime, int, bool]:
    """At the same time the worse report counts, and a dispute comes before its resolution."""
    assert fact.occurred_at is not None
    rank = {"dispute-opened": 1, "dispute-resolved": 2}.get(fact.status or "", 0)
    return fact.occurred_at, rank, fact.stock_ok is False


def _late(due: datetime, facts: Iterable[Fact]) -> set[str]:
    return {f.status for f in facts if f.status and f.occurred_at and f.occurred_at > due}
