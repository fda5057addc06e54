"""The compiled reader of plain records: whatever it reads, it reads as the decoder does."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.benchmarks.mix import mix
from tests.support.native import needs_compiled
from worker.ingest.decoder import Decoder
from worker.ingest.entry import Entry
from worker.ingest.plain import PlainReader, compiled
from worker.ingest.rows import Rows, deadline_rows, decode_into
from worker.observability.metrics import Metrics
from worker.policy.file import parse
from worker.policy.registry import load_policies
from worker.records import Record
from worker.settings import Settings
from worker.storage import binary_copy

pytestmark = needs_compiled

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


def reader(entry: Entry = ENTRY) -> PlainReader:
    return PlainReader(compiled(), DECODER, entry, LANE, METRICS)


def by_decoder(records: Sequence[Record], entry: Entry = ENTRY) -> Rows:
    rows = Rows(NOW)
    decode_into(rows, records, LANE, DECODER, entry, NOW)
    rows.pack()
    return rows


def compiled_only(records: Sequence[Record], entry: Entry = ENTRY) -> tuple[Rows, int]:
    """The rows, and the number of records that were plain."""
    rows = Rows(NOW)
    return rows, reader(entry).read(rows, records, 0, NOW, 1)


def assert_same(rows: Rows, expected: Rows) -> None:
    """Compare all that is stored: what was packed, and what it is unpacked to."""
    assert b"".join(rows.packed_acts) == b"".join(expected.packed_acts)
    orders = [*expected.orders.values()]
    assert rows.pack_orders(LANE, [], []) == expected.pack_orders(LANE, orders, [])
    assert rows.affected() == expected.affected()
    assert rows.outcomes == expected.outcomes
    assert not expected.dead_letters
    assert not expected.retold
    rows.unpack([*rows.packed_orders])
    assert rows.orders == expected.orders


def assert_equal_or_left(one: Record, entry: Entry = ENTRY) -> bool:
    """Whether the record is plain; if so, the decoder accepts it, with the same rows."""
    rows, number = compiled_only([one], entry)
    if number:
        assert_same(rows, by_decoder([one], entry))
    else:
        assert rows == Rows(NOW, home=rows.home), "something was added"
    return bool(number)


def test_usual_records_are_plain() -> None:
    assert assert_equal_or_left(record(CREATED, ORDER))
    assert assert_equal_or_left(record(CHANGED, ACT))
    bare: tuple[tuple[str, bytes], ...] = ()
    assert assert_equal_or_left(record(CREATED, ORDER, headers=bare))
    for event in ("ready-for-handling", "Cancelled", "order-placed", "invoiced"):
        assert assert_equal_or_left(record(CHANGED, ACT | {"status": event}))


def test_a_whole_backlog_gives_the_same_rows_and_deadlines() -> None:
    records = {CREATED: list[Record](), CHANGED: list[Record]()}
    for offset, event in enumerate(islice(mix(clock=lambda: NOW - timedelta(hours=1)), 2_000)):
        topic = CREATED if event.created else CHANGED
        key, headers = event.order_id.encode(), tuple(event.headers)
        records[topic].append(record(topic, event.value, key, offset=offset, headers=headers))
    for topic, chunk in records.items():
        expected = by_decoder(chunk)
        rows, number = compiled_only(chunk)
        assert number == len(chunk)
        if topic == CREATED:
            deadlines = deadline_rows(LANE, expected.orders.values())
            packed, first = reader().deadlines(rows)
            assert packed == b"".join(binary_copy.deadlines(deadlines))
            assert first == deadlines[0][1]
        assert_same(rows, expected)


def test_members_of_publishers_do_not_end_in_the_body() -> None:
    """They are personal data as a rule; the rest is written as the decoder writes it."""
    lines = [{"sku": "ñ", "a": 1.50, "b": -0.10, "c": [1.0, 12, None, True], "d": {"e": 100.25}}]
    plain = [
        record(CREATED, ORDER | {"customer": {"name": "Ana"}}),
        record(CREATED, ORDER | {"lines": lines, "customer": "Ana", "total": None}),
        record(CREATED, ORDER | {"lines": None, "labels": None, "due": None, "x": 1e-5 > 0}),
        record(CHANGED, ACT | {"by": "Ana"}),
        record(CHANGED, ACT | {"validation": {"complete": False, "by": "Ana"}}),
        record(CHANGED, ACT | {"validation": {}, "dispute": None, "by": "Ana"}),
        record(CHANGED, ACT | {"validation": None, "lines": None, "partial": None}),
    ]
    whole = Entry(POLICIES, CREATED, timedelta(0), keep_bodies=True)
    for one in plain:
        assert assert_equal_or_left(one)
        assert assert_equal_or_left(one, whole)
    for one in plain[:2]:
        rows, _ = compiled_only([one])
        assert b"Ana" not in rows.packed_acts[0]


LEFT = {
    "a deadline of its own": ORDER | {"due": "2026-11-28T00:00:00Z"},
    "labels": ORDER | {"labels": {"test": "true"}},
    "a time that is to come": ORDER | {"entered_at": "2026-11-27T13:00:00Z"},
    "no time": {k: v for k, v in ORDER.items() if k != "entered_at"},
    "a number as text is text": ORDER | {"total": 12.5},
    "too many digits": ORDER | {"total": "12345678901234567"},
    "blanks to trim": ORDER | {"seller_id": " seller"},
    "another order": ORDER | {"order_id": "2"},
    "half of a character": json.dumps(ORDER).replace("ñ", "\\ud800").encode(),
    "a field twice": json.dumps(ORDER)[:-1].encode() + b',"total":"1.00"}',
    "more than one value": json.dumps(ORDER).encode() + b"{}",
    "not a number": json.dumps(ORDER | {"lines": float("nan")}).encode(),
    "too deep": json.dumps(ORDER).replace("[", 300 * "[").replace("]", 300 * "]").encode(),
    "not UTF-8": json.dumps(ORDER).replace("ñ", "n").encode().replace(b"PEN", b"P\xffN"),
    "an array": json.dumps([ORDER]).encode(),
    "a name with an escape": ORDER | {'a"b': 1},
    "a line twice over, in a body to write anew": json.dumps(ORDER)[:-1].encode()
    + b',"x":1,"lines":null}',
    "a digit too many in front": ORDER | {"total": "01.00"},
}


@pytest.mark.parametrize("name", LEFT)
def test_what_needs_judgement_is_left_to_the_decoder(name: str) -> None:
    assert not assert_equal_or_left(record(CREATED, LEFT[name]))


@pytest.mark.parametrize(
    "headers",
    [
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
    ],
)
def test_unusual_headers_are_left_to_the_decoder(headers: Any) -> None:
    assert not assert_equal_or_left(record(CREATED, ORDER, headers=headers))


@pytest.mark.parametrize(
    "changes",
    [
        {"key": None}, {"key": b""}, {"value": None}, {"value": b""}, {"timestamp": -1},
        {"timestamp": 1 << 60}, {"topic": "other"}, {"key": b'"1490000000000-01"'},
    ],
)  # fmt: skip
def test_unusual_records_are_left_to_the_decoder(changes: dict[str, Any]) -> None:
    assert not assert_equal_or_left(record(CREATED, ORDER)._replace(**changes))


def test_changes_that_need_judgement_are_left_to_the_decoder() -> None:
    for more in (
        {"status": "never heard of"}, {"partial": True}, {"lines": []}, {"dispute": {}},
        {"validation": {"lines": []}}, {"validation": {"in_stock": 1}},
    ):  # fmt: skip
        assert not assert_equal_or_left(record(CHANGED, ACT | more))


def test_an_order_that_the_batch_holds_is_left_to_the_decoder() -> None:
    rows = Rows(NOW)
    again = [record(CREATED, ORDER), record(CREATED, ORDER, offset=8)]
    assert reader().read(rows, again, 0, NOW, 1) == 1
    decode_into(rows, again[1:], LANE, DECODER, ENTRY, NOW)
    assert len(rows.retold) == 1


def test_a_late_order_is_left_to_the_decoder() -> None:
    """It brings a doubt along."""
    entry = Entry(POLICIES, CREATED, timedelta(hours=24))
    assert not assert_equal_or_left(record(CREATED, ORDER), entry)
    assert assert_equal_or_left(record(CREATED, ORDER), Entry(POLICIES, CREATED, None))


SEVERAL = parse(
    """\
