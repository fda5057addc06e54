"""One act in the encodings that publishers and connectors use, and keys of every kind."""

import base64
import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.events import RefusalClass
from schemas.models import OrderStatusChanged
from worker.ingest.decoder import Decoder
from worker.ingest.formats import ADAPTERS
from worker.records import Record, Refusal
from worker.settings import Settings

NOW = datetime(2026, 11, 24, 12, 0, 1, tzinfo=UTC)
ID = "v1-01"
ACT = {"order_id": ID, "status": "start-handling", "occurred_at": "2026-11-24T11:00:00Z"}
TEXT = json.dumps(ACT)
EVENT = {"specversion": "1.0", "id": "1", "source": "/oms",
         "type": "marketplace.order.status-changed.v1"}  # fmt: skip
Headers = tuple[tuple[str, bytes], ...]


def decoder(**more: Any) -> Decoder:
    return Decoder("created", "acts", 100_000, timedelta(minutes=5), timedelta(days=1), **more)


def decode(
    value: object, key: bytes | None = ID.encode(), headers: Headers = (), **more: Any
) -> Any:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return decoder(**more).decode(Record("acts", 0, 0, 0, key, raw, headers), NOW)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"\0\0\0\0\7" + TEXT.encode(), id="schema registry, JSON Schema"),
        pytest.param({"schema": {"type": "struct"}, "payload": ACT}, id="Kafka Connect"),
        pytest.param({"schema": None, "payload": TEXT}, id="Kafka Connect, JSON as text"),
        pytest.param({"before": None, "after": ACT, "op": "c", "source": {}}, id="Debezium"),
        pytest.param({"before": ACT, "after": ACT, "op": "u", "ts_ms": 1}, id="Debezium, update"),
        pytest.param(
            {"schema": {}, "payload": {"before": None, "after": ACT, "op": "r"}},
            id="Debezium with its schema",
        ),
        pytest.param(TEXT, id="Debezium's outbox router"),
        pytest.param(
            b"\0\0\0\0\7" + json.dumps({"after": ACT, "op": "c"}).encode(),
            id="Debezium through a registry",
        ),
        pytest.param(EVENT | {"data": ACT}, id="CloudEvent without a content type"),
        pytest.param(
            EVENT | {"data_base64": base64.b64encode(TEXT.encode()).decode()},
            id="CloudEvent in Base64 without a content type",
        ),
    ],
)
def test_an_event_is_read_inside_its_wrappings(value: object) -> None:
    assert decode(value) == OrderStatusChanged.model_validate_json(TEXT)


def test_any_json_media_type_will_do() -> None:
    headers = (("content-type", b"application/vnd.acme.order+json; charset=utf-8"),)
    assert decode(ACT, headers=headers).order_id == ID


