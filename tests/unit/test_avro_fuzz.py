"""Bytes that no serializer writes: what is read is what the library reads, all else is refused."""

import io
import json
import random
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many

from tests.unit.test_avro import logical, record, written
from worker.ingest.decoder import Decoder
from worker.ingest.registry.avro import avro_reader
from worker.ingest.registry.avro_limits import AvroInvalid
from worker.ingest.registry.schemas import Schemas
from worker.observability.guards import Guards
from worker.observability.metrics import Metrics
from worker.records import Record, Refusal
from worker.registry.client import SchemaText
from worker.settings import Settings

ENUM = {"type": "enum", "name": "Mode", "symbols": ["courier", "dropshipping"]}
FIXED = {"type": "fixed", "name": "Four", "size": 4}
INNER = record("Inner", sku="string", mode="Mode", four=FIXED, ratio="double", share="float")
EVERYTHING = record(
    "All",
    order_id="string", mode=ENUM, total=["null", "bytes"], told=["null", "boolean", "Mode", "long"],
    lines=["null", {"type": "array", "items": INNER}], labels={"type": "map", "values": "string"},
    more={"type": "array", "items": ["null", "Inner", "string"]}, number="int", raw="bytes",
)  # fmt: skip
TIMES = record(
    "Times",
    order_id="string", status="string", occurred_at=logical("long", "timestamp-micros"),
    total=["null", logical("bytes", "decimal", precision=12, scale=2)],
    day=["null", logical("int", "date")], uid=["null", logical("string", "uuid")],
)  # fmt: skip


def by_the_library(schema: Any, raw: bytes) -> Any:
    stream = io.BytesIO(raw)
    found: Any = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    assert not stream.read()
    return found


def plain(found: Any) -> Any:
    """As the JSON has it, but for texts in Base64."""
    if isinstance(found, dict):
        return {name: plain(one) for name, one in found.items()}
    if isinstance(found, list):
        return [plain(one) for one in found]
    return "bytes" if isinstance(found, bytes) else found


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, cut off, doubled or put in."""
    found = bytearray(raw)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(5):
            case 0:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del found[at:]
            case 2:
                found[at:at] = found[at : at + chance.randrange(9)]
            case 3:
                found[at:at] = chance.choice(
                    [b"\x01", b"\xff" * 9 + b"\x01", b"\x80" * 11, b"\x03"]
                )
            case _:
                del found[at : at + 1]
    return bytes(found)


def test_values_are_read_as_the_library_reads_them() -> None:
    read = avro_reader(json.dumps(EVERYTHING), [])
    seen = 0
    for value in generate_many(fastavro.parse_schema(EVERYTHING), 200):
        raw = written(EVERYTHING, value)
        ours, theirs = json.loads(read(raw)), plain(by_the_library(EVERYTHING, raw))
        for name in ("total", "raw"):
            ours[name] = "bytes" if ours[name] is not None else None
        for line in [*(ours["lines"] or ()), *(m for m in ours["more"] if isinstance(m, dict))]:
            line["four"] = "bytes"
        assert ours == theirs
        seen += 1
    assert seen == 200


@pytest.mark.parametrize(
    ("schema", "raw", "message"),
    [
        (ENUM, b"\x01", "an enum has no symbol"), (ENUM, b"\x04", "an enum has no symbol"),
        (ENUM, b"\xff\xff\xff\xff\x0f", "an enum has no symbol"),
        (["null", "string"], b"\x01\x02a", "a union has no branch"),
        (["null", "string"], b"\x03", "a union has no branch"),
        (["null", "string"], b"\x04", "a union has no branch"),
        (record(told=["null", ENUM]), b"\x02\x03", "an enum has no symbol"),
        ("string", b"\x01a", "a length is negative"),
        ("bytes", b"\x81\x01", "a length is negative"),
        ("string", b"\x04a", "bytes are missing"), ("string", b"", "bytes are missing"),
        ("long", b"\xff" * 9 + b"\x03", "a number is too long"),
        ("long", b"\x80" * 12, "a number is too long"), ("long", b"\x80", "bytes are missing"),
        ("double", b"\0" * 7, "bytes are missing"), (FIXED, b"abc", "bytes are missing"),
        ({"type": "array", "items": "string"}, b"\x02", "bytes are missing"),
        ("boolean", b"\x02", "a boolean"),
    ],
)  # fmt: skip
def test_what_no_serializer_writes_is_refused_by_its_name(
    schema: Any, raw: bytes, message: str
) -> None:
    with pytest.raises(AvroInvalid, match=message):
        avro_reader(json.dumps(schema), [])(raw)


def test_blocks_with_their_size_are_read() -> None:
    """A negative count, as some serializers write it."""
    schema = {"type": "array", "items": "string"}
    assert avro_reader(json.dumps(schema), [])(b"\x03\x04\x02a\x02b\x00") == b'["a","b"]'


def test_names_of_fields_that_are_words_of_python_are_names() -> None:
    odd = record("R", **{"class": "string", "body": "string", "at": "long", "__import__": "null"})
    value = {"class": "a", "body": "b", "at": -3, "__import__": None}
    assert json.loads(avro_reader(json.dumps(odd), [])(written(odd, value))) == value


class Registry:
    async def schema(self, schema: int) -> SchemaText:
        return SchemaText("AVRO", json.dumps([EVERYTHING, TIMES][schema - 1]))


async def test_thousands_of_mutated_frames_are_read_or_refused() -> None:
    settings = Settings(_env_file=None, schema_registry_url="http://127.0.0.1:9")
    metrics = Metrics(settings)
    client: Any = Registry()
    clock: Any = type("Clock", (), {"monotonic": lambda _: 0.0})()
    schemas = Schemas(client, {"AVRO": avro_reader}, clock, metrics, Guards(metrics))
    await schemas.fetch(0, {1, 2})
    decoder = Decoder.of(settings, timedelta(days=1), schemas)
    chance, now = random.Random(7), datetime(2026, 11, 24, tzinfo=UTC)
    act = {"order_id": "o-1", "status": "start-handling", "occurred_at": now, "total": None,
           "day": now.date(), "uid": None}  # fmt: skip
    frames = [struct.pack(">bI", 0, 2) + written(TIMES, act)] * 20
    frames += [
        struct.pack(">bI", 0, 1) + written(EVERYTHING, one)
        for one in generate_many(fastavro.parse_schema(EVERYTHING), 20)
    ]
    read = 0
    for number in range(4_000):
        value = mutated(frames[number % len(frames)], chance)
        if value[:5] not in (frames[0][:5], frames[-1][:5]):
            continue  # of another schema, which is waited for
        one = Record(settings.order_status_changed_topic, 0, number, 0, b"o-1", value, ())
        read += not isinstance(decoder.decode(one, now), Refusal)
    assert read > 20
