"""Records for the compiled reader, and its comparison with the decoder."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from worker.ingest.decoder import Decoder
from worker.ingest.entry import Entry
from worker.ingest.plain import PlainReader, compiled
from worker.ingest.rows import Rows, decode_into
from worker.observability.metrics import Metrics
from worker.policy.registry import load_policies
from worker.records import Record
from worker.settings import Settings

CREATED, CHANGED = "created", "status"
SETTINGS = Settings(_env_file=None, order_created_topic=CREATED, order_status_changed_topic=CHANGED)
NOW: Final = datetime(2026, 11, 27, 12, tzinfo=UTC)
LANE = 3
POLICIES = load_policies(SETTINGS)
DECODER = Decoder.of(SETTINGS, timedelta(days=30))
ENTRY = Entry(POLICIES, CREATED, timedelta(0))
METRICS = Metrics(SETTINGS)
TYPES = {
    CREATED: b"marketplace.order.created.v1",
    CHANGED: b"marketplace.order.status-changed.v1",
}
ORDER = {
    "order_id": "1490000000000-01",
    "seller_id": "seller 7",
    "fulfilment": "courier",
    "entered_at": "2026-11-27T11:00:00.5Z",
    "total": "1234567.89",
    "currency": "PEN",
    "lines": [{"sku": "ñandú", "quantity": 1, "price": -1.5, "gift": None, "x": [True, {}]}],
}
ACT = {
    "order_id": "1490000000000-01",
    "status": "start-handling",
    "occurred_at": "2026-11-27T06:59:59.123456789-05:00",
    "validation": {"in_stock": True, "functional": None},
}


def record(topic: str, value: Any, key: bytes | None = None, **changes: Any) -> Record:
    told = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_type", TYPES[topic]),
        ("ce_id", b"7"),
        ("traceparent", b"00-1-2-01"),
    )
    timestamp = int((NOW - timedelta(minutes=30)).timestamp() * 1000)
    made = Record(topic, 1, 7, timestamp, key or b"1490000000000-01", told, headers)
    return made._replace(**changes)


def reader(entry: Entry = ENTRY, native: Any = None) -> PlainReader:
    return PlainReader(native or compiled(), DECODER, entry, LANE, METRICS)


def by_decoder(records: Sequence[Record], entry: Entry = ENTRY) -> Rows:
    """The rows of these records without the compiled reader."""
    rows = Rows(NOW)
    decode_into(rows, records, LANE, DECODER, entry, NOW)
    rows.pack()
    return rows


def compiled_only(
    records: Sequence[Record], entry: Entry = ENTRY, native: Any = None
) -> tuple[Rows, int]:
    """The rows of the records that are plain, and their number."""
    rows = Rows(NOW)
    return rows, reader(entry, native).read(rows, records, 0, NOW, 1)


def assert_same(rows: Rows, expected: Rows, lane: int = LANE) -> None:
    """Compare all that is stored: what was packed, and what it is unpacked to."""
    assert b"".join(rows.packed_acts) == b"".join(expected.packed_acts)
    orders = [*expected.orders.values()]
    assert rows.pack_orders(lane, [], []) == expected.pack_orders(lane, orders, [])
    assert rows.affected() == expected.affected()
    assert rows.outcomes == expected.outcomes
    assert not expected.dead_letters, "the decoder refuses it"
    assert not expected.retold
    rows.unpack([*rows.packed_orders])
    assert rows.orders == expected.orders


def assert_equal_or_left(one: Record, entry: Entry = ENTRY, native: Any = None) -> bool:
    """Whether the record is plain; if so, the decoder accepts it, with the same rows."""
    rows, number = compiled_only([one], entry, native)
    if number:
        assert_same(rows, by_decoder([one], entry))
    else:
        assert rows == Rows(NOW, home=rows.home), "something was added"
    return bool(number)


_LINES = [{"sku": "ñ", "a": 1.50, "b": -0.10, "c": [1.0, 12, None, True], "d": {"e": 100.25}}]
_ESCAPED = json.dumps(ORDER | {"lines": [{"sku": 'ñ "\\/\n\t\x7f\u2028 \U0001f381'}]})
USUAL = [
    record(CREATED, ORDER),
    record(CREATED, _ESCAPED.replace("/", "\\/\\b\\f\\r").encode()),
    record(CREATED, ORDER, headers=()),
    record(CHANGED, ACT),
    *(
        record(CHANGED, ACT | {"status": status})
        for status in ("ready-for-handling", "Cancelled", "order-placed", "invoiced")
    ),
]
# What publishers add is personal data as a rule, and does not end in the body.
WITH_MORE = [
    record(CREATED, ORDER | {"customer": {"name": "Ana"}}),
    record(CREATED, ORDER | {"lines": _LINES, "customer": "Ana", "total": None}),
    record(CREATED, ORDER | {"lines": None, "labels": None, "due": None, "by": "Ana"}),
    record(CREATED, _ESCAPED.replace("/", "\\/\\b\\f\\r")[:-1].encode() + b',"by":"Ana"}'),
    record(CHANGED, ACT | {"by": "Ana"}),
    record(CHANGED, ACT | {"validation": {"complete": False, "by": "Ana"}}),
    record(CHANGED, ACT | {"validation": {}, "dispute": None, "by": "Ana"}),
    record(CHANGED, ACT | {"validation": None, "lines": None, "partial": None, "by": "Ana"}),
]
# By the reason, values that need judgement.
_TEXT = json.dumps(ORDER, ensure_ascii=False).encode()
LEFT = {
    "a deadline of its own": ORDER | {"due": "2026-11-28T00:00:00Z"},
    "labels": ORDER | {"labels": {"test": "true"}},
    "a time that is to come": ORDER | {"entered_at": "2026-11-27T13:00:00Z"},
    "no time": {k: v for k, v in ORDER.items() if k != "entered_at"},
    "a number as text is text": ORDER | {"total": 12.5},
    "too many digits": ORDER | {"total": "12345678901234567"},
    "blanks to trim": ORDER | {"seller_id": " seller"},
    "another order": ORDER | {"order_id": "2"},
    "half of a character": _TEXT.replace("ñ".encode(), rb"\ud800"),
    "another half of one": _TEXT.replace("ñ".encode(), rb"\udc00"),
    "a half before a letter": _TEXT.replace("ñ".encode(), rb"\ud800\u0041"),
    "NUL in a text": _TEXT.replace("ñ".encode(), rb"\u0000"),
    "no hexadecimal": _TEXT.replace("ñ".encode(), rb"\u00g1"),
    "a field twice": _TEXT[:-1] + b',"total":"1.00"}',
    "more than one value": _TEXT + b"{}",
    "not a number": _TEXT.replace(b"-1.5", b"NaN"),
    "too deep": _TEXT.replace(b"[", 300 * b"[").replace(b"]", 300 * b"]"),
    "not UTF-8": _TEXT.replace(b"gift", b"\xff"),
    "an array": json.dumps([ORDER]).encode(),
    "a name with an escape": ORDER | {'a"b': 1},
    "a line twice over, in a body to write anew": _TEXT[:-1] + b',"x":1,"lines":null}',
    "a digit too many in front": ORDER | {"total": "01.00"},
}
# Headers that say something else, or nothing that is known.
HEADERS: list[Any] = [
    (("ce_type", b"marketplace.order.created.v2"), ("ce_specversion", b"1.0")),
    (("ce_type", TYPES[CREATED]),),
    (("ce_specversion", b"1.0"),),
    (("ce_id", b"7"),),
    (("CE_TYPE", b"another"), ("ce_specversion", b"1.0")),
    (("ce-type", TYPES[CREATED]), ("ce_specversion", b"1.0")),
    (("ce_type", TYPES[CREATED]), ("ce_specversion", b"2.0")),
    (("ce_type", TYPES[CREATED]), ("ce_type", b"x"), ("ce_specversion", b"1.0")),
    (("content-type", b"application/cloudevents+json"),),
    (("content-type", b"application/avro"),),
    (("__value_schema_id", b"\0\0\0\0\7"),),
    (("\udcff", b""),),
    (("content-type", None),),
    33 * (("x", b""),),
]
# Other parts of a record that need judgement.
PARTS: list[dict[str, Any]] = [
    {"key": None}, {"key": b""}, {"value": None}, {"value": b""}, {"timestamp": -1},
    {"timestamp": 1 << 60}, {"topic": "other"}, {"key": b'"1490000000000-01"'},
]  # fmt: skip
# Members of a change of status that need judgement.
CHANGES: list[dict[str, Any]] = [
    {"status": "never heard of"}, {"partial": True}, {"lines": []}, {"dispute": {}},
    {"validation": {"lines": []}}, {"validation": {"in_stock": 1}},
    {"occurred_at": "2026-11-27T13:00:00Z"}, {"order_id": "2"},
]  # fmt: skip
