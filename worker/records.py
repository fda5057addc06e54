"""Records, their positions in the logs, and refusals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from schemas.events import HEADERS_OMITTED, VALUE_OMITTED, RefusalClass

# In bytes. A key is an order's id: at most 200 characters, and in UTF-8 four bytes for each.
LONGEST_KEY: Final = 800

# Publishers and their proxies send a few dozen headers at most. A record with more is refused; it
# comes with so many and a mark, because a header takes two bytes in a batch and sixty in memory.
MOST_HEADERS: Final = 1_000
HEADERS_CUT: Final = (HEADERS_OMITTED, b"too-many")

# The headers of a record whose batch inflates to too many bytes: it comes without its own.
NOT_INFLATED: Final = ((VALUE_OMITTED, b"batch-too-large"),)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What both datetime and Postgres hold, in milliseconds.
_LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)

Partition = tuple[str, int]  # topic, partition


class Record(NamedTuple):
    """One Kafka record. ``timestamp`` is in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def timestamp_of(milliseconds: int) -> datetime:
    """Return the time of a record, whose publisher may have written any number.

    A time before 1970 becomes 1970, and one after the year 9999 its end. All that turns the
    milliseconds of a record into a time calls this, because an error there would stop the lane.
    """
    return _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LATEST))


class Mark(NamedTuple):
    """Identifies a log by one of its records. ``timestamp`` as in :class:`Record`."""

    offset: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A range of a lane's logs: the number of its records, and the positions after it.

    ``after`` may lie beyond the last record: a transaction marker or an aborted batch moves the
    position without a record. ``last`` marks the last record of each partition that has one.
    """

    count: int = 0
    after: Mapping[Partition, int] = field(default_factory=dict)
    last: Mapping[Partition, Mark] = field(default_factory=dict)

    def __add__(self, following: "Batch") -> "Batch":
        """Join a batch that begins where this one ends."""
        return Batch(
            self.count + following.count,
            {**self.after, **following.after},
            {**self.last, **following.last},
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a record cannot be decoded or stored.

    ``message`` names fields and rules, never values, and so holds no personal data. ``order_ids``
    are the orders that the record names in its key or body; each is shielded from auto-cancel.
    """

    error: RefusalClass
    message: str
    order_ids: tuple[str, ...]
