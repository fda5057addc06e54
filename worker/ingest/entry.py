"""The terms with which an order enters: its deadline, and the doubts that it brings along."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from schemas.statuses import Meaning
from worker.domain.acts import ORDER_CREATED
from worker.domain.case import Reason
from worker.domain.policy import Facts, Policies, Policy, Terms, told_due

_NO_CLOCK: Terms = (None, None, None, 0, None)


class EnteringOrder(Protocol):
    """The facts of an order that decide its terms; :class:`OrderCreated` has them."""

    @property
    def seller_id(self) -> str: ...
    @property
    def fulfilment(self) -> str: ...
    @property
    def entered_at(self) -> datetime: ...
    @property
    def total(self) -> str | None: ...
    @property
    def currency(self) -> str | None: ...
    @property
    def labels(self) -> dict[str, str] | None: ...
    @property
    def due(self) -> datetime | None: ...


class Entry:
    """Gives orders their terms, by the policies in force.

    An order-created that arrives with less than ``least_window`` left of its window enters late;
    ``None`` is never. With ``keep_bodies`` records are stored whole.
    """

    def __init__(
        self,
        policies: Policies,
        orders_topic: str = "",
        least_window: timedelta | None = None,
        *,
        keep_bodies: bool = False,
    ) -> None:
        self.keep_bodies = keep_bodies
        self.orders_topic = orders_topic
        self._policies = policies
        self.least_window = least_window
        self._known = policies.vocabulary.known
        # The statuses that start or stop a clock.
        self.clocks = policies.clocks | policies.stops

    @property
    def policy_of_all(self) -> Policy | None:
        """The policy of every order, if a deadline is so long after the order and no more to it."""
        only = self._policies.only
        if only is None or only.clock != ORDER_CREATED or only.calendar is not None:
            return None
        return only

    def meaning(self, status: str) -> Meaning:
        """The meaning of a normalised status; a clock is never unknown.

        An unknown one is, even where verdicts ignore it: it must leave a trace.
        """
        found = self._known.get(status)
        if found is not None:
            return found
        return Meaning.NOTHING if status in self.clocks else Meaning.UNKNOWN

    def terms(
        self, event: EnteringOrder, timestamp: datetime, now: datetime
    ) -> tuple[Terms, str | None]:
        """The terms of an order that is read ``now``, and the doubt that forbids an auto-cancel.

        ``timestamp`` is that of its record.

        Raises:
            OverflowError: as :meth:`Policy.due`.
        """
        policy, doubt, told = self._policies.only, None, None
        if policy is None:
            facts = facts_of(event)
            told = facts.due
            policy = self._policies.choose(facts)
            if self._policies.lacks(facts):
                doubt = Reason.FACTS_MISSING.value
        if policy.clock != ORDER_CREATED:
            return _NO_CLOCK, doubt
        terms = policy.terms(event.entered_at, told)
        if self.least_window is not None:
            # When it came into the log: a worker that was away makes no order late.
            arrived = min(timestamp, now)
            assert terms[0] is not None
            if arrived > terms[0] - self.least_window:
                doubt = Reason.ENTERED_LATE.value
        return terms, doubt


def facts_of(event: EnteringOrder) -> Facts:
    """The facts of an order by which its policy is chosen."""
    total = None if event.total is None else Decimal(event.total)
    told = told_due(event.entered_at, event.due)
    return Facts(event.seller_id, event.fulfilment, total, event.currency, event.labels or {}, told)
