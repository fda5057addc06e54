"""The case of one order: all facts that a verdict considers."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from worker.domain.acts import Act, Change, Place, RefusedRecord
from worker.domain.policy import AtLapse, Dispute, Policy


class Finding(StrEnum):
    """The evidence of the acts in time."""

    VALIDATED = "validated"
    CANCELLED = "cancelled"
    CANCELLED_INCOMPLETE = "cancelled-incomplete-form"
    WITHOUT_STOCK = "without-stock"
    DISPUTED = "disputed"
    CONTRADICTORY = "contradictory"
    CONFLICTING = "conflicting"
    OBSCURE = "obscure"
    SILENT = "silent"


class Outcome(StrEnum):
    """The state of an order after its deadline was decided."""

    KEPT = "kept"
    CANCELLED = "cancelled"
    CANCELLED_INCOMPLETE = "incomplete_form"
    CANCELLED_LATE = "cancelled_late"
    # Cancelled by us, and the seller's form shows that the seller had cancelled in time.
    CANCELLED_BY_SELLER = "cancelled_by_seller"
    AUTO_CANCELLED = "auto_cancelled"
    ESCALATED = "escalated"
    # Silent, and its policy wants no verdict.
    LAPSED = "lapsed"
    # Over before this installation began.
    BEFORE_ADOPTION = "before-adoption"


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
    UNKNOWN_STATUS = "unknown-status"
    ENTERED_LATE = "entered-late"
    FACTS_MISSING = "facts-missing"
    CONFLICTING_ORDERS = "conflicting-orders"
    CONTRADICTORY_ACTS = "contradictory-acts"
    HOLD_EXPIRED = "hold-expired"
    BEFORE_ADOPTION = "before-adoption"
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
    time of the verdict. ``started_at`` is the start of its clock. ``doubt`` is why a person decides
    if the seller was silent.
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
    started_at: datetime | None = None
    doubt: Reason | None = None


class PriorDecision(NamedTuple):
    """A decision made for this order, ``due`` being the deadline of its verdict.

    ``read_to`` are the next offsets that had not been read, by topic and partition.
    """

    ordinal: int
    id: str
    kind: Kind
    reason: Reason
    sequence: int
    decided_at: datetime
    due: datetime
    read_to: Mapping[str, Sequence[int]]
    revoked: bool = False

    def knew(self, place: Place) -> bool:
        """Whether a record had taken effect when the decision was made.

        Times cannot tell: a worker may freeze between reading a record and storing it.
        """
        offsets = self.read_to.get(place.topic, ())
        return place.partition < len(offsets) and place.offset < offsets[place.partition]


class Version(NamedTuple):
    """An order-created that tells the order otherwise, with the policy it would have had."""

    place: Place
    received_at: datetime
    seller_id: str | None
    entered_at: datetime
    policy: Policy
    due: datetime


class Case(NamedTuple):
    """All facts about an order, of the cycle in force.

    ``changes`` are the deadline changes that count or were not considered yet. ``finding`` is that
    of the last verdict, ``None`` before the first of its cycle. ``decided`` counts all decisions
    made for the order. ``standing`` holds those not revoked, oldest first, and ``auto_cancels`` all
    auto-cancels ever issued. ``cancelled_before``: an auto-cancel of an earlier cycle is in force.
    ``versions`` tell the order otherwise than ``order``. ``hold_expired``: the order is on hold for
    longer than a hold may last. ``has_namesake``: acts are known under an id that differs from the
    order's in case only.

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
    auto_cancels: tuple[PriorDecision, ...] = ()
    cancelled_before: bool = False
    versions: tuple[Version, ...] = ()
    hold_expired: bool = False
    has_namesake: bool = False


class Limits(NamedTuple):
    """The limits of what is known.

    The logs of acts are complete from ``evidence_since`` on; ``None`` is from their beginning. The
    installation began at ``adopted_at``; ``None`` is before every order. A refused status change of
    ``astray_at`` or before may concern any order of its time.
    """

    evidence_since: datetime | None = None
    adopted_at: datetime | None = None
    # An order that was over before is escalated instead of kept.
    escalate_before_adoption: bool = False
    astray_at: datetime | None = None


class Decision(NamedTuple):
    """One event to publish. ``ordinal`` counts the decisions of the order from 1."""

    ordinal: int
    kind: Kind
    reason: Reason
    revokes: PriorDecision | None = None


class Judgement(NamedTuple):
    """The result of a case: the state of the order, and the events to publish, in order.

    Without ``finding`` and ``outcome`` the order is open: its verdict is still to come.
    """

    finding: Finding | None
    outcome: Outcome | None
    decisions: tuple[Decision, ...]
