"""A marketplace that publishes the plans of its orders, and remembers the acknowledgements.

Everything follows from the seed, except the clock.
"""

import asyncio
import heapq
import json
import random
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from importlib.util import find_spec
from itertools import count
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.support.topics import Topics

from .behaviours import BEHAVIOURS
from .oracle import Act, Published, Unreadable
from .plan import Message, Order, Partitioner, Plan

CREATED = "marketplace.order.created.v1"
STATUS_CHANGED = "marketplace.order.status-changed.v1"

# Workers under test are told to refuse larger records.
MAX_RECORD_BYTES = 20_000

LIMA = timezone(timedelta(hours=-5))


@dataclass(order=True)
class _Step:
    at: float
    number: int
    message: Message = field(compare=False)


class World:
    """Plans the orders, publishes them, and remembers what the broker acknowledged."""

    def __init__(
        self,
        seed: int,
        orders: int,
        topics: Topics,
        window: timedelta,
        grace: timedelta,
        spread: float,
        behaviours: Sequence[str] = (),
    ) -> None:
        self.random = random.Random(seed)
        self.topics = topics
        self.window = window
        self.grace = grace
        self.orders: dict[str, Order] = {}
        self.poisoned: dict[tuple[str, int, int], str] = {}
        self.published: Counter[str] = Counter()
        self.last_stored_at = datetime.now(UTC)
        self._seed = seed
        self._size = orders
        self._spread = spread
        self._names = list(behaviours) or list(BEHAVIOURS)
        self._numbers = count()
        self._nonces = count()
        self._steps: list[_Step] = []
        self._waiting: dict[str, list[tuple[float, Message]]] = {}
        # A client that repeats a record whose acknowledgement was lost knows one place of two, and
        # so would the judge. The embedded broker has no idempotence, and loses no answers.
        self.idempotence = False
        self._librdkafka: Any = None

    async def publish(
        self,
        bootstrap: str,
        first_seen: dict[str, datetime],
        give_up_after: float = 30.0,
        batch: int = 500,
    ) -> None:
        """Play the plan in real time; ``first_seen`` is when each order's first verdict was read.

        Acts meant for after a verdict that never comes are left out: the audit will miss it.
        """
        loop = asyncio.get_running_loop()
        self._plan()
        began = loop.time()
        last_planned = max((step.at for step in self._steps), default=0.0)
        end = last_planned + self.window.total_seconds() + give_up_after
        # One record a batch: of larger ones the embedded broker miscounts the end.
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            linger_ms=2,
            max_request_size=2_000_000,
            max_batch_size=1,
            enable_idempotence=self.idempotence,
        )
        await producer.start()
        try:
            while self._steps or self._waiting:
                now = loop.time() - began
                if now > end:
                    break
                for order_id in [one for one in self._waiting if one in first_seen]:
                    for delay, message in self._waiting.pop(order_id):
                        self._at(now + delay, message)
                due: list[Message] = []
                while self._steps and self._steps[0].at <= now and len(due) < batch:
                    due.append(heapq.heappop(self._steps).message)
                if due:
                    await self._send(producer, bootstrap, due)
                else:
                    await asyncio.sleep(0.02)
        finally:
            await producer.stop()
            self._librdkafka = None  # it would go on looking for the broker

    # Records.

    def created(self, order: Order, **changes: Any) -> Message:
        """The order-created of an order."""
        body = {
            "order_id": order.order_id,
            "seller_id": f"s-{self.random.randrange(50)}",
            "fulfilment": order.fulfilment,
            "entered_at": self._time(order.entered_at),
            "total": "120.00",
            "currency": "PEN",
            "lines": [{"sku": "A-1", "quantity": 1, "unit_price": "120.00"}],
            "unknown_to_plazo": {"nested": [1, 2, 3]},
            **changes,
        }
        return self._message(
            self.topics.order_created,
            CREATED,
            order,
            body,
            partitioner=order.partitioner,
            enters=order,
        )

    def act(
        self,
        order: Order,
        status: str,
        occurred_at: datetime,
        *,
        stock: tuple[bool, bool, bool] | None = None,
        form: dict[str, str] | None = None,
        partitioner: Partitioner | None = None,
        structured: bool = False,
    ) -> Message:
        """A status change of an order."""
        body: dict[str, Any] = {
            "order_id": order.order_id,
            "status": status,
            "occurred_at": self._time(occurred_at),
        }
        if stock is not None:
            body["validation"] = dict(
                zip(("in_stock", "functional", "complete"), stock, strict=True)
            )
        if form is not None:
            body["dispute"] = form
        fact = Act(status, occurred_at, None if stock is None else all(stock))
        return self._message(
            self.topics.order_status_changed,
            STATUS_CHANGED,
            order,
            body,
            structured=structured,
            partitioner=partitioner or order.partitioner,
            tells=((order, fact),),
        )

    def poison(self, order: Order, other: Order | None = None) -> Message:
        """A record that names the order and cannot be read, of some class."""
        nonce = f"poison-{self._seed}-{next(self._nonces)}"
        good = {
            "order_id": order.order_id,
            "status": "start-handling",
            "occurred_at": self._time(order.entered_at),
            "nonce": nonce,
        }
        key: bytes | None = order.order_id.encode()
        kind, tells = STATUS_CHANGED, [order]
        value: bytes | None
        flaw = "other" if other else self.random.choice(FLAWS)
        if flaw == "not-json":
            value = b'{"status": "start-handling", ' + nonce.encode()
        elif flaw == "empty":
            value = None
        elif flaw == "no-key":
            key, value = None, _json(good)
        elif flaw == "not-utf8-key":
            key, value = b"\xff\xfe" + nonce.encode(), _json(good)
        elif flaw == "other":
            assert other is not None
            tells.append(other)
            value = _json({**good, "order_id": other.order_id})
        elif flaw == "oversize":
            value = _json({**good, "filling": "x" * (MAX_RECORD_BYTES + 1)})
        elif flaw == "unknown-type":
            kind, value = "marketplace.order.status-changed.v9", _json(good)
        else:
            value = _json({**good, **_FIELDS[flaw]})
        return Message(
            self.topics.order_status_changed,
            key,
            value,
            _headers(kind, nonce),
            partitioner=order.partitioner,
            tells=tuple((one, Unreadable()) for one in tells),
            poison=True,
        )

    def unreadable_order(self, order: Order) -> Message:
        """An order-created that has to be refused, with a deadline that can be read or not."""
        flaws: list[dict[str, Any]] = [
            {"entered_at": self._time(datetime.now(UTC) + timedelta(hours=2))},
            {"entered_at": 1_763_823_845},
            {"entered_at": "2026-11-22T15:04:05"},
            {"entered_at": "9999-12-31T23:59:59-14:00"},
            {"seller_id": None},
            {"fulfilment": " "},
            {"currency": "soles"},
            {"total": 120.0},
            {"seller_id": "nul \x00"},
        ]
        flaw = self.random.choice(flaws)
        good = self.created(order, **flaw)
        order.salvaged_fulfilment = "unknown" if "fulfilment" in flaw else order.fulfilment
        return Message(
            good.topic,
            good.key,
            good.value,
            good.headers,
            good.partitioner,
            enters=None if "entered_at" in flaw else order,
            tells=((order, Unreadable()),),
            poison=True,
        )

    def _message(
        self,
        topic: str,
        kind: str,
        order: Order,
        body: dict[str, Any],
        *,
        structured: bool = False,
        **rest: Any,
    ) -> Message:
        event_id = f"event-{self._seed}-{next(self._nonces)}"
        key = order.order_id.encode()
        if not structured:
            return Message(topic, key, _json(body), _headers(kind, event_id), **rest)
        envelope = {
            "specversion": "1.0",
            "type": kind,
            "id": event_id,
            "source": "/marketplace",
            "datacontenttype": "application/json",
            "data": body,
        }
        headers = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
        return Message(topic, key, _json(envelope), headers, **rest)

    def _time(self, moment: datetime) -> str:
        style = self.random.randrange(4)
        if style == 0:
            return moment.astimezone(LIMA).isoformat()
        if style == 1:
            return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{moment.microsecond:06}000Z"
        return moment.isoformat().replace("+00:00", "Z")

    # The plan.

    def _plan(self) -> None:
        now = datetime.now(UTC)
        for number in range(self._size):
            name = self._names[number % len(self._names)]
            start = self.random.uniform(0.0, self._spread)
            order = Order(
                order_id=f"v{self._seed}-{number:05}-01",
                behaviour=name,
                entered_at=now + timedelta(seconds=start),
                fulfilment=self.random.choice(["courier", "dropshipping"]),
                partitioner=self.random.choice(["murmur2", "murmur2", "murmur2", "crc32"]),
            )
            self.orders[order.order_id] = order
            plan = Plan(self, order, start)
            BEHAVIOURS[name](plan)
            for at, message in plan.steps:
                self._at(at, message)
            if plan.after_verdict:
                self._waiting[order.order_id] = plan.after_verdict

    def add_order(self, beside: Order) -> Order:
        """One more order, entered together with another."""
        order = Order(f"{beside.order_id}-b", beside.behaviour, beside.entered_at, "courier")
        self.orders[order.order_id] = order
        return order

    def _at(self, at: float, message: Message) -> None:
        heapq.heappush(self._steps, _Step(at, next(self._numbers), message))

    # Publishing.

    async def _send(
        self, producer: AIOKafkaProducer, bootstrap: str, messages: list[Message]
    ) -> None:
        sent_at = datetime.now(UTC)
        through_librdkafka = [m for m in messages if self._takes_librdkafka(m)]
        places: dict[int, tuple[str, int, int]] = {}
        futures = {}
        for index, message in enumerate(messages):
            if not self._takes_librdkafka(message):
                futures[index] = await producer.send(
                    message.topic,
                    message.value,
                    key=message.key,
                    partition=self._partition(message),
                    headers=list(message.headers),
                )
        if through_librdkafka:
            indexes = [i for i, m in enumerate(messages) if self._takes_librdkafka(m)]
            found = await asyncio.to_thread(self._send_crc32, bootstrap, through_librdkafka)
            places.update(zip(indexes, found, strict=True))
        for index, future in futures.items():
            metadata = await future
            places[index] = (metadata.topic, metadata.partition, metadata.offset)
        stored_at = datetime.now(UTC)
        for index, message in enumerate(messages):
            self._remember(message, places[index], sent_at, stored_at)
        self.last_stored_at = stored_at

    def _remember(
        self, message: Message, place: tuple[str, int, int], sent_at: datetime, stored_at: datetime
    ) -> None:
        assert place[2] >= 0, "the broker forgot where a record stands"
        self.published[message.topic] += 1
        if message.poison:
            self.poisoned[place] = ", ".join(order.order_id for order, _ in message.tells)
        if message.enters is not None and message.enters.created_at is None:
            message.enters.created_at = stored_at
            message.enters.home = place[1]
        if message.enters is not None and not message.poison:
            message.enters.readable_at = message.enters.readable_at or stored_at
        for order, fact in message.tells:
            order.facts.append(Published(fact, sent_at, stored_at, *place))

    def _partition(self, message: Message) -> int | None:
        """None leaves it to aiokafka, which partitions as the Java client does."""
        width = self.topics.widths[message.topic]
        if message.partitioner == "foreign":
            return self.random.randrange(width)
        if message.partitioner == "crc32" and message.key is not None:
            return zlib.crc32(message.key) % width
        return None

    def _takes_librdkafka(self, message: Message) -> bool:
        return (
            message.partitioner == "crc32"
            and message.key is not None
            and find_spec("confluent_kafka") is not None
        )

    def _send_crc32(self, bootstrap: str, messages: list[Message]) -> list[tuple[str, int, int]]:
        """librdkafka partitions by CRC32 of the key, unless told otherwise."""
        from confluent_kafka import Producer

        if self._librdkafka is None:
            self._librdkafka = Producer(
                {
                    "bootstrap.servers": bootstrap,
                    "linger.ms": 2,
                    "batch.num.messages": 1,
                    "enable.idempotence": self.idempotence,
                }
            )
        places: dict[int, tuple[str, int, int]] = {}
        for index, message in enumerate(messages):

            def delivered(error: Any, stored: Any, index: int = index) -> None:
                assert error is None, f"librdkafka: {error}"
                places[index] = (stored.topic(), stored.partition(), stored.offset())

            self._librdkafka.produce(
                message.topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers),
                on_delivery=delivered,
            )
        # As long as a scenario may take brokers away.
        assert self._librdkafka.flush(60) == 0, "librdkafka left records behind"
        return [places[index] for index in range(len(messages))]


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _headers(kind: str, event_id: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", kind.encode()),
        ("ce_source", b"/marketplace"),
        ("ce_id", event_id.encode()),
        ("content-type", b"application/json"),
    )


_FIELDS: dict[str, dict[str, Any]] = {
    "missing-field": {"status": None},
    "wrong-type": {"validation": {"in_stock": "yes"}},
    "number-for-time": {"occurred_at": 1_763_823_845},
    "naive-time": {"occurred_at": "2026-11-22T15:04:05"},
    "future-time": {"occurred_at": "2199-01-01T00:00:00Z"},
    "impossible-time": {"occurred_at": "2026-02-30T00:00:00Z"},
    "nul": {"status": "start\x00handling"},
    "too-long": {"status": "s" * 300},
}
FLAWS = (
    "not-json",
    "empty",
    "no-key",
    "not-utf8-key",
    "oversize",
    "unknown-type",
    *_FIELDS,
)
