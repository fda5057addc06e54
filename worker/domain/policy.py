"""Policies: the deadline of an order, and the consequence when it lapses."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from schemas.statuses import Meaning, Vocabulary
from worker.domain.acts import ORDER_CREATED
from worker.domain.calendar import SEARCHED, Calendar

# A deadline that an order tells may lie this far behind its entry.
LONGEST_TOLD = timedelta(days=365)


class AtLapse(StrEnum):
    """The verdict on a silent order at its deadline."""

    AUTO_CANCEL = "auto-cancel"
    ESCALATE = "escalate"  # a person decides
    NONE = "none"  # no verdict


@dataclass(frozen=True, slots=True)
class CutOff:
    """Orders up to ``until`` on a working day are due at ``by``; minutes from midnight."""

    until: int
    by: int


@dataclass(frozen=True, slots=True)
class Dispute:
    """The fields of the dispute form that an auto-cancel fills in."""

    type: str = "CS"
    text: str = "Stock break: the seller did not validate stock in time."


@dataclass(frozen=True, slots=True)
class Policy:
    """The terms an order gets when its clock starts; they stay with it.

    With a calendar the window is working time; ``working_days`` take its place. ``told``: the
    deadline is the one that the order tells, and the window serves orders that tell none.
    ``version`` is 0 for the policy of the settings.
    """

    name: str
    window: timedelta
    grace: timedelta
    at_lapse: AtLapse = AtLapse.AUTO_CANCEL
    version: int = 0
    # The status that starts the clock, normalised.
    clock: str = ORDER_CREATED
    # The statuses that stop it until it starts again, normalised.
    stops: frozenset[str] = frozenset()
    calendar: Calendar | None = None
    cut_off: CutOff | None = None
    working_days: int = 0
    told: bool = False
    dispute: Dispute = field(default=Dispute())
    # Durations before the deadline at which a silent seller is reminded; working time if
    # there is a calendar.
    reminders: tuple[timedelta, ...] = ()
    # The terms as given, in JSON: different terms need different versions.
    source: str = ""

    def due(self, started_at: datetime, told: datetime | None = None) -> datetime:
        """The deadline, itself still in time. ``told`` is :attr:`Facts.due` of the order.

        Raises:
            OverflowError: the calendar has too little working time.
        """
        if self.told and told is not None and told > started_at:
            return told
        if self.calendar is None:
            return started_at + self.window
        if self.cut_off is not None:
            return self.calendar.next_cut_off(started_at, self.cut_off.until, self.cut_off.by)
        if self.working_days:
            return self.calendar.add_days(started_at, self.working_days)
        return self.calendar.add(started_at, self.window)

    def fires_at(self, due: datetime) -> datetime:
        """The earliest time of a verdict.

        Raises:
            OverflowError: as for :meth:`due`.
        """
        return due + self.grace

    def terms(self, started_at: datetime, told: datetime | None = None) -> "Terms":
        """The terms of an order whose clock started at that time; they stay with the order.

        Raises:
            OverflowError: as for :meth:`due`.
        """
        due = self.due(started_at, told)
        return due, self.fires_at(due), self.name, self.version, self.at_lapse


# due, fires_at, policy, its version, at_lapse; only the version is set before the clock starts.
Terms = tuple[datetime | None, datetime | None, str | None, int, str | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that a rule matches on. ``total`` and ``currency`` are ``None`` if missing.

    ``due`` is the deadline that the order tells, see :func:`told_due`.
    """

    seller_id: str
    fulfilment: str
    total: Decimal | None
    currency: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    due: datetime | None = None


def told_due(entered_at: datetime, due: datetime | None) -> datetime | None:
    """The deadline that an order tells, ``None`` unless it can be one."""
    plausible = due is not None and timedelta(0) < due - entered_at <= LONGEST_TOLD
    return due if plausible else None


def fold(text: str) -> str:
    """A text as rules compare it: without blanks around it and without regard to case."""
    return text.strip().casefold()


@dataclass(frozen=True, slots=True)
class Match:
    """The orders of a rule: every condition that is given must hold.

    Sellers, fulfilment and labels (pairs of name and value) are given as :func:`fold` writes them.
    """

    sellers: frozenset[str] | None = None
    fulfilment: str | None = None
    currency: str | None = None
    at_least: Decimal | None = None
    below: Decimal | None = None
    labels: tuple[tuple[str, str], ...] = ()

    def refuses(self, facts: Facts) -> str | None:
        """The first condition that fails, in words; ``None`` if all hold."""
        return next((obstacle for obstacle, _ in self._obstacles(facts)), None)

    def lacks(self, facts: Facts) -> bool:
        """Whether it fails only because of facts that the order does not tell."""
        missing = [missing for _, missing in self._obstacles(facts)]
        return bool(missing) and all(missing)

    @property
    def everything(self) -> bool:
        """Whether it matches every order."""
        return self == Match()

    def _obstacles(self, facts: Facts) -> Iterator[tuple[str, bool]]:
        """Each condition that fails, in words, and whether the order does not tell the fact."""
        if self.sellers is not None and fold(facts.seller_id) not in self.sellers:
            yield f"seller {facts.seller_id} is not among its {len(self.sellers)}", False
        if self.fulfilment is not None and fold(facts.fulfilment) != self.fulfilment:
            yield f"fulfilment is {facts.fulfilment}, not {self.fulfilment}", False
        yield from self._unlabelled(facts)
        if self.currency is not None and facts.currency != self.currency:
            told = facts.currency is not None
            yield f"currency is {facts.currency or 'not given'}, not {self.currency}", not told
        if self.at_least is None and self.below is None:
            return
        if facts.total is None:
            yield "the order has no total", True
        elif self.at_least is not None and facts.total < self.at_least:
            yield f"total {facts.total} is below {self.at_least}", False
        elif self.below is not None and facts.total >= self.below:
            yield f"total {facts.total} is not below {self.below}", False

    def _unlabelled(self, facts: Facts) -> Iterator[tuple[str, bool]]:
        if self.labels:
            labels = {fold(name): fold(value) for name, value in facts.labels.items()}
            for name, value in self.labels:
                if labels.get(name) != value:
                    yield f"label {name} is {labels.get(name, 'not given')}, not {value}", False


