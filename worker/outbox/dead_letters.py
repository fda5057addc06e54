"""Publishes dead letters from their table to their topic: the original bytes and the reason."""

from collections.abc import Sequence
from typing import Any

from schemas import events as names
from worker.kafka.offsets import Headers, OffsetReader
from worker.kafka.producer import Message, Producer, TooLarge, append
from worker.lanes.lane import Lane
from worker.settings import Settings

_BATCH = 50
# Several lanes may share a partition of the topic, each with a batch on the way.
_TAIL = 20 * _BATCH
_OURS = 6  # our headers, after those of the refused record


class DeadLetterOutbox:
    """Publishes the dead letters of one lane to the partition of that lane.

    There its successor finds the dead letters that it published before a crash.
    """

    def __init__(
        self, lane: Lane, settings: Settings, producer: Producer, offsets: OffsetReader
    ) -> None:
        self._lane = lane
        self._topic = settings.dead_letters_topic
        self._producer = producer
        self._offsets = offsets
        self._partition = 0
        # Whether there may be dead letters to publish.
        self._waiting = True

    def committed(self) -> None:
        """New dead letters were committed."""
        self._waiting = True

    async def find_published(self) -> None:
        """Mark the dead letters that are in their topic already: a crash preceded the mark.

        Raises:
            KafkaUnavailable, DatabaseUnavailable: try again later.
        """
        self._waiting = True
        self._partition = (
            self._lane.number % (await self._offsets.widths([self._topic]))[self._topic]
        )
        rows = await self._unpublished()
        if not rows:
            return
        headers = await self._offsets.tail(self._topic, self._partition, _TAIL)
        published = {_source_position(each) for each in headers}
        await self._mark(
            [r["id"] for r in rows if (r["topic"], r["partition"], r["offset"]) in published]
        )

    async def publish(self) -> bool:
        """Publish one batch; returns whether there was one.

        Raises:
            PublishFailed, DatabaseUnavailable: call :meth:`find_published` before the next.
        """
        if not self._waiting:
            return False
        # Before the query and not after it: a dead letter committed meanwhile must not be lost.
        self._waiting = False
        rows = await self._unpublished()
        if not rows:
            return False
        self._waiting = True
        try:
            await append(self._producer, [self._message(row) for row in rows])
        except TooLarge:
            # Some of the others may have been appended.
            await self.find_published()
            for row in await self._unpublished():
                await self._publish_alone(self._message(row))
                await self._mark([row["id"]])
        else:
            await self._mark([row["id"] for row in rows])
        return True

    async def _publish_alone(self, letter: Message) -> None:
        try:
            await append(self._producer, [letter])
        except TooLarge:
            # This topic allows smaller records than the source topic. The bytes are in Postgres.
            headers = [*letter.headers[-_OURS:], (names.VALUE_OMITTED, b"too-large")]
            await append(self._producer, [letter._replace(value=None, headers=headers)])

    async def _unpublished(self) -> Sequence[Any]:
        return await self._lane.database.rows("unpublished_dead_letters", self._lane.number, _BATCH)

    async def _mark(self, ids: Sequence[int]) -> None:
        async with self._lane.database.session() as session:
            await session.execute("mark_dead_letters_published", ids)

    def _message(self, row: Any) -> Message:
        original = [
            (name.decode("utf-8", "backslashreplace"), value)
            for name, value in zip(row["header_names"], row["header_values"], strict=True)
        ]
        ours = {
            names.SOURCE_TOPIC: row["topic"],
            names.SOURCE_PARTITION: str(row["partition"]),
            names.SOURCE_OFFSET: str(row["offset"]),
            names.SOURCE_TIMESTAMP: row["timestamp"].isoformat().replace("+00:00", "Z"),
            names.ERROR_CLASS: row["error"],
            names.ERROR_MESSAGE: row["message"],
        }
        headers = original + [(name, value.encode()) for name, value in ours.items()]
        return Message(self._topic, self._partition, row["key"], row["value"], headers)


def _source_position(headers: Headers) -> tuple[str, int, int] | None:
    found = dict(headers)  # ours come last, so they override those of the refused record
    try:
        return (
            found[names.SOURCE_TOPIC].decode(),
            int(found[names.SOURCE_PARTITION]),
            int(found[names.SOURCE_OFFSET]),
        )
    except (KeyError, ValueError):
        return None
