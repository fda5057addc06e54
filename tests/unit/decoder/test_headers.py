"""Headers tell the type of a record; what is remembered of them changes no outcome."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import events
from schemas.events import RefusalClass
from schemas.models import OrderStatusChanged
from tests.unit.decoder.records import CHANGED, CREATED, NOW, changed, decoder, record, refused
from worker.ingest.decoder import Decoder
from worker.ingest.envelope import MAX_CACHED_ENVELOPES


def test_headers_with_a_hyphen_are_read_as_those_with_an_underscore() -> None:
    kind, version = events.ORDER_STATUS_CHANGED.encode(), ("ce-specversion", b"1.0")
    event = decoder.decode(record(changed(), headers=(("ce-type", kind), version)), NOW)
    assert isinstance(event, OrderStatusChanged)
    for _ in range(2):  # the second time from memory
        outcome = refused(record(changed(), headers=(("ce-type", b"other"), version)))
        assert outcome.error == RefusalClass.UNKNOWN_TYPE
    twice = (("ce_type", kind), ("ce-type", b"other"), version)
    assert refused(record(changed(), headers=twice)).error == RefusalClass.ENVELOPE


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
