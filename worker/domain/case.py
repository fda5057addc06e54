"""The case of one order: all facts that a verdict considers."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from worker.domain.acts import Act, Change, Place, RefusedRecord
from worker.domain.policy import AtLapse, Dispute


class Finding(StrEnum):
    """The evidence of the acts in time."""

    VALIDATED = "validated"
    CANCELLED = "cancelled"
    CANCELLED_INCOMPLETE = "cancelled-incomplete-form"
    WITHOUT_STOCK = "without-stock"
    DISPUTED = "disputed"
    SILENT = "silent"


class Outcome(StrEnum):
    """The state of an order after its deadline was decided."""

    KEPT = "kept"
    CANCELLED = "cancelled"
    CANCELLED_INCOMPLETE = "incomplete_form"
    CANCELLED_LATE = "cancelled_late"
    AUTO_CANCELLED = "auto_cancelled"
    ESCALATED = "escalated"


class Kind(StrEnum):
    """The kinds of events that Plazo publishes."""

    AUTO_CANCEL = "auto-cancel"
    ESCALATION = "escalation"
    REVOKED = "decision-revoked"
    REMINDER = "deadline-reminder"


class Reason(StrEnum):
    """The reason for a decision."""

    STOCK_NOT_VALIDATED = "stock-not-validated"
    HANDLING_WITHOUT_STOCK = "handling-without-stock"
    DISPUTE_OPEN = "dispute-open"
    UNREADABLE_EVIDENCE = "unreadable-evidence"
    EVIDENCE_INCOMPLETE = "evidence-incomplete"
    POLICY = "policy"
    MASS_CANCEL = "mass-cancel"
    HANDLED_AFTER_DEADLINE = "handled-after-deadline"
    LATE_DISPUTE = "late-dispute"
    CANCEL_UNCONFIRMED = "cancel-unconfirmed"
    LATE_EVIDENCE = "late-evidence"
    DEADLINE_APPROACHES = "deadline-approaches"


class Order(NamedTuple):
    """An order as its order-created states it, with the terms of its policy.

    ``due`` is the deadline in force, ``first_due`` the one that its clock gave. ``fires_at`` is the
    time of the verdict.
    """

    order_id: str
    seller_id: str
    fulfilment: str
    entered_at: datetime
    due: datetime
    policy: str
    at_lapse: AtLapse
    place: Place
    received_at: datetime
    policy_version: int = 0
    dispute: Dispute = Dispute()
    fires_at: datetime | None = None
    grace: timedelta = timedelta(0)
    first_due: datetime | None = None
    reminders: tuple[timedelta, ...] = ()


class PriorDecision(NamedTuple):
    """A decision made for this order and not revoked since."""

    ordinal: int
    id: str
    kind: Kind
    reason: Reason
    sequence: int


class Case(NamedTuple):
    """All facts about an order.

    ``changes`` are the deadline changes that count or were not considered yet. ``finding`` is that
    of the last decision, ``None`` before the first verdict. ``decided`` counts all decisions made
    for the order; ``standing`` holds those not revoked, oldest first.

    Of an order with very many acts or changes, the case holds those that a verdict can rest on:
    ``many_acts``, ``many_changes``. ``omitted`` is the number of those left out, once it is needed.
    ``more_changes``: others that no sweep has judged yet are left for the next one.
    """

    order: Order
    acts: tuple[Act, ...] = ()
    refusals: tuple[RefusedRecord, ...] = ()
    finding: Finding | None = None
    decided: int = 0
    standing: tuple[PriorDecision, ...] = ()
    changes: tuple[Change, ...] = ()
    many_acts: bool = False
    many_changes: bool = False
    more_changes: bool = False
    omitted: int = 0


class Decision(NamedTuple):
    """One event to publish. ``ordinal`` counts the decisions of the order from 1."""

    ordinal: int
    kind: Kind
    reason: Reason
    revokes: PriorDecision | None = None


class Judgement(NamedTuple):
    """The result of a case: the state of the order, and the events to publish, in order."""

    finding: Finding
    outcome: Outcome
    decisions: tuple[Decision, ...]
