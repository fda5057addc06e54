"""Which inputs count as evidence, for the proof and for what an event tells of its reading."""

from dataclasses import dataclass

from worker.proof import Partition, Reading
from worker.settings import Settings
from worker.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Scope:
    """The input topics; with ``narrow`` a lane answers for its own partitions only."""

    topics: tuple[str, ...]
    # A log of orders that retention has cut loses orders, but no evidence of a known one.
    evidence_topic: str
    narrow: bool

    @classmethod
    def of(cls, settings: Settings) -> "Scope":
        """The scope that the settings ask for."""
        return cls(
            settings.input_topics, settings.order_status_changed_topic, settings.proof == "lane"
        )

    def covers(self, lane: int, partition: Partition) -> bool:
        """Whether a verdict of this lane must have read this partition."""
        return not self.narrow or partition[1] == lane

    async def reading(self, tx: Transaction, lane: int) -> Reading:
        """The stored positions of all workers, as the transaction sees them."""
        rows = [row for row in await tx.rows("positions") if row["topic"] in self.topics]
        since = [
            row["covered_since"]
            for row in rows
            if row["covered_since"] is not None
            and row["topic"] == self.evidence_topic
            and self.covers(lane, (row["topic"], row["partition"]))
        ]
        positions = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        return Reading(positions, max(since, default=None))
