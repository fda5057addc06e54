"""What the consumer hands to a lane, and what the codec makes of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Record(NamedTuple):
    """One Kafka record as it was read. ``timestamp`` is in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Mark(NamedTuple):
    """A record by which its log is known again. ``timestamp`` as in :class:`Record`."""

    offset: int
    timestamp: int


class RefusalClass(StrEnum):
    """Why a record was refused: the class of error in a dead letter and in a metric."""

    NO_KEY = "no-key"
    KEY_MISMATCH = "key-mismatch"  # the key is not the order id, or not UTF-8
    EMPTY_VALUE = "empty-value"
    OVERSIZE = "oversize"
    NOT_JSON = "not-json"
    ENVELOPE = "envelope"  # CloudEvents attributes missing, doubled or contradictory
    UNKNOWN_TYPE = "unknown-type"
    INVALID = "invalid"  # fields missing or of the wrong type
    TIME = "time"  # naive, numeric or not RFC 3339
    FUTURE_TIME = "future-time"
    OUT_OF_RANGE = "out-of-range"  # a number or time that does not fit
    TEXT = "text"  # NUL or a lone surrogate
    DATABASE = "database"  # readable, yet Postgres refused the row
    TOO_LATE = "too-late"  # a change of a deadline that could take no effect any more


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that cannot be read.

    ``message`` names fields and rules, never values: it may hold no personal data.
    ``order_ids`` are the orders that the record names, by its key or in its body; each is
    shielded from auto-cancel.
    """

    error: RefusalClass
    message: str
    order_ids: tuple[str, ...]
