"""Whatever Hypothesis can think of: nothing raises, and no person is named."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from schemas import events
from schemas.models import OrderCreated, OrderStatusChanged
from tests.unit.decoder.records import CHANGED, CREATED, ID, NOW, SECRET, changed, record, roomy
from worker.ingest.parse_errors import MAX_MESSAGE
from worker.records import Refusal

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
