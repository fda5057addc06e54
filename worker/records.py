"""Records, their positions in the logs, and refusals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.events import RefusalClass

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
