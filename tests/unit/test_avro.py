"""Avro becomes the JSON of the contract; hostile schemas and bytes cost little and are refused."""

import io
import json
import time
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from worker.ingest.registry.avro import avro_reader
from worker.ingest.registry.avro_limits import AvroInvalid, SchemaRefused

# What a schema or a value may cost here, on a busy machine; unguarded they cost minutes or memory.
SECONDS = 5.0


def written(schema: Any, value: object) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), value)
    return stream.getvalue()


def as_json(schema: Any, value: object) -> Any:
    return json.loads(avro_reader(json.dumps(schema), [])(written(schema, value)))


def record(name: str = "R", **fields: Any) -> dict[str, Any]:
    told = [{"name": field, "type": kind} for field, kind in fields.items()]
    return {"type": "record", "name": name, "fields": told}


AT = datetime(2026, 11, 24, 11, 0, 0, 123_456, tzinfo=UTC)
LONG_TIME = "2026-11-24T11:00:00.123456"


def logical(kind: str, name: str, /, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


@pytest.mark.parametrize(
    ("schema", "value", "wanted"),
    [
        (logical("long", "timestamp-millis"), AT, "2026-11-24T11:00:00.123000Z"),
        (logical("long", "timestamp-micros"), AT, LONG_TIME + "Z"),
        (["null", logical("long", "timestamp-micros")], AT, LONG_TIME + "Z"),
        (["null", logical("long", "timestamp-micros")], None, None),
        (logical("long", "local-timestamp-micros"), AT.replace(tzinfo=None), LONG_TIME),
        (logical("int", "date"), date(2026, 11, 24), "2026-11-24"),
        (logical("bytes", "decimal", precision=9, scale=2), Decimal("120.00"), "120.00"),
        # As Python writes it, 0E-9 is no amount of the contract.
        (logical("bytes", "decimal", precision=18, scale=9), Decimal(0), "0.000000000"),
        (
            logical("fixed", "decimal", name="d", size=8, precision=9, scale=2),
            Decimal("-1.50"), "-1.50",
        ),
        (logical("string", "uuid"), uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (logical("string", "of-nobody"), "x", "x"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
        (record(a=record("I", b="int"), c={"type": "map", "values": "string"}),
         {"a": {"b": 1}, "c": {"x": "y"}}, {"a": {"b": 1}, "c": {"x": "y"}}),
        ({"type": "array", "items": record(sku="string")}, [{"sku": "A"}], [{"sku": "A"}]),
        ("bytes", b"\xff\x00", "_wA="),
    ],
)  # fmt: skip
def test_each_type_becomes_what_the_contract_has_in_its_place(
    schema: Any, value: object, wanted: object
) -> None:
    assert as_json(schema, value) == wanted


def test_nanoseconds_are_cut() -> None:
    read = avro_reader(json.dumps(logical("long", "timestamp-nanos")), [])
    number = int(AT.timestamp()) * 10**9 + 123_456_789
    assert read(written("long", number)) == f'"{LONG_TIME}Z"'.encode()


def test_a_schema_may_refer_to_others_that_refer_to_others() -> None:
    money = {"type": "enum", "name": "Currency", "namespace": "x", "symbols": ["PEN", "EUR"]}
    total = record("Total", currency="x.Currency") | {"namespace": "x"}
    order = record("Order", total="x.Total")
    read = avro_reader(json.dumps(order), [json.dumps(money), json.dumps(total)])
    assert json.loads(read(b"\x02")) == {"total": {"currency": "EUR"}}
    with pytest.raises(SchemaRefused, match="no Avro schema"):
        avro_reader(json.dumps(order), [])


def _nested(levels: int) -> str:
    return '{"type":"array","items":' * levels + '"int"' + "}" * levels


def _chain(levels: int) -> Any:
    """Each type holds the one before it; in the text, none of them stands inside another."""
    types = [record("a0", f="int")]
    types += [record(f"a{n}", f=f"a{n - 1}") for n in range(1, levels)]
    return record("top", **{f"z{n}": each for n, each in enumerate(types)})


def _fan(levels: int) -> Any:
    """The last type holds 10 ** ``levels`` others, and none of them takes a byte."""
    types = [record("a0")]
    types += [record(f"a{n}", **{f"f{k}": f"a{n - 1}" for k in range(10)})
              for n in range(1, levels)]  # fmt: skip
    return record("top", **{f"z{n}": each for n, each in enumerate(types)})


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "array", "items": "null"}, "long in few bytes"),
        ({"type": "array", "items": record()}, "long in few bytes"),
        ({"type": "array", "items": {"type": "fixed", "name": "f", "size": 0}}, "few bytes"),
        ({"type": "array", "items": record(**{f"n{k}": "null" for k in range(50)}, b="boolean")},
         "few bytes"),
        ({"type": "map", "values": record(**{f"n{k}": "null" for k in range(50)})}, "few bytes"),
        ({"type": "array", "items": record("x", **{"y" * 10_000: "int"})}, "few bytes"),
        ({"type": "array", "items": {"type": "enum", "name": "e", "symbols": ["s" * 10_000]}},
         "few bytes"),
        (record("N", n=["null", "N"]), "holds itself"),
        (record("N", n={"type": "array", "items": "N"}), "holds itself"),
        (_chain(3_000), "too deep"),
        (_fan(12), "much memory"),
        (record(**{f"n{k}": "null" for k in range(30_000)}), "much memory"),
        ({"type": "no-such-type"}, "no Avro schema"),
        ({"type": "array"}, "no Avro schema"),
        ({"type": "record", "name": "R", "fields": "all"}, "no Avro schema"),
        ({"type": "record", "name": "R", "fields": [7]}, "no Avro schema"),
        ({"type": "fixed", "name": "f", "size": "many"}, "no Avro schema"),
        ({"type": "enum", "name": "e", "symbols": []}, "no Avro schema"),
        ([], "no Avro schema"),
        (7, "no Avro schema"),
    ],
    ids=str,
)  # fmt: skip
def test_a_schema_by_which_few_bytes_cost_much_is_refused(schema: Any, reason: str) -> None:
    began = time.process_time()
    with pytest.raises(SchemaRefused, match=reason):
        avro_reader(json.dumps(schema), [])
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("text", [_nested(60), _nested(100_000), "[" * 100_000, "", "{", "nul\0"])
def test_so_is_a_text_that_is_no_schema(text: str) -> None:
    began = time.process_time()
    with pytest.raises(SchemaRefused):
        avro_reader(text, [])
    assert time.process_time() - began < SECONDS


