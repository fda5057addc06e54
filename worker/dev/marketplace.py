"""A sample marketplace: orders enter at a steady rate, and its sellers act on them."""

import asyncio
import heapq
import json
import random
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from schemas import events as names
from worker.dev.ledger import UNREADABLE, Entry, Fact, Ledger, Message
from worker.dev.sellers import Step, Terms, behave
from worker.settings import Settings

_TICK = 0.02
_BATCH = 500
# Some portals run on librdkafka, whose partitioner differs: their acts reach foreign lanes.
_OTHER_PARTITIONER = 0.1
_PLAIN = 0.1  # clients that know no CloudEvents
_SOURCE = b"/plazo/dev/marketplace"

# After the last order: time for the acts of sellers after their verdicts, and to decide them.
AFTERMATH = timedelta(seconds=5)


@asynccontextmanager
async def publisher(
    bootstrap_servers: str, ledger: Ledger
) -> AsyncIterator[Callable[[Sequence[Message]], Any]]:
    """A function that publishes messages in order and enters the acknowledged ones."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        linger_ms=2,
        max_request_size=100_000_000,
        # One record a batch. The embedded broker reports the end of a partition as the first
        # offset of its last batch plus one: the proof would miss the rest of larger batches.
        max_batch_size=1,
    )

    async def publish(messages: Sequence[Message]) -> None:
        sent = [
            await producer.send(
                m.topic, m.value, key=m.key, partition=m.partition, headers=list(m.headers)
            )
            for m in messages
        ]
        for message, acknowledged in zip(messages, sent, strict=True):
            await acknowledged
            ledger.enter(message, datetime.now(UTC))

    try:
        await producer.start()
        yield publish
    finally:
        await producer.stop()


class Marketplace:
    """Publishes ``rate`` orders a second, and the acts of their sellers, in real time.

    It begins with orders that entered up to a window ago, so that deadlines lapse from the start.
    With ``lasting`` it plans so that every verdict can fall within that time. Orders are numbered
    from ``first`` on.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        *,
        rate: float,
        partitions: int,
        lasting: timedelta | None,
        seed: int | None = None,
        first: int = 1,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._rate = rate
        self._partitions = partitions
        self._terms = Terms(settings.stock_window.total_seconds(), settings.grace.total_seconds())
        self._enter_until = float("inf")  # seconds from the start
        if lasting is not None:
            after = self._terms.fires + AFTERMATH.total_seconds()
            self._enter_until = lasting.total_seconds() - after
        self._dice = random.Random(seed)  # noqa: S311
        self._began = 0.0
        self._entered = 0
        self._numbers = count(first)
        self._turns = count()
        self._steps: list[tuple[float, int, Message]] = []

    async def run(self, bootstrap_servers: str) -> None:
        """Publish; returns when the last planned record is out, never without ``lasting``."""
        began = time.time()
        self.begin(began)
        async with publisher(bootstrap_servers, self._ledger) as publish:
            while not self.over(time.time() - began):
                if due := self.due(time.time()):
                    await publish(due)
                else:
                    await asyncio.sleep(_TICK)

    def begin(self, now: float) -> None:
        """Enter the orders of the past."""
        self._began = now
        # The oldest lapses in a second: by then its acts stand in the log.
        oldest = now - self._terms.window + 1.0
        newest = now + min(0.0, self._enter_until)
        for number in range(int(max(0.0, newest - oldest) * self._rate)):
            self._enter(oldest + number / self._rate)

    def due(self, now: float) -> list[Message]:
        """The messages to publish by now, in order; at most a batch at a time."""
        elapsed = min(now - self._began, self._enter_until)
        while self._entered < elapsed * self._rate:
            self._enter(self._began + self._entered / self._rate)
            self._entered += 1
        due: list[Message] = []
        while self._steps and self._steps[0][0] <= now and len(due) < _BATCH:
            due.append(heapq.heappop(self._steps)[2])
        return due

    def over(self, elapsed: float) -> bool:
        """Whether no record is planned and no order will enter any more."""
        return not self._steps and elapsed >= self._enter_until

    def _enter(self, entered_at: float) -> None:
        order_id = f"v{next(self._numbers):08d}mkt-01"
        did, behaviour = behave(self._dice)
        steps = list(behaviour(self._terms, self._dice))
        self._ledger.open(order_id, did, planned=len(steps))
        plain = self._dice.random() < _PLAIN
        foreign = self._dice.random() < _OTHER_PARTITIONER
        entered = datetime.fromtimestamp(entered_at, UTC)
        body = self._order(order_id, entered)
        for step in steps:
            message = self._message(order_id, body, entered, step, plain, foreign)
            heapq.heappush(self._steps, (entered_at + step.at, next(self._turns), message))

    def _order(self, order_id: str, entered_at: datetime) -> dict[str, Any]:
        price = f"{self._dice.randrange(20, 900)}.90"
        return {
            "order_id": order_id,
            "seller_id": f"s-{self._dice.randrange(40):03d}",
            "fulfilment": self._dice.choice(["courier", "dropshipping"]),
            "entered_at": entered_at.isoformat(),
            "total": price,
            "currency": "PEN",
            "lines": [
                {"sku": f"A-{self._dice.randrange(500)}", "quantity": 1, "unit_price": price}
            ],
        }

    def _message(
        self,
        order_id: str,
        order: dict[str, Any],
        entered_at: datetime,
        step: Step,
        plain: bool,
        foreign: bool,
    ) -> Message:
        key = order_id.encode()
        occurred = entered_at + timedelta(seconds=step.occurred)
        topic = self._settings.order_status_changed_topic
        partition = zlib.crc32(key) % self._partitions if foreign else None
        if step.garbage:
            value = b'{"order_id":"' + key + b'","status":"start-hand'
            headers = _headers(names.ORDER_STATUS_CHANGED, occurred)
            return Message(topic, key, value, headers, partition, ((order_id, UNREADABLE),))
        meaning: Fact | Entry
        if step.status is None:
            topic, partition = self._settings.order_created_topic, None
            kind, body = names.ORDER_CREATED, order
            meaning = Entry(entered_at)
        else:
            kind = names.ORDER_STATUS_CHANGED
            body = {
                "order_id": order_id,
                "status": step.status,
                "occurred_at": occurred.isoformat(),
                **step.body,
            }
            validation = step.body.get("validation")
            meaning = Fact(step.status, occurred, validation and all(validation.values()))
        headers = [] if plain else _headers(kind, occurred)
        value = json.dumps(body).encode()
        return Message(topic, key, value, headers, partition, ((order_id, meaning),))


def _headers(kind: str, at: datetime) -> list[tuple[str, bytes]]:
    return [
        (names.CE_SPECVERSION, names.SPECVERSION.encode()),
        (names.CE_ID, str(uuid4()).encode()),
        (names.CE_TYPE, kind.encode()),
        (names.CE_SOURCE, _SOURCE),
        (names.CE_TIME, at.isoformat().encode()),
        (names.CONTENT_TYPE_HEADER, names.CONTENT_TYPE.encode()),
    ]