version: 1
calendars: {lima: {zone: America/Lima, hours: {mon-fri: 09:00-18:00}}}
policies:
  - {name: large, when: {total: {at_least: 1000, currency: PEN}}, window: PT8H, calendar: lima}
  - {name: paid, when: {fulfilment: dropshipping}, clock: payment-approved, window: PT24H}
  - {name: own, when: {seller: seller 8}, window: PT2H, at_lapse: escalate}
  - {name: others, window: PT24H}
""",
    timedelta(seconds=30),
    timedelta(hours=24),
)


@pytest.mark.parametrize(
    ("told", "plain"),
    [
        ({}, True),
        ({"total": "999.99"}, True),
        ({"total": None}, True),  # in doubt
        ({"currency": "USD", "seller_id": "Seller 8"}, True),
        ({"currency": "USD", "fulfilment": "dropshipping"}, False),  # its clock has not started
    ],
)
def test_terms_by_the_order_itself_are_the_same(told: dict[str, Any], plain: bool) -> None:
    for least in (None, timedelta(0), timedelta(hours=23, minutes=45)):
        entry = Entry(SEVERAL, CREATED, least)
        assert assert_equal_or_left(record(CREATED, ORDER | told), entry) == plain


def test_it_stops_at_another_partition() -> None:
    two = [record(CREATED, ORDER), record(CREATED, ORDER, partition=2, offset=8)]
    assert compiled_only(two)[1] == 1


# Any JSON near an event.
_SCALAR = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*map(str, ORDER.values()), *map(str, ACT.values()), "PEN", "1.0", "0.10"])
)
_VALUE = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_FIELD = st.sampled_from([*ORDER, *ACT, "labels", "due", "partial", "dispute", "x"])
_CHANGES = st.dictionaries(_FIELD, _VALUE, max_size=3)
# A few bytes in the place of others, anywhere in the text.
_CUTS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3)), max_size=2
)
_TIMES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["2026-11-2", "2026-02-2", "2024-02-2", "1999-12-3", "0001-01-0", "9999-12-3"]),
    st.sampled_from(["7T11:00:00", "9T23:59:59", "1T00:00:60", "7t11:00:00", "8T24:00:00"]),
    st.sampled_from(["", ".", ".5", ".123456", ".1234567", ".999999999", ".1234567890"]),
    st.sampled_from(["Z", "z", "", "+00:00", "-05:00", "+23:59", "-24:00", "+0500", "+05"]),
)


@given(topic=st.sampled_from([CREATED, CHANGED]), changes=_CHANGES, cuts=_CUTS)
@example(CREATED, {"lines": "Infinity"}, [])
@example(CREATED, {"lines": 0.00001, "x": 1}, [])
@example(CREATED, {"lines": -0.0, "x": 1}, [])
@example(CREATED, {"lines": 123456789012345.67, "x": 1}, [])
def test_any_record_is_read_alike_or_left(
    topic: str, changes: dict[str, Any], cuts: list[tuple[int, int, bytes]]
) -> None:
    told = ORDER if topic == CREATED else ACT
    try:
        text = json.dumps(told | changes, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        text = json.dumps(told | changes).encode()
    for at, length, put in cuts:
        text = text[:at] + put + text[at + length :]
    assert_equal_or_left(record(topic, text))


@given(moment=_TIMES)
def test_any_time_is_read_alike_or_left(moment: str) -> None:
    assert_equal_or_left(record(CREATED, ORDER | {"entered_at": moment}))


@given(total=st.from_regex(r"[0-9]{0,17}(\.[0-9]{0,10})?", fullmatch=True))
def test_any_amount_is_read_alike_or_left(total: str) -> None:
    assert_equal_or_left(record(CREATED, ORDER | {"total": total}))


@given(
    names=st.lists(
        st.tuples(
            st.sampled_from(
                ["ce_type", "ce_specversion", "content-type", "CE_TYPE", "ce-id", "Ce_Type", "x"]
            ),
            st.sampled_from([TYPES[CREATED], b"1.0", b"1.1", b"application/json", b"", None]),
        ),
        max_size=4,
    )
)
def test_any_headers_are_read_alike_or_left(names: list[tuple[str, Any]]) -> None:
    assert_equal_or_left(record(CREATED, ORDER, headers=tuple(names)))
