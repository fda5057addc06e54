"""The share of one lane in a transaction: a batch of its records, and what comes of it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from worker.ingest.plain import PlainReader
from worker.ingest.rows import Rows
from worker.lanes.lane import Lane
from worker.lanes.timers import TimerChange
from worker.records import Batch

_NO_MARK = (None, None)


@dataclass(slots=True)
class Share:
    """A batch that is being written. ``plain`` has packed its plain records, if any.

    The transaction fills in the others. ``sequence`` and ``open_deadlines`` are those of the lane's
    row, ``entered`` is the number of new orders, ``to_notice`` the orders that may need a notice,
    ``repeats`` those that may have been known before, and ``counted`` the number of armed deadlines
    that the lane's row counts already. ``noticed`` are the lanes of the notices that were left, and
    ``spans`` the traces of its records.
    """

    lane: Lane
    batch: Batch
    rows: Rows
    plain: PlainReader | None = None
    sequence: int = 0
    open_deadlines: int = 0
    entered: int = 0
    timers: TimerChange = field(default_factory=TimerChange)
    to_notice: set[str] = field(default_factory=set)
    repeats: Collection[str] = ()
    counted: int = 0
    noticed: list[int] = field(default_factory=list)
    spans: dict[str, Any] = field(default_factory=dict)

    def moves(self) -> list[tuple[Any, ...]]:
        """The topic and partition of each position that moves, and from where to where.

        With the offset and timestamp of the last record, which may be missing.
        """
        before, last = self.lane.positions, self.batch.last
        return [
            (*partition, before[partition], after, *last.get(partition, _NO_MARK))
            for partition, after in self.batch.after.items()
        ]
