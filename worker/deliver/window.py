"""The records that were pulled and are not finished: what may be committed, and what waits."""

from dataclasses import dataclass, field

from worker.records import Record


@dataclass(slots=True)
class _Partition:
    open: dict[int, Record] = field(default_factory=dict)  # by offset, in their order
    end: int = 0


class Window:
    """Deliveries finish in any order; an offset is committed once all before it are finished."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}
        self.records = 0
        self.bytes = 0

    def add(self, record: Record) -> None:
        """A record was pulled."""
        partition = self._partitions.setdefault(record.partition, _Partition())
        partition.open[record.offset] = record
        partition.end = record.offset + 1
        self.records += 1
        self.bytes += len(record.value or b"")

    def finish(self, record: Record) -> None:
        """A record was delivered, or stands in the dead-letter file, or nobody wants it."""
        del self._partitions[record.partition].open[record.offset]
        self.records -= 1
        self.bytes -= len(record.value or b"")

    def positions(self) -> dict[int, int]:
        """By partition, the offset to commit: the first that is not finished."""
        return {
            number: next(iter(partition.open), partition.end)
            for number, partition in self._partitions.items()
        }

    def oldest(self) -> int | None:
        """The earliest timestamp of a record that is not finished, in ms; ``None`` without one."""
        firsts = [
            record.timestamp
            for partition in self._partitions.values()
            for record in partition.open.values()
        ]
        return min(firsts, default=None)
