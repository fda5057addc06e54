"""What an outside judge expects of an order, from nothing but what was published.

Written from the marketplace's article and the promises in README.md; it imports nothing of the
worker. Where a fact was published so close to the verdict that a correct worker may or may not
have known it, every course of events is followed and every ending is allowed; nothing else is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, combinations

AUTO_CANCEL = "auto-cancel stock-not-validated"
WITHOUT_STOCK = "escalation handling-without-stock"
DISPUTE_OPEN = "escalation dispute-open"
UNREADABLE = "escalation unreadable-evidence"
EVIDENCE_INCOMPLETE = "escalation evidence-incomplete"
POLICY = "escalation policy"
FACTS_MISSING = "escalation facts-missing"
BEFORE_ADOPTION = "escalation before-adoption"
HANDLED_LATE = "escalation handled-after-deadline"
LATE_DISPUTE = "escalation late-dispute"
CONTRADICTORY = "escalation contradictory-acts"
UNKNOWN = "escalation unknown-status"
CONFLICTING = "escalation conflicting-orders"
ENTERED_LATE = "escalation entered-late"
HOLD_EXPIRED = "escalation hold-expired"

HANDLING = ("start-handling", "handling", "ready-for-invoicing", "invoice", "invoiced", "shipped",
            "delivered")  # fmt: skip
DISPUTES = ("dispute-opened", "dispute-resolved")
# Nobody disputes an order that is not handled.
IMPLIES_HANDLING = HANDLING + DISPUTES
# Words that are in no table.
STRANGE = ("aceptado", "listo")


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
class Astray:
    """A record of the order's own partition that has to be refused, and names no known order."""


@dataclass(frozen=True)
class Retold:
    """An order-created of the same order that names another seller."""


@dataclass(frozen=True)
class Amended:
    """An order-created of the same order by which another policy would decide about silence."""


Fact = Act | Unreadable | Astray | Retold | Amended


@dataclass(frozen=True)
class Published:
    """A fact in the log: where it stands, when it was sent and when the broker had it."""

    fact: Fact
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
    # The verdict of a silent order that nothing else is known of.
    on_silence: str | None = AUTO_CANCEL
    # When a cancelled order came alive again: what happened before is of an earlier cycle.
    opened_at: datetime | None = None
    # We cancelled it before that, and nobody took that back.
    cancelled_before: bool = False
    # Its order-created came when it was over.
    entered_late: bool = False
    # When the installation began, and its verdict on an order that was over by then.
    adopted_at: datetime | None = None
    before_adoption: str | None = None
    # Held since then, and nobody releases it; it expires at this time.
    hold_expires: datetime | None = None

    @property
    def due(self) -> datetime:
        return self.entered_at + self.window

    @property
    def fires_at(self) -> datetime:
        lapses = self.due + self.grace
        return max(lapses, self.hold_expires) if self.hold_expires else lapses


@dataclass(frozen=True)
class OurCancel:
    """An auto-cancel of ours: its deadline, whether it was revoked, and the facts it had read."""

    due: datetime
    revoked: bool
    knew: frozenset[Fact]


def opened(
    entered_at: datetime, facts: Sequence[Published], ready: str, ours: Sequence[OurCancel]
) -> datetime | None:
    """When the order came alive again after it was last cancelled, once everything is known.

    ``None`` if it never was cancelled and alive again. An act that says ``ready`` opens it again.
    A cancellation that became known only after our auto-cancel carries that out.
    """
    acts = {one.fact for one in facts if isinstance(one.fact, Act)}
    standing = sorted((one for one in ours if not one.revoked), key=lambda one: one.due)
    opened_at = cancelled_at = by_us = None
    handled = False
    for act in sorted(acts, key=lambda act: (act.occurred_at, act.status == "canceled")):
        while standing and standing[0].due < act.occurred_at:
            one = standing.pop(0)
            if cancelled_at is None and not handled:
                cancelled_at, by_us = one.due, one
        if act.status == "canceled":
            carried_out = any(act.occurred_at <= o.due and act not in o.knew for o in ours)
            if not carried_out and act.occurred_at >= entered_at:
                cancelled_at = max(act.occurred_at, cancelled_at or act.occurred_at)
        elif cancelled_at is None:
            handled = handled or act.status in IMPLIES_HANDLING
        elif (
            act.status in (ready, "ready-for-handling", "order-created")
            and act.occurred_at > cancelled_at
            and (by_us is None or act not in by_us.knew)
        ):
            opened_at, cancelled_at, by_us, handled = act.occurred_at, None, None, False
    return opened_at


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
                follow(known | arrived, _again(terms, facts, known | arrived, arrived, so_far))

    for optional in _subsets(everything - must - cannot):
        known = frozenset(must) | optional
        if _in_log_order(facts, known, everything):
            follow(known, _first(terms, _facts(facts, known)))
    return Expected(frozenset(endings))


