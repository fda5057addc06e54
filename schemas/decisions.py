"""Output: the decisions Plazo publishes, each with the evidence it rests on.

Plazo writes these events and never reads them back through these models: they are the contract
for readers, the source of the JSON Schemas, and what the tests hold the output against. They
refuse unknown fields so that a test notices a field nobody wrote down; readers should ignore
unknown fields, and the published JSON Schemas let them.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from .types import Name, Text, Time

# The formats tell code generators to use a type that is wide enough.
_INT64 = {"format": "int64"}
Position = Annotated[int, Field(ge=0, le=2**63 - 1, json_schema_extra=_INT64)]
Partition = Annotated[int, Field(ge=0, le=2**31 - 1, json_schema_extra={"format": "int32"})]
SequenceNumber = Annotated[int, Field(ge=1, le=2**63 - 1, json_schema_extra=_INT64)]

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


_TYPE = "The type of this event; another one in shadow mode. As `ce_type`; left out by version 0.1."


class _Output(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class EvidenceAct(_Output):
    """One record the decision rests on, and where it stands."""

    status: Name = Field(
        description="Its status; `order-created` for the order itself; `refused` for a record "
        "that could not be read."
    )
    occurred_at: Time | None = Field(
        description="The time of the act, as the event gives it. Null for a record that was "
        "refused."
    )
    received_at: Time = Field(description="The timestamp of the record in its topic.")
    topic: Name = Field(description="The topic that holds the record.")
    partition: Partition = Field(description="Its partition.")
    offset: Position = Field(description="Its offset.")
    stock_ok: bool | None = Field(
        None, description="What its validation says; null or left out where there was none."
    )
    error: Name | None = Field(
        None, description="Class of error of a refused record, else null or left out."
    )


class Evidence(_Output):
    """What was known when the decision was made."""

    acts: tuple[EvidenceAct, ...] = Field(
        description="The order and its acts, oldest first; refused records last."
    )
    omitted: int = Field(
        0, ge=0, description="How many acts between the first and the last are not told, if any."
    )
    read_to: dict[str, tuple[Position, ...]] = Field(
        description="By input topic, the next offset to read of each partition: "
        "all before it had been read. The index is the partition."
    )


class DisputeForm(_Output):
    """The article's form, as the worker fills it in for a seller who kept silent."""

    text: Annotated[Text, Field(min_length=1, description="Text for the dispute.")]
    type: Name = Field(description="`CS` unless a policy says otherwise.")
    responsible: Annotated[Text, Field(min_length=1, description="The worker.")]


class Revoked(_Output):
    """The decision that no longer holds."""

    id: Name = Field(description="Its `ce_id`.")
    type: Literal["marketplace.order.auto-cancel.v1", "marketplace.order.escalation.v1"] = Field(
        description="Its `ce_type`."
    )
    reason: Literal[AutoCancelReason, EscalationReason] = Field(description="Its reason.")
    sequence: SequenceNumber = Field(
        description="Its `ce_sequence`, in the partition of this event."
    )


class _Decision(_Output):
    # Version 0.1 told these three in the headers alone.
    id: Name | SkipJsonSchema[None] = Field(
        None,
        description="Deterministic: the same decision always has the same id. As `ce_id`; left "
        "out by version 0.1.",
    )
    type: Name | SkipJsonSchema[None] = Field(None, description=_TYPE)
    sequence: SequenceNumber | SkipJsonSchema[None] = Field(
        None,
        description="1, 2, 3… without gaps, per partition. As `ce_sequence`; left out by "
        "version 0.1.",
    )
    order_id: Name = Field(description="The order. As the key of the record.")
    seller_id: Name = Field(
        description="Its seller; `unknown` if its order-created could not be read."
    )
    fulfilment: Name = Field(
        description="Who ships, as the order tells it.", examples=["courier", "dropshipping"]
    )
    entered_at: Time = Field(description="When the order entered the system.")
    due: Time = Field(description="The last instant that counts as in time.")
    decided_at: Time = Field(description="When Plazo decided.")
    policy: Name = Field(description="The policy of the order; `default` without a policy file.")
    policy_version: int = Field(
        0, ge=0, description="That of the policy file; 0 or left out where there was none."
    )
    evidence: Evidence = Field(
        description="The records it rests on, and how far each input was read."
    )


class AutoCancel(_Decision):
    """The seller kept silent until the deadline: cancel the order."""

    type: (
        Literal["marketplace.order.auto-cancel.v1", "marketplace.order.would-auto-cancel.v1"]
        | SkipJsonSchema[None]
    ) = Field(None, description=_TYPE)
    reason: AutoCancelReason = Field(description="Why the order is cancelled.")
    dispute: DisputeForm = Field(description="The form to cancel the order with.")


class Escalation(_Decision):
    """A person has to look at the order."""

    type: (
        Literal["marketplace.order.escalation.v1", "marketplace.order.would-escalation.v1"]
        | SkipJsonSchema[None]
    ) = Field(None, description=_TYPE)
    reason: EscalationReason = Field(description="Why a person has to look at the order.")


class DeadlineReminder(_Decision):
    """The deadline comes near and the seller has done nothing yet. No verdict."""

    type: (
        Literal[
            "marketplace.order.deadline-reminder.v1", "marketplace.order.would-deadline-reminder.v1"
        ]
        | SkipJsonSchema[None]
    ) = Field(None, description=_TYPE)
    reason: ReminderReason = Field(description="Why the seller is reminded.")


class DecisionRevoked(_Decision):
    """Late evidence changed the verdict: undo the decision named in ``revokes``."""

    type: (
        Literal[
            "marketplace.order.decision-revoked.v1", "marketplace.order.would-decision-revoked.v1"
        ]
        | SkipJsonSchema[None]
    ) = Field(None, description=_TYPE)
    reason: RevocationReason = Field(description="Why the decision no longer holds.")
    revokes: Revoked = Field(description="The decision to undo.")
    order_cancelled: bool = Field(
        False,
        description="Whether a cancellation of the order is known: then it stays cancelled, and "
        "only the decision is undone.",
    )
