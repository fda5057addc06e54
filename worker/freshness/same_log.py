"""Checks that logs are those that were read, and not cut or new ones of the same name."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from worker.errors import OtherLog
from worker.kafka.offsets import Bounds
from worker.records import Mark, Partition

# Most offsets below a position that are looked at for records that were never read.
_MOST = 10_000


class Stored(NamedTuple):
    """What the database knows of a log: next offset, last record read, and the id of its topic.

    Of a log that was ``cut``, or that a person set back, no lane may have read the records below
    the position. ``other`` is the reason why it was found not to be the log that was read.
    """

    next_offset: int
    mark: Mark | None
    topic_id: bytes | None
    cut: bool
    other: str | None

    @classmethod
    def of(cls, row: Any) -> "Stored":
        """Read a row of ``positions``."""
        mark = None
        if row["last_offset"] is not None:
            mark = Mark(row["last_offset"], row["last_timestamp"])
        cut = row["covered_since"] is not None
        return cls(row["next_offset"], mark, row["topic_id"], cut, row["other_log"])


class Logs(Protocol):
    """Reads the logs; see :class:`worker.kafka.offsets.OffsetReader`."""

    async def bounds(self, partitions: list[Partition]) -> Mapping[Partition, Bounds]:
        """The first offset, end offset and topic id of each log."""
        ...

    async def timestamps(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int | None]:
        """The timestamps of the records at these offsets; ``None`` where a marker stands."""
        ...

    async def first_records(self, ranges: Mapping[Partition, range]) -> Mapping[Partition, int]:
        """The offset of the first committed record in each range that holds one."""
        ...


async def check_same(
    logs: Logs, partitions: Iterable[Partition], stored: Mapping[Partition, Stored]
) -> Mapping[Partition, Bounds]:
    """Check each log that was read before; returns the bounds of all.

    Without this check, a log that was cut and has grown past the position again would go unnoticed,
    and its records below the position would never be read. The mark shows it if records were lost.
    If all that was lost are markers and records of aborted transactions, a record shows it that
    stands between mark and position, where nothing was read. Where the broker tells no id of the
    topic, and retention has removed the marked record, only the latter check is possible.

    Raises:
        OtherLog: one of them is not the log that was read.
        KafkaUnavailable: try again later.
    """
    bounds = await logs.bounds([*partitions])
    marks, gaps = {}, {}
    for partition, (begin, end, _, topic_id) in bounds.items():
        if (was := stored.get(partition)) is None:
            continue
        if was.other is not None:
            raise OtherLog(*partition, was.other)
        if topic_id != was.topic_id and None not in (topic_id, was.topic_id):
            raise OtherLog(
                *partition, "belongs to another topic of the same name: it was made again"
            )
        if was.next_offset > end:
            # It may pass: a leader that was deposed, and does not know it, tells the same.
            raise OtherLog(
                *partition, f"ends at {end}, before its stored position {was.next_offset}"
            )
        if was.mark is not None and begin <= was.mark.offset < end:
            marks[partition] = was.mark
        if was.mark is not None or not was.cut:
            behind = was.mark.offset + 1 if was.mark is not None else 0
            if gap := range(max(begin, behind, was.next_offset - _MOST), was.next_offset):
                gaps[partition] = gap
    found = await logs.timestamps({partition: mark.offset for partition, mark in marks.items()})
    for partition, timestamp in found.items():
        if timestamp != marks[partition].timestamp:
            offset = marks[partition].offset
            raise OtherLog(
                *partition,
                f"was cut: offset {offset} is not the record that was read there",
                lasting=True,
            )
    for partition, offset in (await logs.first_records(gaps)).items():
        raise OtherLog(
            *partition,
            f"was cut: offset {offset} holds a record, and none was read there",
            lasting=True,
        )
    return bounds
