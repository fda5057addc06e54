"""What an outside judge expects of an order, from nothing but what was published.

Written from the marketplace's article and the promises in README.md; it imports nothing of the
worker. Where a fact was published so close to the verdict that a correct worker may or may not
have known it, every course of events is followed and every ending is allowed; nothing else is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, combinations

AUTO_CANCEL = "auto-cancel stock-not-validated"
WITHOUT_STOCK = "escalation handling-without-stock"
DISPUTE_OPEN = "escalation dispute-open"
UNREADABLE = "escalation unreadable-evidence"
EVIDENCE_INCOMPLETE = "escalation evidence-incomplete"
POLICY = "escalation policy"
HANDLED_LATE = "escalation handled-after-deadline"
LATE_DISPUTE = "escalation late-dispute"

IMPLIES_HANDLING = ("start-handling", "handling", "ready-for-invoicing", "invoice", "invoiced")


@dataclass(frozen=True)
class Act:
    """A readable status change. ``stock_ok`` is None where its validation says nothing."""

    status: str
    occurred_at: datetime
    stock_ok: bool | None = None


@dataclass(frozen=True)
class Unreadable:
    """A record that names the order and has to be refused."""


@dataclass(frozen=True)
class Published:
    """A fact in the log: where it stands, when it was sent and when the broker had it."""

    fact: Act | Unreadable
    sent_at: datetime
    stored_at: datetime
    topic: str = "status"
    partition: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Ending:
    """What was ever told of an order, and what still stands of it."""

    told: tuple[str, ...]
    standing: frozenset[str]


@dataclass(frozen=True)
class Expected:
    """Every ending a correct worker may come to."""

    endings: frozenset[Ending]

    @property
    def certain(self) -> bool:
        """Whether only one set of verdicts may stand in the end."""
        return len({ending.standing for ending in self.endings}) == 1

    @property
    def speaks(self) -> bool:
        """Whether the order must get a verdict."""
        return all(ending.told for ending in self.endings)

    @property
    def may_cancel(self) -> bool:
        """Whether any course of events has an auto-cancel in it."""
        return any(AUTO_CANCEL in ending.told for ending in self.endings)


@dataclass(frozen=True)
class Terms:
    """What an order is judged by."""

    entered_at: datetime
    window: timedelta
    grace: timedelta
    logs_reach_back: bool = True
    person_decides: bool = False

    @property
    def due(self) -> datetime:
        return self.entered_at + self.window

    @property
    def fires_at(self) -> datetime:
        return self.due + self.grace


def expected(
    terms: Terms, facts: Sequence[Published], verdict_seen_at: datetime | None = None
) -> Expected:
    """Follow every course of events.

    A fact that was stored before the verdict could fall must be known to it; one that was sent
    after the verdict was read cannot have been; any other may or may not.
    """
    everything = frozenset(range(len(facts)))
    must = {i for i in everything if facts[i].stored_at < terms.fires_at}
    cannot = {
        i for i in everything if verdict_seen_at is not None and facts[i].sent_at > verdict_seen_at
    }
    endings: set[Ending] = set()
    seen: set[tuple[frozenset[int], _Standing]] = set()

    def follow(known: frozenset[int], so_far: _Standing) -> None:
        if (known, so_far) in seen:
            return
        seen.add((known, so_far))
        if known == everything:
            endings.add(Ending(tuple(sorted(so_far.told)), frozenset(so_far.standing)))
            return
        for arrived in _subsets(everything - known):
            if arrived and _in_log_order(facts, known | arrived, everything):
                now_known = known | arrived
                follow(now_known, _again(terms, _facts(facts, now_known), so_far))

    for optional in _subsets(everything - must - cannot):
        known = frozenset(must) | optional
        if _in_log_order(facts, known, everything):
            follow(known, _first(terms, _facts(facts, known)))
    return Expected(frozenset(endings))


@dataclass(frozen=True)
class _Standing:
    said_in_time: str | None
    verdict: str | None
    handled_late: bool
    late_dispute: bool
    told: tuple[str, ...]

    @property
    def standing(self) -> list[str]:
        follow_ups = [HANDLED_LATE] * self.handled_late + [LATE_DISPUTE] * self.late_dispute
        return ([self.verdict] if self.verdict else []) + follow_ups


def _first(terms: Terms, known: list[Act | Unreadable]) -> _Standing:
    said, verdict = _table(terms, known)
    told = (verdict,) if verdict else ()
    return _follow_up(terms, known, _Standing(said, verdict, False, False, told))


def _again(terms: Terms, known: list[Act | Unreadable], before: _Standing) -> _Standing:
    said, verdict = _table(terms, known)
    if said == before.said_in_time:
        # What happened after `due` takes nothing back.
        return _follow_up(terms, known, before)
    if verdict == before.verdict:
        kept = _Standing(said, verdict, before.handled_late, before.late_dispute, before.told)
        return _follow_up(terms, known, kept)
    told = list(before.told)
    told += [f"revoked {before.verdict}"] if before.verdict else []
    told += [f"revoked {HANDLED_LATE}"] if before.handled_late else []
    told += [verdict] if verdict else []
    corrected = _Standing(said, verdict, False, before.late_dispute, tuple(told))
    return _follow_up(terms, known, corrected)


def _follow_up(terms: Terms, known: list[Act | Unreadable], now: _Standing) -> _Standing:
    """The second table: acts after `due`, each told once."""
    late = {fact.status for fact in _late(terms, known)}
    told = now.told
    handled_late, late_dispute = now.handled_late, now.late_dispute
    if now.verdict == AUTO_CANCEL and late.intersection(IMPLIES_HANDLING) and not handled_late:
        handled_late, told = True, (*told, HANDLED_LATE)
    if "dispute-opened" in late and not late_dispute:
        late_dispute, told = True, (*told, LATE_DISPUTE)
    return _Standing(now.said_in_time, now.verdict, handled_late, late_dispute, told)


def _table(terms: Terms, known: list[Act | Unreadable]) -> tuple[str, str | None]:
    """The first table: what the acts in time say, and the verdict."""
    said = _said_in_time(terms, known)
    if said in ("cancelled", "kept"):
        return said, None
    if said == "disputed":
        return said, DISPUTE_OPEN
    late = {fact.status for fact in _late(terms, known)}
    if "canceled" in late:
        return said, None
    if said == "without stock":
        return said, WITHOUT_STOCK
    if late.intersection(IMPLIES_HANDLING):
        return said, HANDLED_LATE
    if any(isinstance(fact, Unreadable) for fact in known):
        return said, UNREADABLE
    if not terms.logs_reach_back:
        return said, EVIDENCE_INCOMPLETE
    return said, POLICY if terms.person_decides else AUTO_CANCEL


def _said_in_time(terms: Terms, known: list[Act | Unreadable]) -> str:
    handled = open_dispute = False
    bad_since: datetime | None = None
    told = [fact for fact in known if isinstance(fact, Act) and fact.occurred_at <= terms.due]
    # At one instant: a good report before a bad one, a dispute before its resolution.
    weight = {"dispute-opened": 2, "dispute-resolved": 3}
    told.sort(key=lambda a: (a.occurred_at, weight.get(a.status, 0), a.stock_ok is False))
    for act in told:
        if act.status == "canceled":
            return "cancelled"
        if act.status == "dispute-opened":
            open_dispute, bad_since = True, None
        elif act.status == "dispute-resolved":
            open_dispute = False
        elif act.status in IMPLIES_HANDLING:
            handled = True
            if act.stock_ok is not None:
                bad_since = None if act.stock_ok else act.occurred_at
    if open_dispute:
        return "disputed"
    if not handled:
        return "nothing"
    return "without stock" if bad_since is not None else "kept"


def _late(terms: Terms, known: list[Act | Unreadable]) -> Iterator[Act]:
    return (fact for fact in known if isinstance(fact, Act) and fact.occurred_at > terms.due)


def _facts(facts: Sequence[Published], known: frozenset[int]) -> list[Act | Unreadable]:
    return [facts[i].fact for i in sorted(known)]


def _subsets(of: frozenset[int]) -> Iterator[frozenset[int]]:
    members = sorted(of)
    sizes = range(len(members) + 1)
    return map(frozenset, chain.from_iterable(combinations(members, size) for size in sizes))


def _in_log_order(
    facts: Sequence[Published], known: frozenset[int], everything: frozenset[int]
) -> bool:
    """Nobody reads a record of a partition before those that stand before it."""
    return not any(
        (facts[i].topic, facts[i].partition) == (facts[j].topic, facts[j].partition)
        and facts[j].offset < facts[i].offset
        for i in known
        for j in everything - known
    )
