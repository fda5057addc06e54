"""Records as a mapping reads them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.events import RefusalClass
from schemas.models import OrderCreated, OrderStatusChanged
from schemas.statuses import Meaning, normalise
from tests.unit.mappings.shop import NOW, ORDER, adapter, changed, decoder, read, record
from worker.ingest.salvage import salvage
from worker.policy import file as policy_file
from worker.records import Refusal


def test_an_order_keeps_its_facts_and_those_that_are_missing_stay_missing() -> None:
    (order,) = read(ORDER | {"cents": 1990, "currency": "PEN", "gift": True})
    assert order == OrderCreated(
        order_id="7", seller_id="12", fulfilment="dropshipping",
        entered_at=datetime(2026, 11, 22, 10, tzinfo=UTC), total="19.90", currency="PEN",
        lines=[{"sku": "a"}], labels={"gift": "true"},
    )  # fmt: skip
    (bare,) = read({k: v for k, v in ORDER.items() if k != "items"})
    assert (bare.total, bare.currency, bare.labels, bare.lines, bare.due) == (None,) * 5


def test_one_record_may_tell_several_acts() -> None:
    at = datetime(2026, 11, 22, 11, tzinfo=UTC)
    parcel = {"ok": True, "at": round(at.timestamp() * 1000), "checked": False, "note": "gone"}
    body = ORDER | {"state": "void", "parcels": [parcel, {"ok": False}, parcel]}
    order, canceled, first, second = read(body)
    assert type(order) is OrderCreated
    assert (canceled.status, canceled.occurred_at.day) == ("canceled", 23)
    assert (first.status, first.occurred_at, first.stock_ok) == ("shipped", at, False)
    assert first.dispute.text == "gone"
    assert first == second


def test_handling_counts_at_its_earliest_time_and_a_cancellation_at_its_latest() -> None:
    days = {}
    for state in ("accepted", "void"):
        _, act = read(ORDER | {"state": state})
        days[act.status] = act.occurred_at.day
    assert days == {"start-handling": 22, "canceled": 23}


def test_a_word_outside_the_table_is_unknown_though_plazo_knows_it() -> None:
    _, act = read(ORDER | {"state": "order-accepted"})
    assert act.status == "shop:order-accepted"


def test_the_policy_file_may_give_such_a_word_a_meaning() -> None:
    text = "version: 1\nstatuses: {'shop:packed': handling}\npolicies: [{name: a, window: 24h}]"
    vocabulary = policy_file.parse(text, timedelta(0)).vocabulary
    _, act = read(ORDER | {"state": "Packed"})
    assert vocabulary.meaning(normalise(act.status)) is Meaning.HANDLING


def test_a_topic_of_acts_gets_no_order() -> None:
    (act,) = adapter(acts_only=True)(json.dumps(ORDER | {"state": "ACCEPTED"}).encode(), NOW)
    assert type(act) is OrderStatusChanged


def test_records_that_are_not_ours_are_passed_over() -> None:
    assert read({"test": True}) == ()
    assert read(ORDER, changed(only="kind == 'order'")) == ()


WRAPPED = {
    "debezium": ({"before": None, "after": ORDER, "op": "c"}, ()),
    "connect": ({"schema": {}, "payload": ORDER}, ()),
    "text": (json.dumps(ORDER), ()),
    "cloud event": ({"specversion": "1.0", "id": "x", "type": "t", "data": ORDER}, ()),
}


@pytest.mark.parametrize("wrapping", WRAPPED)
@pytest.mark.parametrize("only", ["state == 'New'", "test != `true`"])
def test_a_wrapping_is_taken_off_and_never_passed_over(wrapping: str, only: str) -> None:
    body, headers = WRAPPED[wrapping]
    (order,) = read(body, changed(only=only), headers=headers)
    assert order.order_id == "7"


def test_a_missing_id_is_a_dead_letter_by_name() -> None:
    found = read({k: v for k, v in ORDER.items() if k != "id"})
    assert found == Refusal(RefusalClass.INVALID, "order_id: missing", ("7",))


@pytest.mark.parametrize("given", [7.5, True, ["7"], {}])
def test_an_id_that_is_none_is_refused_though_the_record_tells_nothing_else(given: Any) -> None:
    found = read({"id": given, "state": "New"}, changed(order=None))
    assert found == Refusal(RefusalClass.INVALID, "order_id: not a text", ("7",))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"created": None}, "entered_at: missing"),
        ({"created": "22.11.2026"}, "entered_at: not a time of RFC 3339 with an offset"),
        ({"created": 1_790_000_000}, "entered_at: not a time of RFC 3339 with an offset"),
        ({"vendor": {}}, "seller_id: missing"),
        ({"cents": 19.9}, "total: not a text"),
        ({"gift": ["x"]}, "labels: not an object of at most 50 short texts"),
        ({"state": "void", "changed": None}, "acts.0.occurred_at: missing"),
        ({"state": None}, "acts.0.status: missing"),
        ({"parcels": {}}, "acts.1.each: finds no list"),
        ({"parcels": [{"ok": True}] * 201}, "acts.1.each: more than 200"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name_and_shields_its_order(
    fields: dict[str, Any], message: str
) -> None:
    # Only the mapping knows where the id stands: the key is another.
    reader = decoder(ignore_keys=True)
    found = reader.decode(record(ORDER | fields, key="other"), NOW)
    assert isinstance(found, Refusal)
    assert found.message == message
    assert found.order_ids == ("7", "other")


def test_the_deadline_of_a_refused_order_is_salvaged_by_its_mapping() -> None:
    reader = decoder()
    one = record(ORDER | {"cents": "?"})
    refusal = reader.decode(one, NOW)
    assert isinstance(refusal, Refusal)
    order = salvage(one, refusal, NOW, reader.facts(one))
    assert order is not None
    assert (order.order_id, order.seller_id, order.entered_at) == (
        "7", "12", datetime(2026, 11, 22, 10, tzinfo=UTC),
    )  # fmt: skip


def test_our_own_events_stand_beside_a_mapping() -> None:
    own = {"order_id": "7", "status": "canceled", "occurred_at": "2026-11-22T10:00:00Z"}
    headers = (("ce_type", b"marketplace.order.status-changed.v1"), ("ce_specversion", b"1.0"))
    found = read(own, headers=headers, topic="acts")
    assert (type(found), found.status) == (OrderStatusChanged, "canceled")
