"""A record that cannot be read names the orders that it shields."""

import base64
import gzip
import json

import pytest

from tests.unit.decoder.records import AVRO, ID, changed, decoder, record, refused, roomy
from worker.ingest.broken_records import MAX_ORDER_IDS


def test_oversize_is_searched_up_to_the_limit() -> None:
    named = b'{"order_id":"near"' + b" " * 990 + b',"order_id":"far"}'
    assert refused(record(named)).order_ids == (ID, "near")


@pytest.mark.parametrize(
    "body",
    [
        b'{"order_id": "hidden", ',
        b'{"order_id": 12, "order_id": "hidden"}',
        b'{"x": "\xff", "order_id" :\n"hidden"}',
        b'{"x": "\xff", "order_id": "hidd\\u0065n"}',
        b'{"lines": [{"order_id": "hidden"}]}',
        b'"{\\"order_id\\":\\"hidden\\"}"',
        b'\xef\xbb\xbf{"order_id": "hidden"}',
        '{"order_id": "hidden"}'.encode("utf-16"),
        b'{"order_id": "hidden", "x": ' + b"[" * 5000,
        b'{"data": {"order_id": "hidden"}}',
        b'{"data_base64": "' + base64.b64encode(b'{"order_id": "hidden"}') + b'"}',
        b'{"data_base64": "' + base64.b64encode(b'{"order_id": "hidden"') + b'",,}',
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_orders_are_found_in_ruins(body: bytes) -> None:
    assert "hidden" in refused(record(body, key=None), roomy).order_ids


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        (b"\0\0\0\0\x06\x0ahidde", b"{", "hidde"),  # Avro, framed
        (b"\x0ahidde", b"{", "hidde"),  # Avro
        (b"\x90\x03" + b"h" * 200, b"{", "h" * 200),  # Avro, of two bytes of length
        (b"\0\0\0\0\x06\0\x0a\x05hidde", b"{", "hidde"),  # Protobuf
        (b'"hidden"', b"{", "hidden"),
        (b'{"schema":{"type":"string"},"payload":"hidden"}', b"{", "hidden"),
        (b'{"schema":{},"payload":{"order_id":"hidden"}}', b"{", "hidden"),
        (b"4d47", AVRO, "hidde"),
        (b"4d47", b"\0\0\0\0\x07" + changed(order_id="hidden"), "hidden"),
        (b"4d47", gzip.compress(changed(order_id="hidden"), mtime=0), "hidden"),
        (b"4d47", gzip.compress(changed(order_id="hidden"), mtime=0)[:-9], "hidden"),
    ],
)
def test_orders_are_found_in_other_encodings(key: bytes, value: bytes, named: str) -> None:
    assert named in refused(record(value, key=key), roomy).order_ids


@pytest.mark.parametrize("key", [b'"', b'{"payload":', b"[" * 700, b"\x1f\x8b", b"\x80", b"\0" * 6])
def test_no_key_breaks_the_search(key: bytes) -> None:
    for value in (b"\x1f\x8b" * 9, bytes(range(256)) * 40, gzip.compress(b"0" * 10**7)):
        assert len(refused(record(value, key=key), roomy).order_ids) <= MAX_ORDER_IDS


@pytest.mark.parametrize("name", [r"a\u0000", r"\ud800", "", "x" * 201], ids=repr)
def test_what_is_no_order_id_is_not_named(name: str) -> None:
    body = b'{"order_id": "' + name.encode() + b'"}'
    assert refused(record(body, key=b"\xff")).order_ids == ()


def test_orders_named_are_bounded() -> None:
    body = json.dumps([{"order_id": str(i)} for i in range(1000)]).encode()
    assert len(refused(record(body), roomy).order_ids) == MAX_ORDER_IDS


def test_a_readable_record_names_its_order_too() -> None:
    assert decoder.named_orders(record(changed(order_id="b"), key=b"a")) == ("a", "b")
    assert decoder.named_orders(record(changed())) == (ID,)
