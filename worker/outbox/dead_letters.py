"""Publishes dead letters from their table to their topic: the original bytes and the reason."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from schemas import events as names
from worker.errors import KafkaUnavailable, TopicsNotFit
from worker.kafka.offsets import Headers, OffsetReader
from worker.kafka.producer import Message, Producer, append
from worker.lanes.lane import Lane
from worker.settings import Settings

_BATCH = 50
# Several lanes may share a partition of the topic, each with a batch on the way.
_TAIL = 20 * _BATCH
_LESS = 10
_TOO_LARGE = b"too-large"
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
        self._look_back = _TAIL
        self._committed = asyncio.Event()
        self._committed.set()
        self._idle = asyncio.Event()

    def committed(self) -> None:
        """New dead letters were committed."""
        self._idle.clear()
        self._committed.set()

    async def drained(self) -> None:
        """Wait until every dead letter committed so far is published."""
        await self._idle.wait()

    async def run(self) -> None:
        """Publish until cancelled. Decisions do not wait for it.

        Raises:
            PublishFailed, TooLarge, KafkaUnavailable, DatabaseUnavailable: run again.
            TopicsNotFit: the topic is missing.
        """
        self._committed.set()
        await self._find_published()
        while True:
            # Before the query and not after it: a dead letter committed meanwhile must not be lost.
            self._committed.clear()
            while rows := await self._unpublished():
                await append(self._producer, [self._message(row) for row in rows], _smaller)
                await self._mark([row["id"] for row in rows])
            if not self._committed.is_set():
                self._idle.set()
            await self._committed.wait()
            self._idle.clear()

    async def _find_published(self) -> None:
        """Mark the dead letters that are in their topic already: a crash preceded the mark."""
        rows = await self._unpublished()
        widths = await self._offsets.widths([self._topic])
        if self._topic not in widths:
            raise TopicsNotFit(f"missing: {self._topic}")
        self._partition = self._lane.number % widths[self._topic]
        if not rows or not self._look_back:
            return
        try:
            headers = await self._offsets.tail(self._topic, self._partition, self._look_back)
        except KafkaUnavailable:
            # They may be so large that they do not arrive in time. To look less far back, in the
            # end not at all, repeats a dead letter at worst.
            self._look_back //= _LESS
            raise
        self._look_back = _TAIL
        published = {_source_position(each) for each in headers}
        await self._mark([row["id"] for row in rows if _place(row) in published])

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
            names.SOURCE_TIMESTAMP: _text(row["timestamp"]),
            names.ERROR_CLASS: row["error"],
            names.ERROR_MESSAGE: row["message"],
        }
        headers = original + [(name, value.encode()) for name, value in ours.items()]
        return Message(self._topic, self._partition, row["key"], row["value"], headers)


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


# Where and when a refused record stood in the log; a topic that was replaced has others there.
_Place = tuple[str, int, int, str]


def _place(row: Any) -> _Place:
    return row["topic"], row["partition"], row["offset"], _text(row["timestamp"])


def _source_position(headers: Headers) -> _Place | None:
    found = dict(headers)  # ours come last, so they override those of the refused record
    try:
        return (
            found[names.SOURCE_TOPIC].decode(),
            int(found[names.SOURCE_PARTITION]),
            int(found[names.SOURCE_OFFSET]),
            found[names.SOURCE_TIMESTAMP].decode(),
        )
    except (KeyError, ValueError):
        return None


# A key that is longer is cut where the whole record is too large; enough to recognise an order.
_KEY_PREFIX = 64


def _smaller(letter: Message) -> Message | None:
    """The dead letter without its value and its original headers; then with a short key as well.

    This topic allows smaller records than the source topic. The whole of it is in Postgres.
    """
    markers = [(names.VALUE_OMITTED, _TOO_LARGE), (names.HEADERS_OMITTED, _TOO_LARGE)]
    if markers[-1] not in letter.headers:
        return letter._replace(value=None, headers=[*letter.headers[-_OURS:], *markers])
    key = letter.key or b""
    if len(key) <= _KEY_PREFIX + 64:
        return None
    short = key[:_KEY_PREFIX] + sha256(key).hexdigest().encode()
    return letter._replace(key=short, headers=[*letter.headers, (names.KEY_OMITTED, _TOO_LARGE)])
