"""The compiled reader of plain records: whatever it reads, it reads as the decoder does."""

import json
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.benchmarks.mix import mix
from tests.support.native import needs_compiled
from tests.support.plain import (
    ACT,
    CHANGED,
    CHANGES,
    CREATED,
    DECODER,
    ENTRY,
    HEADERS,
    LANE,
    LEFT,
    NOW,
    ORDER,
    PARTS,
    POLICIES,
    TYPES,
    USUAL,
    WITH_MORE,
    assert_equal_or_left,
    assert_same,
    by_decoder,
    compiled_only,
    reader,
    record,
)
from worker.ingest.entry import Entry
from worker.ingest.rows import Rows, deadline_rows, decode_into
from worker.policy.file import parse
from worker.records import Record
from worker.storage import binary_copy

pytestmark = needs_compiled


@pytest.mark.parametrize("one", USUAL)
def test_usual_records_are_plain(one: Record) -> None:
    assert assert_equal_or_left(one)


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


@pytest.mark.parametrize("one", WITH_MORE)
def test_members_of_publishers_do_not_end_in_the_body(one: Record) -> None:
    whole = Entry(POLICIES, CREATED, timedelta(0), keep_bodies=True)
    assert assert_equal_or_left(one)
    assert assert_equal_or_left(one, whole)
    rows, _ = compiled_only([one])
    assert b"Ana" not in b"".join(rows.packed_acts)


@pytest.mark.parametrize("name", LEFT)
def test_what_needs_judgement_is_left_to_the_decoder(name: str) -> None:
    assert not assert_equal_or_left(record(CREATED, LEFT[name]))


@pytest.mark.parametrize("headers", HEADERS)
def test_unusual_headers_are_left_to_the_decoder(headers: Any) -> None:
    assert not assert_equal_or_left(record(CREATED, ORDER, headers=headers))


@pytest.mark.parametrize("changes", PARTS)
def test_unusual_records_are_left_to_the_decoder(changes: dict[str, Any]) -> None:
    assert not assert_equal_or_left(record(CREATED, ORDER)._replace(**changes))


@pytest.mark.parametrize("more", CHANGES)
def test_changes_that_need_judgement_are_left_to_the_decoder(more: dict[str, Any]) -> None:
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
