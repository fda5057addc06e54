"""Decisions by a real registry, through a crash, read back by the deserializers of Confluent."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from schemas.registered import JSON_SCHEMA, registered_text
from tests.support.apicurio import Apicurio, needs_a_registry
from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

pytestmark = [pytest.mark.timeout(300), needs_a_registry]

GUARD = 'plazo_guard_held_lanes{reason="decisions-schema"}'
NewWorker = Callable[..., WorkerProcess]


async def count(market: Market, wanted: int) -> bool:
    return len(await market.records()) == wanted


async def test_decisions_wait_for_the_registry_and_each_encoding_is_read_back(
    new_worker: NewWorker, topics: Topics, market: Market, registry: Apicurio
) -> None:
    """One sequence runs through the crash and through the change of the encoding."""
    entered = now() - timedelta(days=2)
    await market.publish(*(market.order(f"a-{n}", entered) for n in range(6)))
    told = {"schema_registry_url": registry.url, "schema_registry_timeout": "PT1S"}
    avro = {**told, "decisions_encoding": "avro"}
    registry.pause()
    try:
        worker = await new_worker(topics, **avro).start().wait_ready()

        async def decided_and_waiting() -> bool:
            seen = await worker.metrics()
            made = sum(n for name, n in seen.items() if name.startswith("plazo_decisions_total"))
            return made == 6 and seen[GUARD] > 0

        await eventually(decided_and_waiting, 40)
        assert await count(market, 0)
        assert "decisions_wait" in worker.output
        worker.sigkill()
    finally:
        registry.resume()
    for published, encoding in ((6, avro), (7, {**told, "decisions_encoding": "json-schema"})):
        worker = await new_worker(topics, **encoding).start().wait_ready()
        await eventually(lambda wanted=published: count(market, wanted), 40)
        await market.publish(market.order(f"b-{published}", entered))
        await eventually(lambda wanted=published + 1: count(market, wanted), 40)
        assert (await worker.metrics())[GUARD] == 0
        assert await worker.sigterm() == 0
    read = read_back(await market.records(), registry, topics)
    assert [one["order_id"] for one in read["application/json"]] == ["b-7"]
    others = {one["order_id"] for one in read["application/avro"]}
    assert others == {*(f"a-{n}" for n in range(6)), "b-6"}
    assert {one["entered_at"] for one in read["application/avro"]} == {entered}
    assert datetime.fromisoformat(read["application/json"][0]["entered_at"]) == entered


def read_back(records: list[Any], registry: Apicurio, topics: Topics) -> dict[str, list[Any]]:
    """The values by content type; the headers must agree with them, and count without a gap."""
    context = SerializationContext(topics.decisions, MessageField.VALUE)
    last: dict[int, int] = {}
    found: dict[str, list[Any]] = {}
    with SchemaRegistryClient({"url": registry.url}) as client:
        by_schema: Any = JSONDeserializer(
            registered_text(JSON_SCHEMA), schema_registry_client=client
        )
        read = {"application/avro": AvroDeserializer(client), "application/json": by_schema}
        for record in records:
            headers = {name: told.decode() for name, told in record.headers}
            value = read[headers["content-type"]](record.value, context)
            assert record.key.decode() == value["order_id"]
            assert headers["ce_id"] == value["id"]
            assert headers["ce_type"] == value["type"]
            assert int(headers["ce_sequence"]) == value["sequence"]
            assert value["sequence"] == last.get(record.partition, 0) + 1
            last[record.partition] = value["sequence"]
            found.setdefault(headers["content-type"], []).append(value)
    return found


async def test_a_subject_of_other_records_is_said_by_the_check(
    new_worker: NewWorker, topics: Topics, market: Market, registry: Apicurio
) -> None:
    """And nothing is published until it is settled, which takes no restart."""
    subject = f"{topics.decisions}-value"
    with SchemaRegistryClient({"url": registry.url}) as client:
        client.register_schema(subject, Schema('"string"', "AVRO"))
        client.set_compatibility(subject, "FULL_TRANSITIVE")
        told = {"schema_registry_url": registry.url, "decisions_encoding": "avro"}
        await market.publish(market.order("a", now() - timedelta(days=2)))
        worker = await new_worker(topics, **told).start().wait_ready()

        async def waits() -> bool:
            return (await worker.metrics())[GUARD] > 0

        await eventually(waits, 40)
        check = new_worker(topics, arguments=["check"], **told).start()
        assert await check.wait() == 1
        assert "refuses it as" in " ".join(check.output.split())
        assert await count(market, 0)
        client.set_compatibility(subject, "NONE")
        await eventually(lambda: count(market, 1), 40)
    assert await worker.sigterm() == 0
