"""Holes that compaction leaves in a log: a question about them ends."""

import asyncio
from typing import Any

from aiokafka import TopicPartition

from worker.kafka.offsets import OffsetReader
from worker.settings import Settings

LOG = TopicPartition("acts", 0)


class _Emptied:
    """A reader of a log that holds nothing from its position on, up to its end at 9."""

    def __init__(self) -> None:
        self.offset = 0
        self.answered = False
        self.assigned: list[TopicPartition] = []

    def assign(self, partitions: Any) -> None:
        self.assigned = [*partitions]

    def seek(self, _partition: TopicPartition, offset: int) -> None:
        self.offset = offset

    async def position(self, _partition: TopicPartition) -> int:
        return self.offset

    async def getmany(self, *_partitions: TopicPartition, **_limits: int) -> dict[Any, Any]:
        await asyncio.sleep(0.01)
        return {}

    def last_stable_offset(self, _partition: TopicPartition) -> int | None:
        answered, self.answered = self.answered, True
        return 9 if answered else None


async def test_a_hole_at_the_end_of_a_log_holds_no_record() -> None:
    reader: Any = OffsetReader(Settings())
    reader._committed = emptied = _Emptied()
    async with asyncio.timeout(5):
        assert await reader._read_firsts({("acts", 0): range(5, 9)}) == {}
    assert emptied.assigned == []
