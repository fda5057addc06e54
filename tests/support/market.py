"""A small marketplace for one test: publishes events by hand and reads what was decided."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.support.topics import Topics
from tests.support.waiting import eventually


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Told:
    """One decision as a plain client reads it."""

    order: str
    kind: str
    reason: str
    sequence: int
    id: str
    at: datetime
    value: dict[str, Any]
    headers: dict[str, str]


class Market:
    """Publishes to the inputs of ``topics`` and reads their outputs, over one broker."""

    def __init__(self, bootstrap_servers: str, topics: Topics, *, idempotence: bool = True) -> None:
        self.topics = topics
        self._bootstrap = bootstrap_servers
        self._idempotence = idempotence

    async def publish(
        self,
        *records: tuple[str, str | None, Any],
        partition: int | None = None,
        ce_type: str | None = None,
    ) -> None:
        """Append (topic, key, value); a value that is not bytes is written as JSON.

        Without ``ce_type`` they have no envelope.
        """
        told = {"ce_specversion": "1.0", "ce_type": ce_type} if ce_type else {}
        headers = [(name, text.encode()) for name, text in told.items()]
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, enable_idempotence=self._idempotence
        )
        await producer.start()
        try:
            for topic, key, value in records:
                data = value if isinstance(value, bytes | None) else json.dumps(value).encode()
                await producer.send_and_wait(
                    topic,
                    data,
                    key=None if key is None else key.encode(),
                    partition=partition,
                    headers=headers,
                )
        finally:
            await producer.stop()

    def order(self, order: str, entered_at: datetime | None = None) -> tuple[str, str, Any]:
        """An order-created."""
        value = {
            "order_id": order,
            "seller_id": "s-1",
            "fulfilment": "courier",
            "entered_at": (entered_at or now()).isoformat(),
        }
        return self.topics.order_created, order, value

    def act(
        self, order: str, status: str, at: datetime | None = None, **more: Any
    ) -> tuple[str, str, Any]:
        """A status change."""
        value = {"order_id": order, "status": status, "occurred_at": (at or now()).isoformat()}
        return self.topics.order_status_changed, order, value | more

    async def decisions(self) -> list[Told]:
        """Everything in the decisions topic, per partition in order."""
        return [_told(record) for record in await self.records()]

    async def records(self) -> list[Any]:
        """The same as it stands in the topic, whatever its encoding."""
        return await self._all(self.topics.decisions)

    async def orders(self) -> list[Any]:
        """Every record in the topic of the orders."""
        return await self._all(self.topics.order_created)

    async def acts(self) -> list[Any]:
        """Every record in the topic of the status changes."""
        return await self._all(self.topics.order_status_changed)

    async def dead_letters(self) -> list[Any]:
        """Every record in the dead-letter topic."""
        return await self._all(self.topics.dead_letters)

    async def told(self, *expected: str, timeout: float = 40) -> list[Told]:
        """Wait until the decisions say exactly ``expected``, each "order kind reason"."""
        found: list[Told] = []

        async def there() -> bool:
            nonlocal found
            found = await self.decisions()
            said = sorted(f"{one.order} {one.kind} {one.reason}" for one in found)
            assert said == sorted(expected), said
            return True

        await eventually(there, timeout, interval=0.2)
        return found

    async def _all(self, topic: str) -> list[Any]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            parts = [TopicPartition(topic, p) for p in range(self.topics.widths[topic])]
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            records = []
            for part, end in ends.items():
                while await consumer.position(part) < end:
                    found = await consumer.getmany(part, timeout_ms=500)
                    records += found.get(part, [])
            return records
        finally:
            with suppress(Exception):
                await consumer.stop()


def _told(record: Any) -> Told:
    headers = {name: value.decode() for name, value in record.headers}
    kind = headers["ce_type"].removeprefix("marketplace.order.").removesuffix(".v1")
    value = json.loads(record.value)
    return Told(
        order=record.key.decode(),
        kind=kind,
        reason=value["reason"],
        sequence=int(headers["ce_sequence"]),
        id=headers["ce_id"],
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        value=value,
        headers=headers,
    )
