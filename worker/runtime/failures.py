"""Counts a lane's failures: one that fails again and again at the same place needs a person."""

from collections.abc import Mapping

from worker.errors import DatabaseFault, KafkaUnavailable, RecordFailed
from worker.records import Partition
from worker.storage.faults import is_outage

# From this failure on, the lane counts as failing.
_ENOUGH = 3
# A lane that works for so many seconds is well again, unless a record is known to stop it.
STEADY = 30.0


class Failures:
    """Failures in a row of one lane.

    Of a record they count while the lane stands at it. Others may come from any part of the lane
    while its positions move on, so they count until the lane works for ``STEADY`` seconds.
    """

    def __init__(self) -> None:
        # Where the lane fails again and again, such as ``orders/0@12``; ``None`` if it does not.
        self.failing: str | None = None
        self._record: tuple[Partition, int] | None = None
        self._count = 0

    def add(
        self, error: Exception, positions: Mapping[Partition, int | None], worked: float
    ) -> bool:
        """Count a failure after ``worked`` seconds; return whether the lane is failing from now on.

        ``positions`` are those of the lane, ``None`` where they are not known.
        """
        if isinstance(error, KafkaUnavailable) or (
            isinstance(error, DatabaseFault) and is_outage(error)
        ):
            return False  # these have guards of their own
        record = None
        if isinstance(error, RecordFailed):
            record = (error.topic, error.partition), error.offset
            positions = dict([record])
        if record != self._record or (record is None and worked > STEADY):
            self.clear()
        self._record = record
        self._count += 1
        if self._count < _ENOUGH:
            return False
        before, self.failing = self.failing, _described(positions)
        return before is None

    def settle(self, positions: Mapping[Partition, int], worked: float) -> None:
        """Forget the failures if the lane got past their place, or works steadily."""
        if self._record is None:
            if worked > STEADY:
                self.clear()
            return
        partition, offset = self._record
        if positions.get(partition, offset) != offset:
            self.clear()

    def clear(self) -> None:
        """Forget all failures."""
        self.failing = self._record = None
        self._count = 0


def _described(positions: Mapping[Partition, int | None]) -> str:
    return ", ".join(
        f"{topic}/{number}" if offset is None else f"{topic}/{number}@{offset}"
        for (topic, number), offset in sorted(positions.items())
    )
