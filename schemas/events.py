"""Names on the wire: event types, CloudEvents attributes and the headers of dead letters."""

from typing import Final

SPECVERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
STRUCTURED_CONTENT_TYPE: Final = "application/cloudevents+json"

# Input.
ORDER_CREATED: Final = "marketplace.order.created.v1"
ORDER_STATUS_CHANGED: Final = "marketplace.order.status-changed.v1"
DEADLINE_EXTENDED: Final = "marketplace.order.deadline-extended.v1"
DEADLINE_HELD: Final = "marketplace.order.deadline-held.v1"
DEADLINE_RELEASED: Final = "marketplace.order.deadline-released.v1"

# Output.
AUTO_CANCEL: Final = "marketplace.order.auto-cancel.v1"
ESCALATION: Final = "marketplace.order.escalation.v1"
DECISION_REVOKED: Final = "marketplace.order.decision-revoked.v1"
DEADLINE_REMINDER: Final = "marketplace.order.deadline-reminder.v1"


def rehearsed(ce_type: str) -> str:
    """The type of an output event in shadow mode."""
    return ce_type.replace("marketplace.order.", "marketplace.order.would-", 1)


# Kafka headers of an event in binary mode.
CE_PREFIX: Final = "ce_"
CE_ID: Final = "ce_id"
CE_TYPE: Final = "ce_type"
CE_SOURCE: Final = "ce_source"
CE_TIME: Final = "ce_time"
CE_SPECVERSION: Final = "ce_specversion"
CE_PARTITIONKEY: Final = "ce_partitionkey"  # output: the order id
CE_SEQUENCE: Final = "ce_sequence"  # output: dense per partition, from 1
CONTENT_TYPE_HEADER: Final = "content-type"

# Kafka headers of a dead letter; key, value and headers of the refused record are kept beside them.
SOURCE_TOPIC: Final = "plazo-source-topic"
SOURCE_PARTITION: Final = "plazo-source-partition"
SOURCE_OFFSET: Final = "plazo-source-offset"
SOURCE_TIMESTAMP: Final = "plazo-source-timestamp"
ERROR_CLASS: Final = "plazo-error-class"
ERROR_MESSAGE: Final = "plazo-error-message"
VALUE_OMITTED: Final = "plazo-value-omitted"  # only where the topic takes less than the source

# Values of ERROR_CLASS.
ERROR_CLASSES: Final = (
    "no-key",
    "key-mismatch",
    "empty-value",
    "oversize",
    "not-json",
    "envelope",
    "unknown-type",
    "invalid",
    "time",
    "future-time",
    "out-of-range",
    "text",
    "database",
    "too-late",
)
