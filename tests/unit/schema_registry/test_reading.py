"""Records are read by the schema that they name, and refused with its name."""

import json
import struct
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import RefusalClass
from schemas.models import OrderCreated
from tests.support.registry import SmallRegistry
from tests.unit.schema_registry.bench import (
    ACT,
    AT,
    BODY,
    GUID,
    ID,
    NOW,
    VALUE,
    WANTED,
    Headers,
    MakeBench,
    act,
    framed,
)
from tests.unit.test_avro import logical, record, written
from worker.ingest.entry import Entry
from worker.ingest.rows import Rows, decode_into
from worker.observability.labels import Effect
from worker.policy.registry import load_policies
from worker.records import Record
from worker.settings import Settings


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        pytest.param(framed(7, BODY), (), id="before the value"),
        pytest.param(BODY, (("__value_schema_id", framed(7, b"")),), id="id in a header"),
        pytest.param(BODY, (("__value_schema_id", b"\1" + GUID.bytes),), id="GUID in a header"),
    ],
)
async def test_avro_is_read_by_the_schema_that_it_names(
    registry: SmallRegistry, make: MakeBench, value: bytes, headers: Headers
) -> None:
    registry.add(str(GUID), ACT)
    bench = make()
    assert await bench.read(act(value, headers=headers)) == [WANTED]
    assert await bench.read(act(value, headers=headers)) == [WANTED]
    assert registry.asked.total() == 1


async def test_an_order_may_have_all_types_that_publishers_use(
    registry: SmallRegistry, make: MakeBench
) -> None:
    line = record("Line", sku="string", quantity="int")
    mode = {"type": "enum", "name": "Mode", "symbols": ["courier", "dropshipping"]}
    order = record(
        "Order", order_id="string", seller_id=logical("string", "uuid"), fulfilment=mode,
        entered_at=logical("long", "timestamp-micros"),
        total=["null", logical("bytes", "decimal", precision=12, scale=2)],
        currency=["null", "string"], lines={"type": "array", "items": line},
        labels={"type": "map", "values": "string"}, note=["null", "long", "string"],
    )  # fmt: skip
    registry.add(8, order)
    value = {
        "order_id": ID, "seller_id": uuid.UUID(int=7), "fulfilment": "dropshipping",
        "entered_at": AT, "total": Decimal("120.00"), "currency": "PEN",
        "lines": [{"sku": "A", "quantity": 2}], "labels": {"test": "true"}, "note": 5,
    }  # fmt: skip
    one = Record("created", 0, 7, 0, ID.encode(), framed(8, written(order, value)), ())
    (found,) = await make().read(one)
    assert isinstance(found, OrderCreated)
    assert found.entered_at == AT
    assert (found.seller_id, found.total) == (str(uuid.UUID(int=7)), "120.00")
    assert found.lines == [{"sku": "A", "quantity": 2}]


async def test_what_is_kept_of_an_act_is_json(make: MakeBench) -> None:
    """Commands show it, and Postgres stores no zero byte in a text."""
    bench = make()
    one = act(framed(7, BODY))
    await bench.read(one)
    rows, settings = Rows(NOW), Settings(_env_file=None)
    entry = Entry(load_policies(settings), "created", timedelta(0))
    as_json = act(framed(9, json.dumps(VALUE | {"occurred_at": AT.isoformat()}).encode()))
    decode_into(rows, [one, as_json, act(None)], 0, bench.decoder, entry, NOW)
    assert not rows.dead_letters
    assert [json.loads(one[-1])["order_id"] for one in rows.acts] == [ID, ID]
    assert rows.outcomes["acts", Effect.TOMBSTONE] == 1


async def test_change_events_and_references_in_avro(
    registry: SmallRegistry, make: MakeBench
) -> None:
    """As a Debezium connector registers them: the row is a type of another subject."""
    envelope = record("Envelope", before=["null", "Act"], after=["null", "Act"], op="string")
    registry.subjects["row/x", "1"] = {"schema": json.dumps(ACT)}
    reference = {"name": "Act", "subject": "row/x", "version": 1}
    registry.add(9, envelope, references=[reference])
    whole = record("Envelope", before=["null", ACT], after=["null", "Act"], op="string")
    value = written(whole, {"before": None, "after": VALUE, "op": "c"})
    assert await make().read(act(framed(9, value))) == [WANTED]


