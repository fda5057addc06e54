"""The relay: from the decisions table to the decisions topic, in the order of the sequence.

What was published is written in the topic itself. On take-over and after every doubt the relay
reads the tail of the lane's partition and goes on behind the last sequence that stands there.

What a sweep has just committed need not be read again: it is handed over, and what was not, or was
too much to keep, is read from the table.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from schemas import events as names
from worker.clock import Clock
from worker.errors import Halted
from worker.kafka.offsets import KafkaProbe
from worker.kafka.producer import Message, Publisher, TooLarge
from worker.lanes.lane import Lane
from worker.observability.metrics import Metrics
from worker.observability.tracing import Traces
from worker.outbox.events import Event
from worker.settings import Settings
from worker.storage.database import Store

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_BATCH = 1000
_LETTERS = 50
_OURS = 6  # headers that the relay puts behind those of the refused record
# Repeats of a hung predecessor may stand behind the last of its successor, a batch at the most.
_TAIL = 2 * _BATCH
# As many handed over and not yet published are kept, by lane.
_KEPT = 2 * _BATCH

_SPECVERSION = (names.CE_SPECVERSION, b"1.0")
_CONTENT_TYPE = (names.CONTENT_TYPE_HEADER, names.CONTENT_TYPE.encode())


class Relay:
    """Publishes what one lane has committed."""

    def __init__(
        self,
        lane: Lane,
        settings: Settings,
        store: Store,
        publisher: Publisher,
        probe: KafkaProbe,
        clock: Clock,
        metrics: Metrics,
        traces: Traces | None = None,
    ) -> None:
        self._lane = lane
        self._settings = settings
        self._store = store
        self._publisher = publisher
        self._probe = probe
        self._clock = clock
        self._metrics = metrics
        self._traces = traces
        self._source = (names.CE_SOURCE, f"/plazo/{settings.group_id}".encode())
        self._committed = asyncio.Event()
        self._handed_over: dict[int, Event] = {}
        self._letters = True
        # A lane has one partition of the dead-letter topic, so that it can find there again
        # what it published before a crash.
        self._letter_partition = 0
        # A lane beyond the width of order-created is home to no order and decides nothing.
        self._has_partition = True
        # Nothing to drain if nothing was left over, even while the broker is away.
        self._idle = asyncio.Event()
        if lane.published >= lane.sequence:
            self._idle.set()
        self._type = _rehearsed_type if settings.mode == "shadow" else _type
        # No verdict may fall before the tail was read: it could take a sequence that is taken.
        self.tail_known = asyncio.Event()
        self.oldest: float | None = None  # epoch seconds of the oldest unpublished decision

    def committed(
        self, events: Mapping[int, Event] | None = None, *, dead_letters: bool = False
    ) -> None:
        """Tell that there may be something to publish; decisions by their sequence."""
        if events and len(self._handed_over) + len(events) <= _KEPT:
            self._handed_over.update(events)
        self._letters = self._letters or dead_letters
        self._idle.clear()
        self._committed.set()

    async def drained(self) -> None:
        """Wait until everything committed so far is published."""
        await self._idle.wait()

    async def run(self) -> None:
        """Publish until cancelled.

        Raises:
            PublishFailed, KafkaUnavailable, DatabaseUnavailable: start again, with a new tail.
            Halted: the topic is ahead of the database.
        """
        self._letters = True
        await self._find_places()
        await self._find_tail()
        self.tail_known.set()
        await self._find_letters()
        while True:
            self._committed.clear()
            # A verdict never waits for more than one batch of dead letters.
            while await self._publish_decisions() or await self._publish_dead_letters():
                pass
            if not self._committed.is_set():
                self._idle.set()
            await self._committed.wait()
            self._idle.clear()

    async def _find_places(self) -> None:
        decisions, letters = self._settings.output_topic, self._settings.dead_letters_topic
        widths = await self._probe.widths([decisions, letters])
        self._has_partition = self._lane.number < widths[decisions]
        self._letter_partition = self._lane.number % widths[letters]

    async def _find_tail(self) -> None:
        if not self._has_partition:
            return
        headers = await self._probe.tail(self._settings.output_topic, self._lane.number, _TAIL)
        last = max((_sequence(one) for one in headers), default=0)
        if last > self._lane.sequence:
            # Asked behind the fence: after a hang the topic may hold what our successor decided.
            stored = await self._lane.stored_sequence()
            if last > stored:
                # An older back-up of the database was restored: its next decisions would carry
                # sequences that downstream has seen, for other orders.
                raise Halted(
                    f"lane {self._lane.number}: the decisions topic holds sequence {last}, "
                    f"the database only {stored}"
                )
        # The table's figure counts where retention has emptied the topic.
        if last > self._lane.published:
            await self._mark(last)

    async def _find_letters(self) -> None:
        """Which unpublished dead letters stand in their topic already: a crash came between."""
        rows = await self._unpublished_letters()
        if not rows:
            return
        # Several lanes may share the partition, each with a batch on the way.
        headers = await self._probe.tail(
            self._settings.dead_letters_topic, self._letter_partition, _LETTERS * 20
        )
        there = {_place(one) for one in headers}
        await self._mark_letters(
            [r["id"] for r in rows if (r["topic"], r["partition"], r["offset"]) in there]
        )

    async def _publish_decisions(self) -> bool:
        lane = self._lane
        if lane.published >= lane.sequence:
            self.oldest = None
            return False
        events = self._next_handed_over() or await self._next_stored()
        self.oldest = next(iter(events.values())).decided_at.timestamp()
        spans = await self._spans(self._traces, events) if self._traces else {}
        messages = [self._message(n, event, spans.get(n)) for n, event in events.items()]
        await self._append(messages)
        for span in spans.values():
            span.end()
        await self._mark(max(events))
        self._metrics.published.inc(len(events))
        return True

    def _next_handed_over(self) -> dict[int, Event]:
        events: dict[int, Event] = {}
        for sequence in range(self._lane.published + 1, self._lane.published + _BATCH + 1):
            event = self._handed_over.pop(sequence, None)
            if event is None:
                break
            events[sequence] = event
        return events

    async def _next_stored(self) -> dict[int, Event]:
        # What was handed over lies behind a gap.
        self._handed_over.clear()
        lane = self._lane
        async with self._store.session() as session:
            rows = await session.rows("unpublished_decisions", lane.number, lane.published, _BATCH)
        return {row["sequence"]: Event(*(row[name] for name in Event._fields)) for row in rows}

    async def _spans(self, traces: Traces, events: Mapping[int, Event]) -> dict[int, "Span"]:
        """By sequence, the spans of what is published now, of orders that came with a context."""
        async with self._store.session() as session:
            found = await session.rows("traces_of", [event.order_id for event in events.values()])
        parents = {row["order_id"]: (row["traceparent"], row["tracestate"]) for row in found}
        return {
            sequence: traces.sent(event, parent, self._settings.output_topic)
            for sequence, event in events.items()
            if (parent := parents.get(event.order_id))
        }

    async def _append(self, messages: Sequence[Message]) -> None:
        """Publish, and do not leave before it is known what became of it.

        What is on its way cannot be called back. A relay that was cancelled and took its leave at
        once would have a successor that reads the tail too early, and publishes it all again.
        """
        publishing = asyncio.ensure_future(self._publisher.publish(messages))
        try:
            await asyncio.shield(publishing)
        except asyncio.CancelledError:
            await asyncio.gather(publishing, return_exceptions=True)
            raise

    async def _mark(self, sequence: int) -> None:
        async with self._store.session() as session:
            await session.execute("mark_published", self._lane.number, sequence)
        self._lane.published = sequence

    def _message(self, sequence: int, event: Event, span: "Span | None") -> Message:
        order = event.order_id.encode()
        headers = [
            _SPECVERSION,
            (names.CE_ID, str(event.id).encode()),
            (names.CE_TYPE, self._type(event.kind)),
            self._source,
            (names.CE_TIME, _time(event.decided_at)),
            (names.CE_PARTITIONKEY, order),
            (names.CE_SEQUENCE, str(sequence).encode()),
            _CONTENT_TYPE,
        ]
        if self._traces and span:
            headers += self._traces.headers(span)
        return Message(
            self._settings.output_topic, self._lane.number, order, event.value.encode(), headers
        )

    async def _publish_dead_letters(self) -> bool:
        if not self._letters:
            return False
        # Before the look and not after it: what is committed meanwhile must not be forgotten.
        self._letters = False
        rows = await self._unpublished_letters()
        if not rows:
            return False
        self._letters = True
        try:
            await self._append([self._letter(row) for row in rows])
        except TooLarge:
            # Some of the others may have been appended.
            await self._find_letters()
            for row in await self._unpublished_letters():
                await self._publish_alone(self._letter(row))
                await self._mark_letters([row["id"]])
        else:
            await self._mark_letters([row["id"] for row in rows])
        return True

    async def _publish_alone(self, letter: Message) -> None:
        try:
            await self._append([letter])
        except TooLarge:
            # The topic allows less than the one it came from. The bytes are in Postgres.
            headers = [*letter.headers[-_OURS:], (names.VALUE_OMITTED, b"too-large")]
            await self._append([letter._replace(value=None, headers=headers)])

    async def _unpublished_letters(self) -> Sequence[Any]:
        async with self._store.session() as session:
            return await session.rows("unpublished_dead_letters", self._lane.number, _LETTERS)

    async def _mark_letters(self, ids: Sequence[int]) -> None:
        async with self._store.session() as session:
            await session.execute("mark_dead_letters_published", ids)

    def _letter(self, row: Any) -> Message:
        came = [
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
        headers = came + [(name, value.encode()) for name, value in ours.items()]
        return Message(
            self._settings.dead_letters_topic,
            self._letter_partition,
            row["key"],
            row["value"],
            headers,
        )


@cache
def _type(kind: str) -> bytes:
    return f"marketplace.order.{kind}.v1".encode()


@cache
def _rehearsed_type(kind: str) -> bytes:
    return names.rehearsed(_type(kind).decode()).encode()


@lru_cache(maxsize=1024)
def _time(moment: datetime) -> bytes:
    """Thousands of verdicts share one."""
    return moment.isoformat().replace("+00:00", "Z").encode()


def _sequence(headers: Sequence[tuple[str, bytes]]) -> int:
    for name, value in headers:
        if name == names.CE_SEQUENCE and value.isdigit():
            return int(value)
    return 0


def _place(headers: Sequence[tuple[str, bytes]]) -> tuple[str, int, int] | None:
    found = dict(headers)  # ours stand last, so they win over headers of the refused record
    try:
        return (
            found[names.SOURCE_TOPIC].decode(),
            int(found[names.SOURCE_PARTITION]),
            int(found[names.SOURCE_OFFSET]),
        )
    except (KeyError, ValueError):
        return None