@dataclass(frozen=True)
class _Standing:
    said_in_time: str | None
    verdict: str | None
    follow_ups: tuple[str, ...]
    told: tuple[str, ...]
    # Facts that became known only after our auto-cancel, and are no evidence against it.
    ignored: frozenset[int] = frozenset()

    @property
    def standing(self) -> list[str]:
        return ([self.verdict] if self.verdict else []) + list(self.follow_ups)


def _first(terms: Terms, known: list[Fact]) -> _Standing:
    said, verdict = _adopted(terms, *_table(terms, known))
    told = (verdict,) if verdict else ()
    return _follow_up(terms, known, known, _Standing(said, verdict, (), told))


def _again(
    terms: Terms,
    facts: Sequence[Published],
    indices: frozenset[int],
    arrived: frozenset[int],
    before: _Standing,
) -> _Standing:
    ignored = before.ignored
    if AUTO_CANCEL in before.told:
        # The cancellation that we asked for, or a word that nobody understands.
        ignored |= {i for i in arrived if _explains_nothing(terms, facts[i].fact)}
    known, everything = _facts(facts, indices - ignored), _facts(facts, indices)
    said, verdict = _table(terms, known)
    if not before.told:
        said, verdict = _adopted(terms, said, verdict)
    before = replace(before, ignored=ignored)
    if said == before.said_in_time:
        # What happened after `due` takes nothing back.
        return _follow_up(terms, known, everything, before)
    if verdict == before.verdict:
        return _follow_up(terms, known, everything, replace(before, said_in_time=said))
    apart = (LATE_DISPUTE, HANDLED_LATE) if terms.cancelled_before else (LATE_DISPUTE,)
    kept = tuple(told for told in before.follow_ups if told in apart)
    told = list(before.told)
    told += [f"revoked {before.verdict}"] if before.verdict else []
    told += [f"revoked {one}" for one in before.follow_ups if one not in kept]
    told += [verdict] if verdict else []
    corrected = _Standing(said, verdict, kept, tuple(told), ignored)
    return _follow_up(terms, known, everything, corrected)


def _explains_nothing(terms: Terms, fact: Fact) -> bool:
    if not isinstance(fact, Act):
        return isinstance(fact, Retold | Amended | Astray)
    in_time = fact.occurred_at <= terms.due
    return in_time and (fact.status == "canceled" or fact.status in STRANGE)


def _follow_up(
    terms: Terms, known: list[Fact], everything: list[Fact], now: _Standing
) -> _Standing:
    """The second table: what becomes known after the verdict, each told once."""
    recent = [fact for fact in _late(terms, known) if _since_adoption(terms, fact)]
    late = {fact.status for fact in recent}
    found = []
    if terms.cancelled_before and any(
        isinstance(fact, Act) and fact.status in HANDLING for fact in everything
    ):
        found.append(HANDLED_LATE)
    if now.verdict == AUTO_CANCEL:
        # A dispute that was opened is told as a late one.
        late_handling = late.intersection((*HANDLING, "dispute-resolved"))
        if late_handling and HANDLED_LATE not in found:
            found.append(HANDLED_LATE)
        if len(everything) > len(known) and any(
            isinstance(fact, Act) and fact.status in STRANGE and fact.occurred_at <= terms.due
            for fact in everything
            if fact not in known
        ):
            found.append(UNKNOWN)
    elif now.verdict not in (CONTRADICTORY, HANDLED_LATE) and now.said_in_time not in (
        "kept", "contradictory", "cancelled",
    ):  # fmt: skip
        cancels = [fact.occurred_at for fact in recent if fact.status == "canceled"]
        if cancels and _handled_after(known, min(cancels)):
            found.append(CONTRADICTORY)
    if "dispute-opened" in late:
        found.append(LATE_DISPUTE)
    new = tuple(one for one in found if one not in now.follow_ups and one != now.verdict)
    return replace(now, follow_ups=now.follow_ups + new, told=now.told + new)


