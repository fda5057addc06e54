"""The proof of freshness, the reading that a verdict rests on, and the inputs that count."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pydantic_core import to_json

from worker.errors import PlazoError
from worker.records import Partition
from worker.settings import Settings
from worker.storage.transaction import Transaction


class ProofOutlived(PlazoError):
    """The database went back behind a proof: what was read for it must be read again."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Every record that was in the logs at ``at`` has taken effect.

    ``ends`` are the ends of the logs at that time, and ``probed`` is the monotonic time, in
    seconds, at which they were asked for.
    """

    at: datetime
    ends: Mapping[Partition, int]
    probed: float

    def by(self, now: datetime, monotonic: float) -> datetime:
        """The time of the probe by a clock that shows ``now``; never later than ``at``.

        A clock that was ahead at the probe may have been set right since. Then ``at`` lay in the
        future, and evidence came after the probe, even if by now the clock shows ``at`` again.
        """
        return min(self.at, now - timedelta(seconds=monotonic - self.probed))

    def check(self, positions: Mapping[Partition, int], now: datetime, monotonic: float) -> None:
        """Hold the proof against the stored positions of a transaction that decides ``now``.

        Ask for both times in this order: a pause between them voids the proof without need, and
        never saves it.

        Raises:
            ProofOutlived: they fall short of it, or the clock was set back since the probe.
        """
        if (by := self.by(now, monotonic)) < self.at:
            raise ProofOutlived(f"the clock was set back by {self.at - by} since the probe")
        if short := sorted(p for p, end in self.ends.items() if positions.get(p, -1) < end):
            raise ProofOutlived(f"the database has not read {short[:5]} up to the proof any more")


@dataclass(frozen=True)
class Reading:
    """The progress of each input at a verdict, and the time from which its evidence is complete.

    ``positions`` are the next offsets to read. ``evidence_since`` is the time from which the logs
    of acts are known to be complete; ``None`` is for ever. ``adopted_at`` is the start of this
    installation; ``None`` is before every order. ``astray_at`` is the time of the last refused act
    of the lane whose order is not known; ``None``: there is none.
    """

    positions: Mapping[Partition, int]
    evidence_since: datetime | None
    adopted_at: datetime | None = None
    astray_at: datetime | None = None

    @cached_property
    def read_to(self) -> bytes:
        """As an event states it: per topic a list by partition. Thousands of events share one."""
        topics: dict[str, list[int]] = {}
        for (topic, number), offset in sorted(self.positions.items()):
            offsets = topics.setdefault(topic, [])
            offsets += [0] * (number - len(offsets)) + [offset]
        return to_json(topics)


@dataclass(frozen=True, slots=True)
class EvidenceScope:
    """The input topics; with ``narrow`` a lane answers for its own partitions only."""

    topics: tuple[str, ...]
    # The log of acts. Retention on that of orders loses orders, but no evidence of a known order.
    evidence_topic: str
    narrow: bool
    # A log from its first offset on is complete, and no order is older than the installation.
    complete: bool = False
    # Refused acts whose order is not known count for no order.
    ignore_astray: bool = False
    # The log of extensions and holds, if it is another. They are made for Plazo: before that log
    # began there were none in it.
    changes_topic: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "EvidenceScope":
        """The scope in the settings."""
        return cls(
            settings.input_topics,
            settings.order_status_changed_topic,
            settings.proof == "lane",
            settings.before_adoption == "decide",
            settings.astray_refusals == "ignore",
            settings.deadline_changes_topic,
        )

    def covers(self, lane: int, partition: Partition) -> bool:
        """Whether a verdict of this lane needs this partition."""
        return not self.narrow or partition[1] == lane

    async def reading(self, tx: Transaction, lane: int) -> Reading:
        """The stored positions of all workers, as the transaction sees them."""
        rows = [row for row in await tx.rows("positions") if row["topic"] in self.topics]
        positions = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        adopted_at = rows[0]["adopted_at"] if rows and not self.complete else None
        astray = None if self.ignore_astray else await tx.row("astray_since", lane)
        return Reading(
            positions, self._since(rows, lane), adopted_at, astray["at"] if astray else None
        )

    def _since(self, rows: Iterable[Any], lane: int) -> datetime | None:
        since = [
            row["covered_since"]
            for row in rows
            if row["covered_since"] is not None
            and row["topic"] in (self.evidence_topic, self.changes_topic)
            and self.covers(lane, (row["topic"], row["partition"]))
        ]
        begins = [row["begins_at"] for row in rows if row["topic"] == self.evidence_topic]
        if begins and not self.complete and None not in begins:
            since.append(min(begins))
        return max(since, default=None)
