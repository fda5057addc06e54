"""Policies: which deadline an order gets, and what happens when it lapses."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from worker.domain.acts import ORDER_CREATED
from worker.domain.calendar import SEARCHED, Calendar


class AtLapse(StrEnum):
    """What a silent order gets at its deadline."""

    AUTO_CANCEL = "auto-cancel"
    ESCALATE = "escalate"  # a person decides


@dataclass(frozen=True, slots=True)
class CutOff:
    """Orders until one time of a working day are due by another; minutes from midnight."""

    until: int
    by: int


@dataclass(frozen=True, slots=True)
class Dispute:
    """What an auto-cancel writes into the article's form."""

    type: str = "CS"
    text: str = "Stock break: the seller did not validate stock in time."


@dataclass(frozen=True, slots=True)
class Policy:
    """The terms an order gets when its clock starts; they stay with it.

    With a calendar the window is working time. ``version`` is 0 for the one that settings make.
    """

    name: str
    window: timedelta
    grace: timedelta
    at_lapse: AtLapse = AtLapse.AUTO_CANCEL
    version: int = 0
    # The status that starts the clock.
    clock: str = ORDER_CREATED
    calendar: Calendar | None = None
    cut_off: CutOff | None = None
    dispute: Dispute = field(default=Dispute())
    # How long before the deadline a silent seller is reminded.
    reminders: tuple[timedelta, ...] = ()
    # The terms as they were given, in JSON: two that differ are two versions.
    source: str = ""

    def due(self, started_at: datetime) -> datetime:
        """The last instant that counts as in time.

        Raises:
            OverflowError: the calendar ends before the window does.
        """
        if self.calendar is None:
            return started_at + self.window
        if self.cut_off is not None:
            return self.calendar.next_cut_off(started_at, self.cut_off.until, self.cut_off.by)
        return self.calendar.add(started_at, self.window)

    def fires_at(self, due: datetime) -> datetime:
        """The first instant at which a verdict may fall.

        Raises:
            OverflowError: as for :meth:`due`.
        """
        return due + self.grace


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule may look at. ``total`` and ``currency`` are ``None`` where the order has none."""

    seller_id: str
    fulfilment: str
    total: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Match:
    """Which orders a rule is for: all that is given has to hold."""

    sellers: frozenset[str] | None = None
    fulfilment: str | None = None
    currency: str | None = None
    at_least: Decimal | None = None
    below: Decimal | None = None

    def refuses(self, facts: Facts) -> str | None:
        """The first thing that does not hold, in words; ``None`` where all does."""
        return next(self._obstacles(facts), None)

    @property
    def everything(self) -> bool:
        """Whether it holds for every order."""
        return self == Match()

    def _obstacles(self, facts: Facts) -> Iterator[str]:
        if self.sellers is not None and facts.seller_id not in self.sellers:
            yield f"seller {facts.seller_id} is not among its {len(self.sellers)}"
        if self.fulfilment is not None and facts.fulfilment != self.fulfilment:
            yield f"fulfilment is {facts.fulfilment}, not {self.fulfilment}"
        if self.currency is not None and facts.currency != self.currency:
            yield f"currency is {facts.currency or 'not told'}, not {self.currency}"
        if self.at_least is None and self.below is None:
            return
        if facts.total is None:
            yield "the order tells no total"
        elif self.at_least is not None and facts.total < self.at_least:
            yield f"total {facts.total} is below {self.at_least}"
        elif self.below is not None and facts.total >= self.below:
            yield f"total {facts.total} is not below {self.below}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Terms, and the orders that they are for."""

    match: Match
    policy: Policy


@dataclass(frozen=True)
class Book:
    """The rules in their order; the first that matches counts, and the last matches all."""

    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, policy: Policy) -> "Book":
        """A book in which every order gets the same."""
        return cls((Rule(Match(), policy),))

    def choose(self, facts: Facts) -> Policy:
        """The terms of an order."""
        return next(rule.policy for rule in self.rules if rule.match.refuses(facts) is None)

    @cached_property
    def only(self) -> Policy | None:
        """The policy of every order, where there is but one."""
        return self.rules[0].policy if self.rules[0].match.everything else None

    @cached_property
    def longest(self) -> timedelta:
        """No deadline lies further than this behind the start of its clock."""
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
        """The statuses that start a clock, but for the order itself."""
        return frozenset(rule.policy.clock for rule in self.rules) - {ORDER_CREATED}