def _table(terms: Terms, known: list[Fact]) -> tuple[str, str | None]:
    """The first table: what the acts in time say, and the verdict."""
    said = _said_in_time(terms, known)
    if said in ("cancelled", "kept"):
        return said, None
    if said == "contradictory":
        return said, CONTRADICTORY
    if said == "disputed":
        return said, DISPUTE_OPEN
    if said == "conflicting" and not _cancelled_late(terms, known):
        return said, CONFLICTING
    late = {fact.status for fact in _late(terms, known)}
    if "canceled" in late:
        first = min(fact.occurred_at for fact in _late(terms, known) if fact.status == "canceled")
        return said, CONTRADICTORY if _handled_after(known, first) else None
    if said == "without stock":
        return said, WITHOUT_STOCK
    if late.intersection(IMPLIES_HANDLING) and terms.on_silence is not None:
        return said, HANDLED_LATE
    if any(isinstance(fact, Unreadable | Astray) for fact in known):
        return said, UNREADABLE
    if not terms.logs_reach_back:
        return said, EVIDENCE_INCOMPLETE
    if said == "obscure":
        return said, UNKNOWN
    if any(isinstance(fact, Amended) for fact in known):
        return said, CONFLICTING
    if terms.entered_late:
        return said, ENTERED_LATE
    if terms.hold_expires is not None and terms.on_silence != FACTS_MISSING:
        return said, HOLD_EXPIRED
    return said, terms.on_silence


def _adopted(terms: Terms, said: str, verdict: str | None) -> tuple[str, str | None]:
    """An order that was over before there was a worker gets no verdict of its own."""
    if verdict and terms.adopted_at and terms.due < terms.adopted_at:
        return said, terms.before_adoption
    return said, verdict


def _cancelled_late(terms: Terms, known: list[Fact]) -> bool:
    return any(fact.status == "canceled" for fact in _late(terms, known))


def _handled_after(known: list[Fact], at: datetime) -> bool:
    return any(
        isinstance(fact, Act) and fact.status in HANDLING and fact.occurred_at > at
        for fact in known
    )


def _said_in_time(terms: Terms, known: list[Fact]) -> str:
    handled = open_dispute = obscure = False
    bad_since: datetime | None = None
    told = [fact for fact in known if isinstance(fact, Act) and fact.occurred_at <= terms.due]
    # At one instant: a good report before a bad one, a dispute before its resolution.
    weight = {"dispute-opened": 2, "dispute-resolved": 3}
    told.sort(key=lambda a: (a.occurred_at, weight.get(a.status, 0), a.stock_ok is False))
    for act in told:
        if act.status == "canceled":
            if act.occurred_at >= terms.entered_at:
                after = _handled_after(known, act.occurred_at)
                return "contradictory" if after else "cancelled"
        elif act.status in STRANGE:
            obscure = True
        elif act.status in IMPLIES_HANDLING:
            handled = True
            if act.status == "dispute-opened":
                open_dispute, bad_since = True, None
            elif act.status == "dispute-resolved":
                open_dispute = False
            if act.status in HANDLING and act.stock_ok is not None:
                bad_since = None if act.stock_ok else act.occurred_at
    if open_dispute:
        return "disputed"
    if any(isinstance(fact, Retold) for fact in known):
        return "conflicting"
    if not handled:
        return "obscure" if obscure else "nothing"
    return "without stock" if bad_since is not None else "kept"


def _late(terms: Terms, known: list[Fact]) -> Iterator[Act]:
    return (fact for fact in known if isinstance(fact, Act) and fact.occurred_at > terms.due)


def _since_adoption(terms: Terms, fact: Act) -> bool:
    return terms.adopted_at is None or fact.occurred_at >= terms.adopted_at


def _facts(facts: Sequence[Published], known: frozenset[int]) -> list[Fact]:
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
