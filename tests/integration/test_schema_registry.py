"""Records by the serializers of Confluent and a real registry, from their topic to the verdict."""

import asyncio
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.support import parts
from tests.support.apicurio import Apicurio, needs_a_registry
from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.timeout(300),
    needs_a_registry,
]

_MILLIS = '{"type": "long", "logicalType": "timestamp-millis"}'
ORDER = f"""{{"type": "record", "name": "Order", "namespace": "oms", "fields": [
  {{"name": "order_id", "type": "string"}}, {{"name": "seller_id", "type": "string"}},
  {{"name": "fulfilment", "type":
    {{"type": "enum", "name": "Mode", "symbols": ["courier", "dropshipping"]}}}},
  {{"name": "entered_at", "type": {_MILLIS}}},
  {{"name": "total", "type":
    ["null", {{"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}}]}}]}}"""
ACT = f"""{{"type": "record", "name": "Act", "namespace": "oms", "fields": [
  {{"name": "order_id", "type": "string"}}, {{"name": "status", "type": "string"}},
  {{"name": "occurred_at", "type": {_MILLIS}}}]}}"""
KEY = '{"type": "record", "name": "Key", "fields": [{"name": "number", "type": "long"}]}'
JSON_ACT = """{"title": "Act", "type": "object", "properties": {"order_id": {"type": "string"},
  "status": {"type": "string"}, "occurred_at": {"type": "string"}}}"""
Serializer = Callable[[Any, SerializationContext], bytes]


class Publisher:
    """Serializes as Confluent does, and publishes by librdkafka."""

    def __init__(self, market: Market, bootstrap: str, client: SchemaRegistryClient) -> None:
        self.topics = market.topics
        self.order: Serializer = AvroSerializer(client, ORDER)
        self.act: Serializer = AvroSerializer(client, ACT)
        self.key: Serializer = AvroSerializer(client, KEY)
        self.json_act: Serializer = JSONSerializer(JSON_ACT, client)
        self._producer = Producer({"bootstrap.servers": bootstrap})

    def send(self, topic: str, key: bytes, serializer: Serializer, value: dict[str, Any]) -> None:
        context = SerializationContext(topic, MessageField.VALUE)
        self.send_raw(topic, key, serializer(value, context))

    def send_raw(self, topic: str, key: bytes, value: bytes | None) -> None:
        self._producer.produce(topic, key=key, value=value)
        assert self._producer.flush(30) == 0

    def send_order(self, order: str, entered: datetime) -> None:
        value = {"order_id": order, "seller_id": "s-7", "fulfilment": "courier",
                 "entered_at": entered, "total": None}  # fmt: skip
        self.send(self.topics.order_created, order.encode(), self.order, value)

    def key_of(self, number: int) -> bytes:
        context = SerializationContext(self.topics.order_status_changed, MessageField.KEY)
        return self.key({"number": number}, context)


def publish(publisher: Publisher, entered: datetime) -> None:
    acts = publisher.topics.order_status_changed
    for order in ("silent", "avro", "json", "odd", "40484048"):
        publisher.send_order(order, entered)
    at = entered + timedelta(hours=1)
    for order, serializer, told in (
        ("avro", publisher.act, at),
        ("json", publisher.json_act, at.isoformat()),
    ):
        value = {"order_id": order, "status": "start-handling", "occurred_at": told}
        publisher.send(acts, order.encode(), serializer, value)
    # A schema that nobody registered; and a value that does not fit, of an order that only the
    # schema of its key tells.
    publisher.send_raw(acts, b"odd", struct.pack(">bI", 0, 999_999) + b"\x06odd")
    fits = publisher.act(
        {"order_id": "x", "status": "y", "occurred_at": at},
        SerializationContext(acts, MessageField.VALUE),
    )
    publisher.send_raw(acts, publisher.key_of(40_484_048), fits[:5] + b"\xff")
    publisher.send_raw(acts, b"silent", None)


async def test_avro_and_json_schema_to_the_verdict(
    kafka: parts.Kafka, new_worker: Callable[..., WorkerProcess], topics: Topics, market: Market,
    registry: Apicurio,
) -> None:  # fmt: skip
    """The registry hangs at first: nothing is refused for it, and the guard shows the wait."""
    with SchemaRegistryClient({"url": registry.url}) as client:
        publisher = Publisher(market, kafka.bootstrap_servers, client)
        await asyncio.to_thread(publish, publisher, now() - timedelta(days=2))
    registry.pause()
    worker = new_worker(
        topics, schema_registry_url=registry.url, schema_registry_timeout="PT1S", proof="all"
    )
    try:
        await worker.start().wait_ready()

        async def waits() -> bool:
            return (await worker.metrics())['plazo_guard_held_lanes{reason="registry"}'] > 0

        await eventually(waits, 30)
        assert not any(await _dead_letters(worker))
        assert not await market.decisions()
    finally:
        registry.resume()
    told = await market.told(
        "silent auto-cancel stock-not-validated", "odd escalation unreadable-evidence",
        "40484048 escalation unreadable-evidence",
    )  # fmt: skip
    assert {one.value["seller_id"] for one in told} == {"s-7"}
    metrics = await worker.metrics()
    assert metrics['plazo_dead_letters_total{error="schema"}'] == 2
    assert metrics['plazo_guard_held_lanes{reason="registry"}'] == 0
    tombstone = f'plazo_records_total{{outcome="tombstone",topic="{topics.order_status_changed}"}}'
    assert metrics[tombstone] == 1
    assert await worker.sigterm() == 0


async def _dead_letters(worker: WorkerProcess) -> list[float]:
    found = await worker.metrics()
    return [n for name, n in found.items() if name.startswith("plazo_dead_letters_total")]
