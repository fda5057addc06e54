"""The relay of the outbox: publishes decisions from their table to their topic, by sequence.

The topic itself is the record of all that was published. On take-over, and whenever the outcome of
a publication is unknown, the relay reads the tail of the lane's partition. It continues after the
last sequence there.

A sweep hands its events over once they are committed, so the relay need not read them again. It
reads all others from the table.
"""

import asyncio
from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import orjson

from schemas import events as names
from worker.clock import Clock
from worker.errors import Halted, TopicsNotFit
from worker.kafka.offsets import OffsetReader
from worker.kafka.producer import Message, Producer, append
from worker.lanes.lane import Lane
from worker.observability.metrics import Metrics
from worker.observability.tracing import Traces
from worker.outbox.encoding import Encoding, PlainJson
from worker.outbox.events import Event, published_value, wire_time
from worker.outbox.tail import Tail
from worker.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_BATCH = 1000
# Repeats from a hung predecessor may follow the last event of its successor: a batch at most.
_TAIL = 2 * _BATCH
# A mark that a failover lost may lie further back. Beyond this, decisions are published again.
_LONGEST_TAIL = 64 * _TAIL
# Most events per lane that are handed over and not yet published.
_KEPT = 2 * _BATCH

_SPECVERSION = (names.CE_SPECVERSION, b"1.0")


