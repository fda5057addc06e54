"""The producer: appends to a given partition, in order, and says when it is certain."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from worker.errors import PlazoError, PublishFailed
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


class TooLarge(PlazoError):
    """The topic takes no message of this size: that at ``index``; those before it are appended."""

    def __init__(self, index: int) -> None:
        super().__init__("the topic takes no record of this size")
        self.index = index


def _key(message: Message) -> bytes | None:
    # Kafka takes a record without key and value, the client does not.
    return b"" if message.key is None and message.value is None else message.key


class Producer:
    """One producer for all lanes; made at need, thrown away on any doubt.

    No Kafka transactions: from Python they can commit what was refused. Order and repeats are
    the relay's business, which reads the topic's tail after every doubt.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._turn = asyncio.Lock()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Append messages, one after the other, and wait for all acknowledgements.

        Messages for a given partition are sent batch by batch. The next batch waits for the
        acknowledgement of the last: a broker that refused one for good could take the next, and
        leave a hole.

        Raises:
            PublishFailed: some may have been appended and some not, in order and without a hole.
            TooLarge: one is larger than the client or the topic allows.
        """
        producer = None
        try:
            async with asyncio.timeout(_DEADLINE):
                producer = await self._connected()
                if any(message.partition is None for message in messages):
                    await _send_each(producer, messages)
                else:
                    await _send_batches(producer, messages)
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            await self._discard(producer)
            raise PublishFailed(f"{type(error).__name__} on publishing") from None

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
                    compression_type=_compression(self._settings),
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


def _compression(settings: Settings) -> str | None:
    """The compression as the client names it."""
    return None if settings.kafka_compression == "none" else settings.kafka_compression


async def _send_each(producer: Any, messages: Sequence[Message]) -> None:
    sent = []
    too_large = None
    for index, m in enumerate(messages):
        try:
            partition = {} if m.partition is None else {"partition": m.partition}
            sent.append(
                await producer.send(m.topic, m.value, key=_key(m), headers=m.headers, **partition)
            )
        except MessageSizeTooLargeError:
            too_large = index
            break
    # All of them, even after a failure: a message on its way may still be appended, and a reader
    # that looks at the tail next must see it.
    results = await asyncio.gather(*sent, return_exceptions=True)
    for index, result in enumerate(results):
        if isinstance(result, MessageSizeTooLargeError):
            raise TooLarge(index)
        if isinstance(result, BaseException):
            raise result
    if too_large is not None:
        raise TooLarge(too_large)


async def _send_batches(producer: Any, messages: Sequence[Message]) -> None:
    """Batches by hand save a future and a wait for each message."""
    start = 0
    while start < len(messages):
        batch, end = _batch(producer, messages, start)
        await _send_batch(producer, messages, start, end, batch)
        start = end


def _batch(producer: Any, messages: Sequence[Message], start: int, end: int = 2**31) -> Any:
    """A batch of the messages from ``start`` to one partition, and the index after its last."""
    batch, first = producer.create_batch(), messages[start]
    for index in range(start, min(end, len(messages))):
        m = messages[index]
        if (m.topic, m.partition) != (first.topic, first.partition):
            return batch, index
        taken = batch.append(timestamp=None, key=_key(m), value=m.value, headers=m.headers)
        if taken is None:  # the first is taken, whatever its size
            return batch, index
    return batch, min(end, len(messages))


async def _send_batch(
    producer: Any, messages: Sequence[Message], start: int, end: int, batch: Any
) -> None:
    """Send the messages from ``start`` to ``end``; one that the topic refuses in halves."""
    to = messages[start]
    try:
        sent = await producer.send_batch(batch, to.topic, partition=to.partition)
        await asyncio.shield(sent)
    except MessageSizeTooLargeError:
        if end - start == 1:
            raise TooLarge(start) from None
        middle = (start + end) // 2
        for first, last in ((start, middle), (middle, end)):
            half, _ = _batch(producer, messages, first, last)
            await _send_batch(producer, messages, first, last, half)


async def append(
    producer: Producer,
    messages: Sequence[Message],
    smaller: Callable[[Message], Message | None] = lambda _: None,
) -> None:
    """Publish, and do not return before the outcome is known.

    A message on its way cannot be called back. A relay that was cancelled and returned at once
    would have a successor that reads the tail too early, and publishes it all again. A message
    that is too large goes out as ``smaller`` makes it, until it fits.

    Raises: as :meth:`Producer.publish`; TooLarge if nothing smaller is left.
    """
    publishing = asyncio.ensure_future(_append(producer, messages, smaller))
    try:
        await asyncio.shield(publishing)
    except asyncio.CancelledError:
        await asyncio.gather(publishing, return_exceptions=True)
        raise


async def _append(
    producer: Producer,
    messages: Sequence[Message],
    smaller: Callable[[Message], Message | None],
) -> None:
    left = list(messages)
    while left:
        try:
            await producer.publish(left)
        except TooLarge as error:
            substitute = smaller(left[error.index])
            if substitute is None:
                raise
            left = [substitute, *left[error.index + 1 :]]
        else:
            return