def test_a_huge_default_is_never_read() -> None:
    schema = record(a="int")
    schema["fields"][0]["default"] = [[0] * 1_000] * 1_000
    assert avro_reader(json.dumps(schema), [])(b"\x02") == b'{"a":1}'


_MOST = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # 2 ** 63 - 1
_ARRAY = {"type": "array", "items": "int"}


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        pytest.param("string", b"\x04a", id="too short"),
        pytest.param("string", b"\x04abc", id="bytes left over"),
        pytest.param("string", b"", id="nothing"),
        pytest.param("string", b"\x09abcdefgh", id="a negative length"),
        pytest.param("string", _MOST + b"abc", id="a length beyond the end"),
        pytest.param("string", b"\x04\xff\xfe", id="not UTF-8"),
        pytest.param("long", b"\xff" * 500_000, id="a number without an end"),
        pytest.param(["null", "string"], b"\x08", id="no such branch"),
        pytest.param({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x08", id="no symbol"),
        pytest.param(_ARRAY, _MOST + b"\x02\x02", id="an array beyond the end"),
        pytest.param(_ARRAY, b"\x03\x7f\x02\x02\x00\x00", id="a block of a wrong size"),
        pytest.param(logical("long", "timestamp-millis"), _MOST, id="a time beyond the calendar"),
        pytest.param(logical("int", "date"), b"\xfe\xff\xff\xff\x0f", id="a date beyond it"),
        pytest.param(logical("string", "uuid"), b"\x04\x00", id="no UUID"),
        pytest.param(
            logical("bytes", "decimal", precision=9, scale=2),
            written("bytes", b"\x7f" * 900_000), id="a decimal of two million digits",
        ),
        pytest.param(
            logical("bytes", "decimal", precision=999_999, scale=999_998), b"\x02\x01",
            id="a decimal of a million places",
        ),
    ],
)  # fmt: skip
def test_bytes_that_do_not_fit_are_refused_soon(schema: Any, body: bytes) -> None:
    read = avro_reader(json.dumps(schema), [])
    began = time.process_time()
    with pytest.raises(AvroInvalid):
        read(body)
    assert time.process_time() - began < SECONDS