KEYS = [
    (record("Key", order="string"), {"order": ID}, ID),
    ("string", ID, ID),
    (record("Key", number="long"), {"number": 40_484_048}, "40484048"),
]


@pytest.mark.parametrize(("schema", "key", "order_id"), KEYS)
async def test_a_key_in_avro_names_its_order(
    registry: SmallRegistry, make: MakeBench, schema: Any, key: Any, order_id: str
) -> None:
    registry.add(6, schema if isinstance(schema, dict) else json.dumps(schema))
    raw = framed(6, written(schema, key))
    good = framed(7, written(ACT, VALUE | {"order_id": order_id}))
    (found,) = await make().read(act(good, raw))
    assert found.order_id == order_id
    assert order_id in (await make().refused(act(framed(7, b"\xff"), raw))).order_ids


async def test_a_key_whose_schema_is_unknown_is_searched_as_it_is(make: MakeBench) -> None:
    raw = framed(66, written("string", ID))
    assert await make().read(act(framed(7, BODY), raw)) == [WANTED]
    assert ID in (await make().refused(act(framed(7, b"\xff"), raw))).order_ids


async def test_a_number_as_a_key_is_no_frame(registry: SmallRegistry, make: MakeBench) -> None:
    value = VALUE | {"order_id": "1001"}
    one = act(framed(7, written(ACT, value)), struct.pack(">q", 1001))
    assert [each.order_id for each in await make().read(one)] == ["1001"]
    assert set(registry.asked) == {"7"}


async def test_json_needs_no_registry(registry: SmallRegistry, make: MakeBench) -> None:
    await registry.stop()
    value = json.dumps({"order_id": ID, "status": "start-handling",
                        "occurred_at": AT.isoformat()}).encode()  # fmt: skip
    in_header = (("__value_schema_id", b"\1" + GUID.bytes),)
    assert await make().read(act(framed(7, value)), act(value, headers=in_header)) == [WANTED] * 2


PROTO = 'syntax = "proto3"; message Act { string order_id = 1; }'


@pytest.mark.parametrize(
    ("text", "kind", "body", "message"),
    [
        (PROTO, "PROTOBUF", b"\0\n\5v1-01", "schema id 9 is Protobuf: only Avro and JSON are read"),
        ({"type": "array", "items": "null"}, None, b"\0", "schema id 9: a list of it could be"),
        ("{", None, b"\0", "schema id 9: it is no Avro schema"),
        (ACT, None, BODY + b"\0", "value: does not fit Confluent wire format, schema id 9: bytes"),
        (ACT, None, BODY[:-1], "value: does not fit Confluent wire format, schema id 9"),
        (ACT | {"doc": "x" * 2_000_000}, None, BODY, "it has more than 1048576 bytes"),
    ],
)  # fmt: skip
async def test_what_is_not_read_is_refused_by_its_name(
    registry: SmallRegistry, make: MakeBench, text: Any, kind: Any, body: bytes, message: str
) -> None:
    registry.add(9, text, kind)
    refusal = await make().refused(act(framed(9, body)))
    assert refusal.error == RefusalClass.SCHEMA
    assert message in refusal.message
    assert ID in refusal.order_ids


async def test_too_many_references_are_refused(registry: SmallRegistry, make: MakeBench) -> None:
    for n in range(200):
        inner = [{"name": f"N{n + 1}", "subject": f"s{n + 1}", "version": 1}]
        registry.subjects[f"s{n}", "1"] = {"schema": '"int"', "references": inner}
    registry.add(9, '"int"', references=[{"name": "N0", "subject": "s0", "version": 1}])
    assert "refers to too much" in (await make().refused(act(framed(9, b"\2")))).message


async def test_a_circle_of_references_ends(registry: SmallRegistry, make: MakeBench) -> None:
    inner = [{"name": "N", "subject": "s", "version": 1}]
    registry.subjects["s", "1"] = {"schema": '"int"', "references": inner}
    registry.add(9, record("R", n="N"), references=inner)
    assert "no Avro schema" in (await make().refused(act(framed(9, b"\2")))).message
