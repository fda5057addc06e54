"""Names on the wire: event types, CloudEvents attributes and the headers of dead letters."""

from enum import StrEnum
from typing import Final

SPECVERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
AVRO_CONTENT_TYPE: Final = "application/avro"
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


def decision_type(kind: str) -> str:
    """The type of an output event of this kind: ``auto-cancel``, ``escalation`` and so on."""
    return f"marketplace.order.{kind}.v1"


def shadow_type(ce_type: str) -> str:
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
# Markers on a record that was too large for its topic; the whole of it is in Postgres.
VALUE_OMITTED: Final = "plazo-value-omitted"
HEADERS_OMITTED: Final = "plazo-headers-omitted"
KEY_OMITTED: Final = (
    "plazo-key-omitted"  # its key begins like the whole one and ends in its SHA-256
)
EVIDENCE_OMITTED: Final = "plazo-evidence-omitted"  # of a decision


class RefusalClass(StrEnum):
    """The reason why a record was refused: a value of ERROR_CLASS, and a label of a metric."""

    NO_KEY = "no-key"
    KEY_MISMATCH = "key-mismatch"  # the key does not name the order
    EMPTY_VALUE = "empty-value"
    OVERSIZE = "oversize"
    NOT_JSON = "not-json"
    ENVELOPE = "envelope"  # CloudEvents attributes missing, repeated or contradictory
    UNKNOWN_TYPE = "unknown-type"
    INVALID = "invalid"  # fields missing or of the wrong type
    TIME = "time"  # naive, numeric or not RFC 3339
    FUTURE_TIME = "future-time"
    OUT_OF_RANGE = "out-of-range"  # a number or time that does not fit
    SCHEMA = "schema"  # of a registry: not known, not read, or the bytes do not fit it
    TEXT = "text"  # NUL or a lone surrogate
    DATABASE = "database"  # readable, yet Postgres rejected the row
    TOO_LATE = "too-late"  # a change of a deadline that could take no effect any more
    SKIPPED = "skipped"  # the worker failed on it, and a person skipped it


# The person responsible in the dispute form that an auto-cancel fills in.
RESPONSIBLE: Final = "Plazo (automatic)"
