"""Appends what no client of ours would write: any bytes as a header's name, any nulls."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition


class Raw(NamedTuple):
    """A record, byte by byte."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[bytes, bytes | None]] = ()


class _Name:
    """Stands for the text that these bytes encode, if there were any."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def encode(self, *_: object) -> bytes:
        return self._name


async def append(
    bootstrap: str, topic: str, partition: int, records: Sequence[Raw], *, gzip: bool = False
) -> int:
    """Append them as one batch; the offset of the first."""
    builder = _DefaultRecordBatchBuilderPy(2, int(gzip), 0, -1, -1, -1, 1 << 26)
    for number, record in enumerate(records):
        headers: Any = [(_Name(name), value) for name, value in record.headers]
        builder.append(number, None, record.key, record.value, headers)
    return await append_batch(bootstrap, topic, partition, bytes(builder.build()))


async def append_batch(bootstrap: str, topic: str, partition: int, batch: bytes) -> int:
    """Append a batch that is built already; the offset of its first record."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client._wait_on_metadata(topic)
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        request = ProduceRequest(None, -1, 20_000, [(topic, [(partition, batch)])])
        answer = await client.send(leader, request)
    finally:
        await client.close()
    [(_, [(_, code, offset, *_)])] = answer.topics
    if code:
        raise for_code(code)(topic)
    return int(offset)
