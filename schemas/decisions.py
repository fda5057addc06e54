"""Output: the decisions Plazo publishes, each with the evidence it rests on.

Plazo writes these events and never reads them back through these models: they are the contract
for readers, the source of the JSON Schemas, and what the tests hold the output against. They
refuse unknown fields so that a test notices a field nobody wrote down; readers should ignore
unknown fields, and the published JSON Schemas let them.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .types import Name, Text, Time

Position = Annotated[int, Field(ge=0, le=2**63 - 1)]
Partition = Annotated[int, Field(ge=0, le=2**31 - 1)]

AutoCancelReason = Literal["stock-not-validated"]
EscalationReason = Literal[
    "handling-without-stock",
    "dispute-open",
    "unreadable-evidence",
    "evidence-incomplete",
    "policy",
    "mass-cancel",
    "handled-after-deadline",
    "late-dispute",
    "cancel-unconfirmed",
    "unknown-status",
    "entered-late",
    "facts-missing",
    "conflicting-orders",
    "contradictory-acts",
    "hold-expired",
    "before-adoption",
]
RevocationReason = Literal["late-evidence"]
ReminderReason = Literal["deadline-approaches"]


class _Output(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class EvidenceAct(_Output):
    """One record the decision rests on, and where it stands."""

    status: Name = Field(
        description="Its status; `order-created` for the order itself; `refused` for a record "
        "that could not be read."
    )
    occurred_at: Time | None = Field(description="Null for a record that was refused.")
    received_at: Time
    topic: Name
    partition: Partition
    offset: Position
    stock_ok: bool | None = Field(
        None, description="What its validation says; null or left out where there was none."
    )
    error: Name | None = Field(
        None, description="Class of error of a refused record, else null or left out."
    )


class Evidence(_Output):
    """What was known when the decision was made."""

    acts: tuple[EvidenceAct, ...]
    omitted: int = Field(
        0, ge=0, description="How many acts between the first and the last are not told, if any."
    )
    read_to: dict[Name, tuple[Position, ...]] = Field(
        description="By input topic, the next offset to read of each partition: "
        "all before it had been read. The index is the partition."
    )


class DisputeForm(_Output):
    """The article's form, as the worker fills it in for a seller who kept silent."""

    text: Annotated[Text, Field(min_length=1)]
    type: Name = Field(description="`CS` unless a policy says otherwise.")
    responsible: Annotated[Text, Field(min_length=1, description="The worker.")]


class Revoked(_Output):
    """The decision that no longer holds."""

    id: Name = Field(description="Its `ce_id`.")
    type: Literal["marketplace.order.auto-cancel.v1", "marketplace.order.escalation.v1"]
    reason: AutoCancelReason | EscalationReason
    sequence: Annotated[int, Field(ge=1, description="Its `ce_sequence`.")]


class _Decision(_Output):
    order_id: Name
    seller_id: Name
    fulfilment: Annotated[
        Name, Field(json_schema_extra={"x-extensible-enum": ["courier", "dropshipping"]})
    ]
    entered_at: Time
    due: Time = Field(description="The last instant that counts as in time.")
    decided_at: Time
    policy: Name
    policy_version: int = Field(
        0, ge=0, description="That of the policy file; 0 or left out where there was none."
    )
    evidence: Evidence


class AutoCancel(_Decision):
    """The seller kept silent until the deadline: cancel the order."""

    reason: AutoCancelReason
    dispute: DisputeForm


class Escalation(_Decision):
    """A person has to look at the order."""

    reason: EscalationReason


class DeadlineReminder(_Decision):
    """The deadline comes near and the seller has done nothing yet. No verdict."""

    reason: ReminderReason


class DecisionRevoked(_Decision):
    """Late evidence changed the verdict: undo the decision named in ``revokes``."""

    reason: RevocationReason
    revokes: Revoked
    order_cancelled: bool = Field(
        False,
        description="Whether a cancellation of the order is known: then it stays cancelled, and "
        "only the decision is undone.",
    )
