"""The producer: appends to a given partition, in order, and says when it is certain."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from worker.errors import PublishFailed
from worker.kafka.client import client_options
from worker.settings import Settings

# An idempotent batch never expires on its own.
_DEADLINE = 30.0
_BATCH_BYTES = 262_144


class Message(NamedTuple):
    """A record to append. ``partition`` ``None`` lets the key choose."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class TooLarge(Exception):
    """The broker takes no record of this size."""


def _key(message: Message) -> bytes | None:
    # Kafka takes a record without key and value, the client does not.
    return b"" if message.key is None and message.value is None else message.key


class Publisher:
    """One producer for all lanes; made at need, thrown away on any doubt.

    No Kafka transactions: from Python they can commit what was refused. Order and repeats are
    the relay's business, which reads the topic's tail after every doubt.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._turn = asyncio.Lock()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Append messages, in order per partition, and wait for all acknowledgements.

        Raises:
            PublishFailed: some may have been appended and some not.
            TooLarge: one is larger than the client or the broker allows.
        """
        producer = None
        too_large = False
        try:
            async with asyncio.timeout(_DEADLINE):
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
                # All of them, even after a failure: what is on its way may still be appended,
                # and whoever looks at the tail next must see it.
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
        """Stop the producer; what it holds was acknowledged or will be read from the tail."""
        await self._discard(self._producer)

    async def _connected(self) -> Any:
        async with self._turn:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **client_options(self._settings, "relay"),
                    acks="all",
                    enable_idempotence=self._settings.kafka_idempotence,
                    # Room for a dead letter of the largest record and its headers.
                    max_request_size=self._settings.max_record_bytes + 1_048_576,
                    # The client's own 16 KiB hold a dozen decisions, and each batch costs as much
                    # again as its records.
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
    """Ours are made for one partition: batches by hand save a future and a wait for each."""
    batch = producer.create_batch()
    for m in messages:
        if (m.topic, m.partition) != (topic, partition):
            continue
        record = {"timestamp": None, "key": _key(m), "value": m.value, "headers": m.headers}
        if batch.append(**record) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(**record)  # the first is taken, whatever its size
    sent.append(await producer.send_batch(batch, topic, partition=partition))
