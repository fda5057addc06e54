"""The case of one order: everything known of it when a verdict is sought."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from worker.domain.acts import Act, Change, Place, Refusal
from worker.domain.policy import AtLapse, Dispute


class Finding(StrEnum):
    """What the acts in time say of an order."""

    VALIDATED = "validated"
    CANCELLED = "cancelled"
    CANCELLED_INCOMPLETE = "cancelled-incomplete-form"
    WITHOUT_STOCK = "without-stock"
    DISPUTED = "disputed"
    SILENT = "silent"


class Outcome(StrEnum):
    """Where an order stands once its deadline was decided."""

    KEPT = "kept"
    CANCELLED = "cancelled"
    CANCELLED_INCOMPLETE = "incomplete_form"
    CANCELLED_LATE = "cancelled_late"
    AUTO_CANCELLED = "auto_cancelled"
    ESCALATED = "escalated"


class Kind(StrEnum):
    """The events Plazo emits."""

    AUTO_CANCEL = "auto-cancel"
    ESCALATION = "escalation"
    REVOKED = "decision-revoked"
    REMINDER = "deadline-reminder"


class Reason(StrEnum):
    """Why a decision was made."""

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
    """An order as its order-created told it, with the terms that its policy gave it.

    ``due`` is in force, ``first_due`` what the clock gave; the verdict falls at ``fires_at``.
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


class Given(NamedTuple):
    """A decision already made for this order and not revoked since."""

    ordinal: int
    id: str
    kind: Kind
    reason: Reason
    sequence: int


class Case(NamedTuple):
    """All that is known of an order.

    ``changes`` are those of its deadline that count or were never looked at. ``finding`` is what
    the acts in time said when it was last decided, ``None`` before the first verdict. ``decided``
    counts the decisions ever made for it; ``standing`` holds those not revoked, oldest first.
    """

    order: Order
    acts: tuple[Act, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    finding: Finding | None = None
    decided: int = 0
    standing: tuple[Given, ...] = ()
    changes: tuple[Change, ...] = ()


class Decision(NamedTuple):
    """One event to emit. ``ordinal`` counts the order's decisions from 1."""

    ordinal: int
    kind: Kind
    reason: Reason
    revokes: Given | None = None


class Judgement(NamedTuple):
    """What follows from a case: where the order stands, and the events to emit, in order."""

    finding: Finding
    outcome: Outcome
    decisions: tuple[Decision, ...]
