"""The decoder: examples from the contract, then whatever Hypothesis can think of."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import schemas
from schemas import events
from schemas.events import RefusalClass
from schemas.models import (
    DeadlineExtended,
    DeadlineHeld,
    DeadlineReleased,
    OrderCreated,
    OrderStatusChanged,
)
from worker.ingest.broken_records import MAX_ORDER_IDS
from worker.ingest.decoder import Decoder
from worker.ingest.envelope import MAX_CACHED_ENVELOPES
from worker.ingest.formats import ADAPTERS
from worker.ingest.parse_errors import MAX_MESSAGE
from worker.records import Record, Refusal

EXAMPLES = Path(schemas.__file__).parent / "examples"
VALID = sorted((EXAMPLES / "valid").glob("*.json"))
INVALID = sorted((EXAMPLES / "invalid").glob("*.json"))

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)
ID = "v40484048naf-01"
CREATED = "order-created"
CHANGED = "order-status-changed"
SECRET = "Zoraida Quispe"  # a person's name, planted where it must not come out

decoder = Decoder(
    order_created_topic=CREATED,
    order_status_changed_topic=CHANGED,
    max_record_bytes=1000,
    max_clock_skew=timedelta(minutes=5),
    longest_wait=timedelta(hours=24, seconds=30),
)
roomy = Decoder(CREATED, CHANGED, 100_000, timedelta(minutes=5), timedelta(hours=24))


def record(
    value: bytes | None,
    topic: str = CHANGED,
    key: bytes | None = ID.encode(),
    headers: tuple[tuple[str, bytes], ...] = (),
) -> Record:
    return Record(topic, 0, 0, 0, key, value, headers)


def load(path: Path) -> tuple[dict[str, Any], Record]:
    example = json.loads(path.read_text(encoding="utf-8"))
    headers = example["headers"]
    pairs = headers.items() if isinstance(headers, dict) else headers
    value: bytes | None
    if "value_text" in example:
        value = example["value_text"].encode()
    elif "value_base64" in example:
        value = base64.b64decode(example["value_base64"])
    else:
        value = None if example["value"] is None else json.dumps(example["value"]).encode()
    key: bytes | None
    if "key_base64" in example:
        key = base64.b64decode(example["key_base64"])
    else:
        key = None if example["key"] is None else example["key"].encode()
    return example, record(
        value, example["topic"], key, tuple((name, text.encode()) for name, text in pairs)
    )


def changed(**fields: object) -> bytes:
    value = {"order_id": ID, "status": "canceled", "occurred_at": "2026-11-22T18:00:00Z"}
    return json.dumps(value | fields).encode()


def refused(given: Record, using: Decoder = decoder) -> Refusal:
    outcome = using.decode(given, NOW)
    assert isinstance(outcome, Refusal)
    assert len(outcome.message) <= MAX_MESSAGE
    return outcome


DEADLINES = {
    "deadline-extended": DeadlineExtended,
    "deadline-held": DeadlineHeld,
    "deadline-released": DeadlineReleased,
}


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid_example_is_read(path: Path) -> None:
    example, given = load(path)
    event = decoder.decode(given, NOW)
    named = path.stem.startswith("deadline-")
    usual = {CREATED: OrderCreated, CHANGED: OrderStatusChanged}[example["topic"]]
    assert type(event) is (DEADLINES[path.stem] if named else usual)
    assert event.order_id == ID


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid_example_is_refused(path: Path) -> None:
    example, given = load(path)
    using = decoder if path.stem == "oversize" else roomy
    outcome = refused(given, using)
    assert outcome.error == example["refused"]
    assert outcome.order_ids == tuple(example["order_ids"])
    assert outcome.message


def test_examples_cover_every_class() -> None:
    shown = {load(path)[0]["refused"] for path in INVALID}
    # Those three are found out later: by the database, the order's home lane, and a person.
    later = {RefusalClass.DATABASE, RefusalClass.TOO_LATE, RefusalClass.SKIPPED}
    assert shown == set(RefusalClass) - later


def test_fields_of_an_order() -> None:
    event = decoder.decode(load(EXAMPLES / "valid" / "order-created-nine-digits.json")[1], NOW)
    assert isinstance(event, OrderCreated)
    assert event.entered_at == datetime(2026, 11, 22, 15, 4, 5, 123456, tzinfo=UTC)
    assert event.entered_at.tzinfo is UTC
    assert event.total is None


@pytest.mark.parametrize(("ahead", "taken"), [(300, True), (300.000001, False)])
def test_clock_skew_is_inclusive(ahead: float, taken: bool) -> None:
    moment = NOW + timedelta(seconds=ahead)
    outcome = decoder.decode(record(changed(occurred_at=moment.isoformat())), NOW)
    assert isinstance(outcome, OrderStatusChanged) is taken


def test_size_limit_is_inclusive() -> None:
    body = changed()
    exact = body + b" " * (1000 - len(body))
    assert isinstance(decoder.decode(record(exact), NOW), OrderStatusChanged)
    assert refused(record(exact + b" ")).error == RefusalClass.OVERSIZE


def test_oversize_is_searched_up_to_the_limit() -> None:
    named = b'{"order_id":"near"' + b" " * 990 + b',"order_id":"far"}'
    assert refused(record(named)).order_ids == (ID, "near")


def test_topic_that_is_no_input() -> None:
    assert refused(record(changed(), topic="else")).error == RefusalClass.UNKNOWN_TYPE


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


AVRO = b"\0\0\0\0\x07\x0ahidde\x1cstart-handling(2026-11-24T11:00:00Z"


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


def test_a_refusal_names_the_encoding_that_it_knows() -> None:
    asked = "Confluent wire format, schema id 7: set PLAZO_SCHEMA_REGISTRY_URL"
    assert refused(record(AVRO)).message == asked
    assert refused(record(AVRO)).error == RefusalClass.SCHEMA
    in_header = (("__value_schema_id", AVRO[:5]),)
    assert refused(record(AVRO[5:], headers=in_header)).message == asked
    for start, name in (
        (gzip.compress(changed()), "gzip"), (b"\x28\xb5\x2f\xfd\0", "zstd"),
        (b"Obj\1", "a file of Avro"), (b"\xc3\1abc", "a single object of Avro"),
        (b"\3\0" + bytes(16), "a record of the Glue"),
    ):  # fmt: skip
        assert f"it begins like {name}" in refused(record(start)).message


@pytest.mark.parametrize("decode", [decoder.decode, roomy.decode])
def test_a_tombstone_tells_nothing(decode: Any) -> None:
    assert decode(record(None), NOW) == ()
    assert decode(record(None, CREATED, headers=(("trace", b"1"),)), NOW) == ()


def test_an_event_that_lost_its_value_is_no_tombstone() -> None:
    headers = (("ce-type", events.ORDER_STATUS_CHANGED.encode()), ("ce-specversion", b"1.0"))
    assert refused(record(None, headers=headers)).order_ids == (ID,)
    assert refused(record(None, key=None)).error == RefusalClass.NO_KEY
    assert refused(record(b"")).error == RefusalClass.EMPTY_VALUE


@pytest.mark.parametrize("padded", [f" {ID}", f"{ID}\t\n", f"\u00a0{ID} "])
def test_blanks_around_an_id_are_no_mismatch(padded: str) -> None:
    for key, name in ((padded, ID), (ID, padded), (padded, padded)):
        event = decoder.decode(record(changed(order_id=name), key=key.encode()), NOW)
        assert isinstance(event, OrderStatusChanged)
        assert event.order_id == ID
    assert ID in refused(record(b"{", key=padded.encode())).order_ids


def test_headers_with_a_hyphen_are_read_as_those_with_an_underscore() -> None:
    kind, version = events.ORDER_STATUS_CHANGED.encode(), ("ce-specversion", b"1.0")
    event = decoder.decode(record(changed(), headers=(("ce-type", kind), version)), NOW)
    assert isinstance(event, OrderStatusChanged)
    for _ in range(2):  # the second time from memory
        outcome = refused(record(changed(), headers=(("ce-type", b"other"), version)))
        assert outcome.error == RefusalClass.UNKNOWN_TYPE
    twice = (("ce_type", kind), ("ce-type", b"other"), version)
    assert refused(record(changed(), headers=twice)).error == RefusalClass.ENVELOPE


@pytest.mark.parametrize("name", [r"a\u0000", r"\ud800", "", "x" * 201], ids=repr)
def test_what_is_no_order_id_is_not_named(name: str) -> None:
    body = b'{"order_id": "' + name.encode() + b'"}'
    assert refused(record(body, key=b"\xff")).order_ids == ()


def test_orders_named_are_bounded() -> None:
    body = json.dumps([{"order_id": str(i)} for i in range(1000)]).encode()
    assert len(refused(record(body), roomy).order_ids) == MAX_ORDER_IDS


@pytest.mark.parametrize(
    "body",
    [
        changed(occurred_at=SECRET, validation=SECRET, dispute=[SECRET]),
        changed(order_id=[SECRET], dispute={SECRET: SECRET, "text": 1, "responsible": [SECRET]}),
        changed(dispute={"responsible": SECRET + "\0"}),
        changed(dispute={"responsible": SECRET})[:-1],
        f'{{"{SECRET}": NaN}}'.encode(),
        f'{{"x": "{SECRET}\\ud800"}}'.encode(),
        f'"{SECRET}"'.encode(),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("mode", ["application/json", "application/cloudevents+json", SECRET])
def test_no_personal_data_in_a_message(body: bytes, mode: str) -> None:
    headers = (("content-type", mode.encode()),)
    envelope = b'{"specversion":"1.0","type":"%s","data":%s}' % (
        events.ORDER_STATUS_CHANGED.encode(),
        body,
    )
    for value in (body, envelope):
        assert SECRET not in refused(record(value, headers=headers)).message


def test_a_readable_record_names_its_order_too() -> None:
    assert decoder.named_orders(record(changed(order_id="b"), key=b"a")) == ("a", "b")
    assert decoder.named_orders(record(changed())) == (ID,)


def test_many_faults_make_one_short_message() -> None:
    body = json.dumps({"order_id": ID, "lines": [{}] * 500}).encode()
    assert refused(record(body, topic=CREATED), roomy).error == RefusalClass.INVALID


# Fuzzing.

header_names = st.sampled_from(
    ["ce_type", "CE_TYPE", "ce_specversion", "ce_id", "content-type", "Content-Type", "x", ""]
)
header_values = st.sampled_from(
    [
        b"1.0",
        b"application/json",
        b"application/cloudevents+json",
        events.ORDER_CREATED.encode(),
        events.ORDER_STATUS_CHANGED.encode(),
        b"\xff",
        None,
    ]
) | st.binary(max_size=20)
all_headers = st.lists(st.tuples(header_names, header_values), max_size=5).map(tuple)
topics = st.sampled_from([CREATED, CHANGED])

texts = st.sampled_from([ID, SECRET, SECRET + "\0", "2026-11-22T18:00:00Z", "1.00"]) | st.text(
    st.characters(), max_size=8
)
scalars = st.none() | st.booleans() | st.integers() | st.just(10**4000) | st.floats() | texts
names = st.sampled_from(
    [
        *OrderCreated.model_fields,
        *OrderStatusChanged.model_fields,
        "text",
        "responsible",
        "in_stock",
        "quantity",
        "specversion",
        "type",
        "data",
        "data_base64",
        SECRET,
    ]
)
jsons = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=8),
    max_leaves=25,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """JSON that is nearly right, whole or cut, alone or in an envelope."""
    right: dict[str, object] = json.loads(changed()) | {
        "seller_id": "s",
        "fulfilment": "courier",
        "entered_at": "2026-11-22T15:04:05Z",
    }
    value: object = right | draw(st.dictionaries(names, jsons, max_size=3))
    if draw(st.booleans()):
        value = {
            "specversion": "1.0",
            "type": draw(st.sampled_from([events.ORDER_CREATED, events.ORDER_STATUS_CHANGED])),
            "data": value,
        } | draw(st.dictionaries(names, jsons, max_size=2))
    body = json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body


def check(outcome: object) -> None:
    assert isinstance(outcome, OrderCreated | OrderStatusChanged | Refusal)
    if isinstance(outcome, Refusal):
        assert 0 < len(outcome.message) <= MAX_MESSAGE
        assert SECRET not in outcome.message
        assert len(set(outcome.order_ids)) == len(outcome.order_ids)
        for order_id in outcome.order_ids:
            assert 1 <= len(order_id) <= 200
            assert "\0" not in order_id
            order_id.encode()


@given(
    topic=topics,
    key=st.none() | st.binary(max_size=250),
    value=st.none() | st.binary(),
    headers=all_headers,
)
@example(CREATED, None, b"[" * 90_000, ())
@example(CREATED, b"k", b'{"data_base64":' * 5_000, ())
@example(
    CREATED, b"k", b'{"order_id":' * 5_000, (("content-type", b"application/cloudevents+json"),)
)
def test_no_bytes_raise(
    topic: str, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
) -> None:
    found = roomy.decode(record(value, topic, key, headers), NOW)
    if found == ():
        assert key
        assert value is None
    else:
        check(found)


@given(
    topic=topics,
    key=st.sampled_from([ID.encode(), SECRET.encode()]),
    body=bodies(),
    headers=all_headers,
)
def test_no_json_raises(
    topic: str, key: bytes, body: bytes, headers: tuple[tuple[str, bytes], ...]
) -> None:
    check(roomy.decode(record(body, topic, key, headers), NOW))


@given(body=bodies() | jsons.map(lambda value: json.dumps(value).encode()))
def test_no_envelope_raises(body: bytes) -> None:
    headers = (("content-type", b"application/cloudevents+json"),)
    check(roomy.decode(record(body, headers=headers), NOW))


@given(body=bodies())
def test_a_whole_body_that_names_its_order_shields_it(body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        return
    named = value.get("order_id")
    outcome = roomy.decode(record(body, key=None), NOW)
    assert isinstance(outcome, Refusal)
    if named == ID:
        assert ID in outcome.order_ids


_HEADER = st.tuples(
    st.sampled_from(["ce_type", "CE-Type", "ce_id", "ce_specversion", "content-type", "x"]),
    st.sampled_from([
        None, b"", b"1.0", b"2.0", b"marketplace.order.status-changed.v1", b"other",
        b"application/json", b"application/cloudevents+json", b"text/plain",
    ]),
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.lists(_HEADER, max_size=3).map(tuple), max_size=40))
def test_what_is_remembered_of_headers_changes_no_outcome(every: list[Any]) -> None:
    remembering, value = _fresh(), changed()
    for headers in every:
        given_record = record(value, headers=headers)
        assert remembering.decode(given_record, NOW) == _fresh().decode(given_record, NOW)


def test_of_headers_only_a_few_are_remembered() -> None:
    remembering = _fresh()
    for number in range(1_000):
        remembering.decode(record(changed(), headers=((f"x{number}", b"1"),)), NOW)
    assert len(remembering._envelopes[CHANGED].known) == MAX_CACHED_ENVELOPES


def _fresh() -> Decoder:
    return Decoder(CREATED, CHANGED, 1000, timedelta(minutes=5), timedelta(hours=24))


# One record costs a bounded amount.


@pytest.mark.parametrize("topic", [CREATED, CHANGED])
def test_a_long_key_is_refused_first_and_names_no_order(topic: str) -> None:
    for value in (None, changed(), b"{"):
        outcome = refused(record(value, topic, key=b"k" * 801))
        assert outcome.error == RefusalClass.KEY_MISMATCH
        assert outcome.message == "key: more than 800 bytes"
        assert "k" * 801 not in outcome.order_ids


def test_a_long_key_leaves_the_orders_of_the_body_shielded() -> None:
    assert refused(record(changed(), key=b"k" * 1_000_000)).order_ids == (ID,)


def test_the_longest_id_fits_the_key() -> None:
    order = "\U0001f4e6" * 200
    event = roomy.decode(record(changed(order_id=order), key=order.encode()), NOW)
    assert isinstance(event, OrderStatusChanged)


def test_more_headers_than_anybody_sends_are_refused_unread() -> None:
    headers = (("x", b""),) * 1_000
    assert isinstance(roomy.decode(record(changed(), headers=headers), NOW), OrderStatusChanged)
    outcome = refused(record(changed(), headers=(*headers, ("x", b""))), roomy)
    assert outcome.error == RefusalClass.ENVELOPE
    assert outcome.message == "headers: more than 1000"


def test_a_name_is_read_only_as_far_as_the_longest_known_one() -> None:
    long = "content-type" + "x" * 1_000_000
    event = roomy.decode(record(changed(), headers=((long, b"text/plain"),)), NOW)
    assert isinstance(event, OrderStatusChanged)


@pytest.mark.parametrize("milliseconds", [-1, 2**62, 253_402_300_800_000])
def test_the_time_of_a_foreign_record_may_be_any_number(milliseconds: int) -> None:
    adapters = {CHANGED: ADAPTERS["vtex-feed"]}
    foreign = Decoder(CREATED, CHANGED, 1_000, timedelta(minutes=5), timedelta(1), adapters)
    given = record(b"{}")._replace(timestamp=milliseconds)
    assert isinstance(foreign.decode(given, NOW), Refusal)
