"""The producer: appends records to a partition, in order, and waits for acknowledgements."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from worker.errors import PublishFailed
from worker.kafka.client import client_options
from worker.settings import Settings

# In seconds. The client itself never gives up on an idempotent batch.
_TIMEOUT = 30.0
_BATCH_BYTES = 262_144


class Message(NamedTuple):
    """A record to append. With ``partition`` ``None`` the key chooses the partition."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class TooLarge(Exception):
    """The broker accepts no record of this size."""


def _key(message: Message) -> bytes | None:
    # Kafka accepts a record without key and value, the client does not.
    return b"" if message.key is None and message.value is None else message.key


class Producer:
    """One producer for all lanes: made on demand, dropped whenever an outcome is unknown.

    It uses no Kafka transactions: in the Python client they can commit a record that was refused.
    The relay keeps the order and prevents repeats: it reads the topic's tail after every unknown
    outcome.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._lock = asyncio.Lock()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Append messages, in order within a partition, and wait for all acknowledgements.

        Raises:
            PublishFailed: some may have been appended and some not.
            TooLarge: one is larger than the client or the broker allows.
        """
        producer = None
        too_large = False
        try:
            async with asyncio.timeout(_TIMEOUT):
                producer = await self._connected()
                places = {(message.topic, message.partition) for message in messages}
                sent: list[Any] = []
                try:
                    for topic, partition in places:
                        if partition is None:
                            await _send_each(producer, topic, messages, sent)
                        else:
                            await _send_batches(producer, topic, partition, messages, sent)
                except MessageSizeTooLargeError:
                    too_large = True
                # All of them, even after a failure: records in flight may still be appended, and
                # the next reader of the tail must see them.
                results = await asyncio.gather(*sent, return_exceptions=True)
            for result in results:
                if isinstance(result, MessageSizeTooLargeError):
                    too_large = True
                elif isinstance(result, BaseException):
                    raise result
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            await self._discard(producer)
            raise PublishFailed(f"{type(error).__name__} on publishing") from None
        if too_large:
            raise TooLarge

    async def close(self) -> None:
        """Stop the producer; the relay finds unacknowledged records in the tail."""
        await self._discard(self._producer)

    async def _connected(self) -> Any:
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **client_options(self._settings, "relay"),
                    acks="all",
                    enable_idempotence=self._settings.kafka_idempotence,
                    # Room for a dead letter of the largest record and its headers.
                    max_request_size=self._settings.max_record_bytes + 1_048_576,
                    # The client's default of 16 KiB holds a dozen decisions, and a batch itself
                    # costs as much as its records.
                    max_batch_size=_BATCH_BYTES,
                    linger_ms=2,
                )
                try:
                    await producer.start()
                except BaseException:
                    with suppress(Exception):
                        await asyncio.wait_for(producer.stop(), 2)
                    raise
                self._producer = producer
            return self._producer

    async def _discard(self, producer: Any) -> None:
        if producer is None or producer is not self._producer:
            return
        self._producer = None
        with suppress(Exception):
            await asyncio.wait_for(producer.stop(), 2)


async def _send_each(
    producer: Any, topic: str, messages: Sequence[Message], sent: list[Any]
) -> None:
    for m in messages:
        if (m.topic, m.partition) == (topic, None):
            sent.append(await producer.send(topic, m.value, key=_key(m), headers=m.headers))


async def _send_batches(
    producer: Any, topic: str, partition: int, messages: Sequence[Message], sent: list[Any]
) -> None:
    """Send in batches made here: the client's send() costs a future and a wait for each record."""
    batch = producer.create_batch()
    for m in messages:
        if (m.topic, m.partition) != (topic, partition):
            continue
        record = {"timestamp": None, "key": _key(m), "value": m.value, "headers": m.headers}
        if batch.append(**record) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(**record)  # an empty batch accepts a record of any size
    sent.append(await producer.send_batch(batch, topic, partition=partition))


async def append(producer: Producer, messages: Sequence[Message]) -> None:
    """Publish, and return only when the outcome is known, even when cancelled.

    A message in flight cannot be recalled. If a cancelled relay returned at once, the lane's next
    relay could read the tail too early and publish the messages again.

    Raises: as :meth:`Producer.publish`.
    """
    publishing = asyncio.ensure_future(producer.publish(messages))
    try:
        await asyncio.shield(publishing)
    except asyncio.CancelledError:
        await asyncio.gather(publishing, return_exceptions=True)
        raise
