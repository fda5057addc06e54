"""The tail of a lane's partition: what it says of decisions that were published before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from schemas import events as names
from worker.kafka.offsets import Headers


class PublishedDecision(NamedTuple):
    """One record of the decisions topic: its ``ce_sequence`` and its ``ce_id``."""

    sequence: int
    id: str


# Longer numbers are no sequence of ours, and Python refuses to read very long ones.
_DIGITS = 18


def published_decision(headers: Headers) -> PublishedDecision | None:
    """The decision of one record; ``None`` for a record that is not ours."""
    found = {name: value for name, value in headers if value is not None}
    sequence, id_ = found.get(names.CE_SEQUENCE, b""), found.get(names.CE_ID, b"")
    if not sequence.isdigit() or len(sequence) > _DIGITS:
        return None
    return PublishedDecision(int(sequence), id_.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Tail:
    """The last decisions of a partition, by sequence."""

    ids: Mapping[int, str]

    @classmethod
    def of(cls, records: Iterable[Headers]) -> "Tail":
        """The tail that these records make; of repeats the last counts."""
        found = filter(None, map(published_decision, records))
        return cls({decision.sequence: decision.id for decision in found})

    @property
    def last(self) -> int:
        """The greatest sequence; 0 for an empty tail."""
        return max(self.ids, default=0)

    def published_after(self, mark: int) -> int:
        """The end of the run that follows the mark without a hole.

        The greatest sequence would not do: a broker that refused one batch for good may have taken
        the next, and all decisions in the hole would count as published.
        """
        while mark + 1 in self.ids:
            mark += 1
        return mark

    def contradicts(self, stored: Mapping[int, str]) -> int | None:
        """The first sequence that stands for another decision in ``stored``; ``None`` if none."""
        return min((n for n, id_ in stored.items() if self.ids.get(n, id_) != id_), default=None)