@dataclass(frozen=True, slots=True)
class Rule:
    """Terms, and the orders to which they apply.

    ``needs_facts``: an order that this rule misses only for want of a fact is in doubt.
    ``needs_due``: so is an order of this rule that tells no deadline.
    """

    match: Match
    policy: Policy
    needs_facts: bool = True
    needs_due: bool = False


@dataclass(frozen=True)
class Policies:
    """The rules in their order: the first match counts, and the last rule matches all."""

    rules: tuple[Rule, ...]
    vocabulary: Vocabulary = field(default_factory=Vocabulary)

    @classmethod
    def of(cls, policy: Policy) -> "Policies":
        """One policy for every order."""
        return cls((Rule(Match(), policy),))

    def choose(self, facts: Facts) -> Policy:
        """The policy of an order."""
        return next(rule.policy for rule in self.rules if rule.match.refuses(facts) is None)

    def lacks(self, facts: Facts) -> bool:
        """Whether the order does not tell a fact that its rule, or one before it, needs."""
        for rule in self.rules:
            if rule.match.refuses(facts) is None:
                return rule.needs_due and facts.due is None
            if rule.needs_facts and rule.match.lacks(facts):
                return True
        return False

    def reminds_at(
        self, policy: str, version: int, due: datetime, reminders: Iterable[timedelta]
    ) -> Collection[datetime]:
        """The times of the reminders of an order of that policy, in working time if it has any.

        A policy that is no longer in force has left no calendar: its reminders are in clock time.
        """
        named = self.named(policy, version)
        return set(_before(due, reminders, named.calendar if named else None))

    def named(self, name: str, version: int) -> Policy | None:
        """The policy of this name and version."""
        return self._by_name.get((name, version))

    @cached_property
    def _by_name(self) -> dict[tuple[str, int], Policy]:
        return {(rule.policy.name, rule.policy.version): rule.policy for rule in self.rules}

    @cached_property
    def only(self) -> Policy | None:
        """The policy of every order, if there is only one and it needs no fact."""
        first = self.rules[0]
        return first.policy if first.match.everything and not first.policy.told else None

    @cached_property
    def longest(self) -> timedelta:
        """Upper bound from the start of a clock to its verdict, before any extension."""
        return max(rule.policy.grace + _longest(rule.policy) for rule in self.rules)

    @cached_property
    def sellers(self) -> frozenset[str]:
        """The sellers that any rule names, as :func:`fold` writes them."""
        return frozenset().union(*(rule.match.sellers or () for rule in self.rules))

    @cached_property
    def reminds(self) -> bool:
        """Whether any policy has reminders."""
        return any(rule.policy.reminders for rule in self.rules)

    @cached_property
    def clocks(self) -> frozenset[str]:
        """The statuses that start a clock, except order-created."""
        return frozenset(rule.policy.clock for rule in self.rules) - {ORDER_CREATED}

    @cached_property
    def stops(self) -> frozenset[str]:
        """The statuses that stop a clock."""
        return frozenset().union(*(rule.policy.stops for rule in self.rules))

    @cached_property
    def telling(self) -> frozenset[str]:
        """The statuses that can affect a verdict or a clock."""
        return self.vocabulary.telling | self.clocks | self.stops

    def meaning(self, status: str) -> Meaning:
        """The meaning of a normalised status: one that only a clock knows says nothing else."""
        meaning = self.vocabulary.meaning(status)
        known = meaning != Meaning.UNKNOWN or status not in self.telling
        return meaning if known else Meaning.NOTHING

    @cached_property
    def mere_clocks(self) -> list[str]:
        """The statuses that start a clock and do nothing else."""
        harmless = Meaning.READY, Meaning.NOTHING
        return sorted(s for s in self.clocks - self.stops if self.meaning(s) in harmless)

    def words(self, *meanings: Meaning) -> list[str]:
        """The known statuses with one of these meanings that neither start nor stop a clock."""
        known = self.vocabulary.known.items()
        return sorted({s for s, meaning in known if meaning in meanings} - self.clocks - self.stops)


def _longest(policy: Policy) -> timedelta:
    window = SEARCHED if policy.calendar else policy.window
    return max(window, LONGEST_TOLD) if policy.told else window


def _before(
    due: datetime, reminders: Iterable[timedelta], calendar: Calendar | None
) -> Iterator[datetime]:
    for before in reminders:
        # Out of the reach of the calendar, it would come before the clock starts.
        with suppress(OverflowError):
            yield due - before if calendar is None else calendar.subtract(due, before)
