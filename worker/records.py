"""Records as the consumer returns them, their places in the logs, and refusals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.events import RefusalClass

Partition = tuple[str, int]  # topic, partition


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


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of a lane's logs: how many records it holds, and the positions behind them.

    ``after`` may lie beyond the last record: a transaction marker or an aborted batch moves the
    position without a record. ``last`` marks the last record of each partition that has one.
    """

    count: int = 0
    after: Mapping[Partition, int] = field(default_factory=dict)
    last: Mapping[Partition, Mark] = field(default_factory=dict)

    def __add__(self, behind: "Batch") -> "Batch":
        """This one and one that begins where it ends."""
        return Batch(
            self.count + behind.count, {**self.after, **behind.after}, {**self.last, **behind.last}
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that cannot be read.

    ``message`` names fields and rules, never values: it may hold no personal data.
    ``order_ids`` are the orders that the record names, by its key or in its body; each is
    shielded from auto-cancel.
    """

    error: RefusalClass
    message: str
    order_ids: tuple[str, ...]