class Relay:
    """Publishes the committed decisions and dead letters of one lane."""

    def __init__(
        self,
        lane: Lane,
        settings: Settings,
        producer: Producer,
        offsets: OffsetReader,
        clock: Clock,
        metrics: Metrics,
        traces: Traces | None = None,
        encoding: Encoding | None = None,
    ) -> None:
        self._lane = lane
        self._settings = settings
        self._producer = producer
        self._offsets = offsets
        self._clock = clock
        self._metrics = metrics
        self._traces = traces
        self._encoding = encoding or PlainJson()
        self._content_type = (names.CONTENT_TYPE_HEADER, self._encoding.content_type)
        self._source = (names.CE_SOURCE, f"/plazo/{settings.group_id}".encode())
        self._committed = asyncio.Event()
        self._handed_over: dict[int, Event] = {}
        # A lane beyond the partitions of order-created has no orders and decides nothing.
        self._has_partition = True
        # With no backlog there is nothing to drain, even while the broker is away.
        self._idle = asyncio.Event()
        if lane.published >= lane.sequence:
            self._idle.set()
        self._type = _shadow_type if settings.mode == "shadow" else _type
        # No verdict may be issued before the tail is read: it could take a sequence in use.
        self.tail_known = asyncio.Event()

    def committed(self, events: Mapping[int, Event]) -> None:
        """Decisions were committed, by their sequence."""
        if len(self._handed_over) + len(events) <= _KEPT:
            self._handed_over.update(events)
        self._idle.clear()
        self._committed.set()

    async def drained(self) -> None:
        """Wait until everything committed so far is published."""
        await self._idle.wait()

    async def run(self) -> None:
        """Publish until cancelled.

        Raises:
            PublishFailed, TooLarge, KafkaUnavailable, DatabaseUnavailable, TopicsNotFit: run
                again, from a new tail.
            Halted: the topic is ahead of the database, or holds other decisions; or decisions are
                missing from their table.
            Fenced, StateLost: take the lane again.
        """
        await self._find_tail()
        self.tail_known.set()
        # Now and not at the first verdict, which may be a day away: so a fault shows at once.
        await self._encoding.ready(self._lane.number)
        while True:
            self._committed.clear()
            while await self._publish():
                pass
            if not self._committed.is_set():
                self._idle.set()
            await self._committed.wait()
            self._idle.clear()

    async def _find_tail(self) -> None:
        topic, lane = self._settings.output_topic, self._lane
        widths = await self._offsets.widths([topic])
        if topic not in widths:
            raise TopicsNotFit(f"missing: {topic}")
        self._has_partition = lane.number < widths[topic]
        if not self._has_partition:
            return
        tail = await self._read_tail(topic)
        if tail.last > lane.sequence:
            # Read after the fence: after a hang the topic may hold decisions of our successor.
            stored = await lane.stored_sequence()
            if tail.last > stored:
                # An older backup of the database was restored. Its next decisions would repeat
                # sequences that consumers have seen with other orders.
                raise Halted(
                    f"lane {lane.number}: the decisions topic holds sequence {tail.last}, "
                    f"the database only {stored}"
                )
        rows = await lane.database.rows("decision_ids", lane.number, sorted(tail.ids))
        other = tail.contradicts({row["sequence"]: str(row["id"]) for row in rows})
        if other is not None:
            # The database lost decisions that were published, and has used their sequences again.
            raise Halted(
                f"lane {lane.number}: sequence {other} is one decision in the topic and another "
                "in the database"
            )
        # If retention has emptied the topic, the mark in the table counts.
        published = tail.published_after(lane.published)
        if published > lane.published:
            await self._mark(published)

    async def _read_tail(self, topic: str) -> Tail:
        """The tail, far enough back to meet the mark of what is known as published."""
        count = _TAIL
        while True:
            records = await self._offsets.tail(topic, self._lane.number, count)
            tail = Tail.of(records)
            met = min(tail.ids, default=0) <= self._lane.published + 1
            if met or len(records) < count or count >= _LONGEST_TAIL:
                return tail
            count *= 4

    async def _publish(self) -> bool:
        """Publish one batch of decisions; returns whether there was one."""
        lane = self._lane
        if lane.published >= lane.sequence:
            return False
        events = self._next_handed_over() or await self._next_stored()
        if not events:
            await lane.look(lane.sequence)  # the database lost them with later commits, usually
            raise Halted(
                f"lane {lane.number}: decisions {lane.published + 1} to {lane.sequence} are not "
                "in the database, and not known as published"
            )
        spans = await self._spans(self._traces, events) if self._traces else {}
        messages = [self._message(n, event, spans.get(n)) for n, event in events.items()]
        smaller = partial(self._smaller, events)
        # A worker that froze here, or whose database failed over, would append sequences that have
        # another meaning by now.
        await lane.look(max(events))
        await append(self._producer, messages, smaller)
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
        # The events handed over come after a gap.
        self._handed_over.clear()
        lane = self._lane
        rows = await lane.database.rows(
            "unpublished_decisions", lane.number, lane.published, _BATCH
        )
        return {row["sequence"]: _stored(row) for row in rows}

    async def _spans(self, traces: Traces, events: Mapping[int, Event]) -> dict[int, "Span"]:
        """The spans of this batch, by sequence; only for orders with a trace context."""
        found = await self._lane.database.rows(
            "order_traces", [event.order_id for event in events.values()]
        )
        parents = {row["order_id"]: (row["traceparent"], row["tracestate"]) for row in found}
        return {
            sequence: traces.sent(event, parent, self._settings.output_topic)
            for sequence, event in events.items()
            if (parent := parents.get(event.order_id))
        }

    async def _mark(self, sequence: int) -> None:
        async with self._lane.database.session() as session:
            await session.execute("mark_published", self._lane.number, sequence)
        self._lane.published = sequence

    def _message(self, sequence: int, event: Event, span: "Span | None") -> Message:
        order, ce_type = event.order_id.encode(), self._type(event.kind)
        id_ = str(event.id).encode()
        headers = [
            _SPECVERSION,
            (names.CE_ID, id_),
            (names.CE_TYPE, ce_type),
            self._source,
            (names.CE_TIME, wire_time(event.decided_at)),
            (names.CE_PARTITIONKEY, order),
            (names.CE_SEQUENCE, str(sequence).encode()),
            self._content_type,
        ]
        if self._traces and span:
            headers += self._traces.headers(span)
        value = published_value(event.value, id_, ce_type, sequence)
        return Message(
            self._settings.output_topic, self._lane.number, order, self._encoding.encode(value),
            headers,
        )  # fmt: skip

    def _smaller(self, events: Mapping[int, Event], message: Message) -> Message | None:
        """The decision without the acts that it rests on; `plazo explain` shows them."""
        if any(name == names.EVIDENCE_OMITTED for name, _ in message.headers):
            return None
        sequence = int(dict(message.headers)[names.CE_SEQUENCE])
        event = events[sequence]
        id_, ce_type = str(event.id).encode(), self._type(event.kind)
        value = orjson.loads(published_value(event.value, id_, ce_type, sequence))
        evidence = value["evidence"]
        omitted = evidence.get("omitted", 0) + len(evidence["acts"])
        value["evidence"] = {"acts": [], "omitted": omitted, "read_to": {}}
        headers = [*message.headers, (names.EVIDENCE_OMITTED, b"too-large")]
        return message._replace(value=self._encoding.encode(orjson.dumps(value)), headers=headers)


def _stored(row: Any) -> Event:
    event = Event(*(row[name] for name in Event._fields))
    return event._replace(value=row["value"].encode())


@cache
def _type(kind: str) -> bytes:
    return names.decision_type(kind).encode()


@cache
def _shadow_type(kind: str) -> bytes:
    return names.shadow_type(names.decision_type(kind)).encode()