@pytest.mark.parametrize(
    ("value", "headers", "error", "message"),
    [
        (
            {"after": ACT | {"occurred_at": 1_795_518_000_000_000}, "op": "c"}, (),
            RefusalClass.TIME, "after.occurred_at: not a time of RFC 3339 with an offset",
        ),
        (
            {"schema": {}, "payload": {"after": {"order_id": ID}, "op": "c"}}, (),
            RefusalClass.INVALID, "payload.after.status: missing",
        ),
        ({"before": ACT, "after": None, "op": "d"}, (), RefusalClass.EMPTY_VALUE, "deleted"),
        (EVENT | {"type": "x.y", "data": ACT}, (), RefusalClass.UNKNOWN_TYPE, "type"),
        (EVENT | {"data": {"order_id": ID}}, (), RefusalClass.INVALID, "data.status: missing"),
        (
            b"\0\0\0\0\7\nv1-01\x1cstart-handling", (),
            RefusalClass.SCHEMA, "schema id 7: set PLAZO_SCHEMA_REGISTRY_URL",
        ),
        (b"\x1f\x8b\x08\0", (), RefusalClass.NOT_JSON, "gzip"),
        (
            [EVENT | {"data": ACT}], (("content-type", b"application/cloudevents-batch+json"),),
            RefusalClass.ENVELOPE, "content-type",
        ),
        (
            EVENT | {"data": TEXT}, (("content-type", b"application/cloudevents+json"),),
            RefusalClass.INVALID, "data.value",
        ),
        ([ACT, ACT], (), RefusalClass.INVALID, "value: not an object"),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_refused_by_its_name(
    value: object, headers: Headers, error: RefusalClass, message: str
) -> None:
    refused = decode(value, headers=headers)
    assert isinstance(refused, Refusal)
    assert refused.error == error
    assert message in refused.message
    assert ID in refused.order_ids


def test_wrappings_end() -> None:
    value: object = ACT
    for _ in range(9):
        value = {"schema": {}, "payload": value}
    assert isinstance(decode(value), Refusal)


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: {"schema": {}, "payload": d}])
def test_foreign_formats_are_read_inside_them_as_well(wrap: Any) -> None:
    feed = {"eventId": "1", "handle": "h", "domain": "Marketplace", "state": "start-handling",
            "lastState": "x", "orderId": ID, "lastChange": "2026-11-24T10:00:00Z",
            "currentChange": "2026-11-24T11:00:00Z"}  # fmt: skip
    (act,) = decode(wrap(feed), adapters={"acts": ADAPTERS["vtex-feed"]})
    assert (act.order_id, act.status) == (ID, "start-handling")


KEYS = [
    pytest.param(b'"v1-01"', ID, id="JSON"),
    pytest.param(b'{"order_id":"v1-01"}', ID, id="JSON object"),
    pytest.param(b'{"schema":{"type":"string"},"payload":"v1-01"}', ID, id="Connect"),
    pytest.param(b'{"schema":{},"payload":{"order_id":"v1-01"}}', ID, id="Connect struct"),
    pytest.param(b"\0\0\0\0\6\x0av1-01", ID, id="Avro"),
    pytest.param(struct.pack(">q", 1001), "1001", id="long"),
    pytest.param(struct.pack(">i", 1001), "1001", id="int"),
    pytest.param(b" v1-01 ", ID, id="blanks"),
]


@pytest.mark.parametrize(("key", "order_id"), KEYS)
def test_a_key_names_its_order_in_any_encoding(key: bytes, order_id: str) -> None:
    assert decode(ACT | {"order_id": order_id}, key).order_id == order_id


@pytest.mark.parametrize(("key", "order_id"), KEYS)
def test_so_does_the_key_of_a_record_that_is_refused(key: bytes, order_id: str) -> None:
    assert order_id in decode(b"\xff\xff", key).order_ids


OTHERS = [
    (None, RefusalClass.NO_KEY),
    (b"", RefusalClass.NO_KEY),
    (b"customer-7", RefusalClass.KEY_MISMATCH),
    (b'{"customer":"7"}', RefusalClass.KEY_MISMATCH),
    (struct.pack(">q", 1002), RefusalClass.KEY_MISMATCH),
]


@pytest.mark.parametrize(("key", "error"), OTHERS)
def test_another_key_is_refused_or_ignored(key: bytes | None, error: RefusalClass) -> None:
    refused = decode(ACT, key)
    assert isinstance(refused, Refusal)
    assert refused.error == error
    assert decode(ACT, key, ignore_keys=True).order_id == ID


def test_a_key_without_bounds_is_refused_in_any_case() -> None:
    assert decode(ACT, b"k" * 100_000, ignore_keys=True).error == RefusalClass.KEY_MISMATCH


def test_keys_that_are_ignored_need_the_proof_over_all_lanes() -> None:
    """The records of an order may then be in any partition."""
    with pytest.raises(ValidationError, match="PLAZO_PROOF must be `all`"):
        Settings(keys="ignore", proof="lane")
