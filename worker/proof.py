"""The proof of freshness: what a verdict must have read before it may fall."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from pydantic_core import to_json


@dataclass(frozen=True)
class Proof:
    """Everything that stood in the logs at ``at`` has taken effect.

    ``read_to`` gives, per topic and partition, the next offset to read. ``evidence_since`` is the
    instant from which the logs are known whole, ``None``: from their beginning.
    """

    at: datetime
    read_to: Mapping[str, Mapping[int, int]]
    evidence_since: datetime | None

    @cached_property
    def read_to_json(self) -> str:
        """``read_to`` as it stands in an event; one proof serves thousands, so it is kept."""
        return to_json(
            {
                topic: [offsets.get(number, 0) for number in range(max(offsets, default=-1) + 1)]
                for topic, offsets in self.read_to.items()
            }
        ).decode()
