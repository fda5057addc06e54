"""Policies: the deadline of an order, and the consequence when it lapses."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from schemas.statuses import Vocabulary
from worker.domain.acts import ORDER_CREATED
from worker.domain.calendar import SEARCHED, Calendar


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

    With a calendar the window is working time. ``version`` is 0 for the policy of the settings.
    """

    name: str
    window: timedelta
    grace: timedelta
    at_lapse: AtLapse = AtLapse.AUTO_CANCEL
    version: int = 0
    # The status that starts the clock.
    clock: str = ORDER_CREATED
    # The statuses that stop it until it starts again.
    stops: frozenset[str] = frozenset()
    calendar: Calendar | None = None
    cut_off: CutOff | None = None
    dispute: Dispute = field(default=Dispute())
    # Durations before the deadline at which a silent seller is reminded.
    reminders: tuple[timedelta, ...] = ()
    # The terms as given, in JSON: different terms need different versions.
    source: str = ""

    def due(self, started_at: datetime) -> datetime:
        """The deadline, itself still in time.

        Raises:
            OverflowError: the calendar has too little working time.
        """
        if self.calendar is None:
            return started_at + self.window
        if self.cut_off is not None:
            return self.calendar.next_cut_off(started_at, self.cut_off.until, self.cut_off.by)
        return self.calendar.add(started_at, self.window)

    def fires_at(self, due: datetime) -> datetime:
        """The earliest time of a verdict.

        Raises:
            OverflowError: as for :meth:`due`.
        """
        return due + self.grace

    def terms(self, started_at: datetime) -> "Terms":
        """The terms of an order whose clock started at that time; they stay with the order.

        Raises:
            OverflowError: as for :meth:`due`.
        """
        due = self.due(started_at)
        return due, self.fires_at(due), self.name, self.version, self.at_lapse


# due, fires_at, policy, its version, at_lapse; only the version is set before the clock starts.
Terms = tuple[datetime | None, datetime | None, str | None, int, str | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that a rule matches on. ``total`` and ``currency`` are ``None`` if missing."""

    seller_id: str
    fulfilment: str
    total: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Match:
    """The orders of a rule: every condition that is given must hold."""

    sellers: frozenset[str] | None = None
    fulfilment: str | None = None
    currency: str | None = None
    at_least: Decimal | None = None
    below: Decimal | None = None

    def refuses(self, facts: Facts) -> str | None:
        """The first condition that fails, in words; ``None`` if all hold."""
        return next(self._obstacles(facts), None)

    @property
    def everything(self) -> bool:
        """Whether it matches every order."""
        return self == Match()

    def _obstacles(self, facts: Facts) -> Iterator[str]:
        if self.sellers is not None and facts.seller_id not in self.sellers:
            yield f"seller {facts.seller_id} is not among its {len(self.sellers)}"
        if self.fulfilment is not None and facts.fulfilment != self.fulfilment:
            yield f"fulfilment is {facts.fulfilment}, not {self.fulfilment}"
        if self.currency is not None and facts.currency != self.currency:
            yield f"currency is {facts.currency or 'not given'}, not {self.currency}"
        if self.at_least is None and self.below is None:
            return
        if facts.total is None:
            yield "the order has no total"
        elif self.at_least is not None and facts.total < self.at_least:
            yield f"total {facts.total} is below {self.at_least}"
        elif self.below is not None and facts.total >= self.below:
            yield f"total {facts.total} is not below {self.below}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Terms, and the orders to which they apply."""

    match: Match
    policy: Policy


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
        """Whether a rule before that of the order needs a fact that the order does not tell."""
        return False

    def named(self, name: str, version: int) -> Policy | None:
        """The policy of this name and version."""
        return self._by_name.get((name, version))

    @cached_property
    def _by_name(self) -> dict[tuple[str, int], Policy]:
        return {(rule.policy.name, rule.policy.version): rule.policy for rule in self.rules}

    @cached_property
    def only(self) -> Policy | None:
        """The policy of every order, if there is only one."""
        return self.rules[0].policy if self.rules[0].match.everything else None

    @cached_property
    def longest(self) -> timedelta:
        """Upper bound from the start of a clock to its verdict, before any extension."""
        policies = [rule.policy for rule in self.rules]
        return max(
            policy.grace + (SEARCHED if policy.calendar else policy.window) for policy in policies
        )

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
