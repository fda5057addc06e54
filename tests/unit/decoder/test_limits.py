"""Limits of time and size, and what one record may cost."""

from datetime import timedelta

import pytest

from schemas.events import RefusalClass
from schemas.models import OrderStatusChanged
from tests.unit.decoder.records import (
    CHANGED,
    CREATED,
    ID,
    NOW,
    changed,
    decoder,
    record,
    refused,
    roomy,
)
from worker.ingest.decoder import Decoder
from worker.ingest.formats import ADAPTERS
from worker.records import Refusal


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
