"""What a verdict has read, and the proof that this was enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from pydantic_core import to_json

Partition = tuple[str, int]  # topic, partition


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that stood in the logs at ``at`` has taken effect."""

    at: datetime


@dataclass(frozen=True)
class Reading:
    """How far each input had been read when a verdict was made, and from when on.

    ``positions`` gives the next offset to read. ``evidence_since`` is the instant from which the
    logs of acts are known whole; ``None``: from their beginning.
    """

    positions: Mapping[Partition, int]
    evidence_since: datetime | None

    @cached_property
    def read_to(self) -> str:
        """As it stands in an event: per topic a list by partition. One serves thousands."""
        topics: dict[str, list[int]] = {}
        for (topic, number), offset in sorted(self.positions.items()):
            offsets = topics.setdefault(topic, [])
            offsets += [0] * (number - len(offsets)) + [offset]
        return to_json(topics).decode()
