"""Other systems' formats, as their documentation shows them."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas import events
from schemas.events import RefusalClass
from schemas.models import DeadlineHeld, OrderCreated, OrderStatusChanged
from worker.ingest.decoder import Decoder
from worker.ingest.formats import ADAPTERS
from worker.ingest.formats.affiliates import Affiliates
from worker.records import Record, Refusal
from worker.settings import Settings

STRUCTURED = events.STRUCTURED_CONTENT_TYPE

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FEED = {
    "eventId": "ED423DDED4C1AE580CADAC1A4D02DA3F", "handle": "opaque", "domain": "Fulfillment",
    "state": "start-handling", "lastState": "ready-for-handling", "orderId": "v40484048naf-01",
    "lastChange": "2019-08-14T21:04:40.9990000Z", "currentChange": "2019-08-14T21:04:43.1234567Z",
}  # fmt: skip
HOOK = {
    "Domain": "Marketplace", "OrderId": "v40484048naf-01", "State": "payment-approved",
    "LastState": "payment-pending", "LastChange": "2019-07-29T23:17:30.0617185Z",
    "CurrentChange": "2019-07-29T23:18:30.0617185Z",
    "Origin": {"Account": "accountABC", "Key": "vtexappkey-keyEXAMPLE"},
}  # fmt: skip
VTEX_ORDER = {
    "orderId": "v40484048naf-01", "sequence": "502556", "status": "ready-for-handling",
    "value": 123456, "creationDate": "2019-01-28T20:09:43.8998080+00:00",
    "sellers": [{"id": "s-77", "name": "Loja", "logo": None}], "items": [{"id": "1234568358"}],
    "storePreferencesData": {"countryCode": "BRA", "currencyCode": "BRL"},
}  # fmt: skip
MIRAKL = {
    "order_id": "C-1-A", "order_state": "WAITING_ACCEPTANCE", "shop_id": 2042,
    "created_date": "2026-11-22T10:00:00Z", "last_updated_date": "2026-11-22T12:00:00Z",
    "acceptance_decision_date": None, "total_price": 58.2, "currency_iso_code": "EUR",
    "order_lines": [{"order_line_id": "C-1-A-1", "order_line_state": "WAITING_ACCEPTANCE"}],
}  # fmt: skip
DECIDED = {"acceptance_decision_date": "2026-11-22T11:00:00Z"}


def read(name: str, body: Any, key: str | None = None, at: datetime = NOW) -> Any:
    """Through the decoder, keyed by the order as the contract wants it."""
    decoder = Decoder("orders", "acts", 100_000, timedelta(minutes=5), timedelta(hours=24),
                  {"t": ADAPTERS[name]})  # fmt: skip
    if key is None:
        key = next(str(body[k]) for k in ("orderId", "OrderId", "order_id", "hookConfig")
                   if k in body)  # fmt: skip
    timestamp = round(at.timestamp() * 1000)
    value = json.dumps(body).encode()
    return decoder.decode(Record("t", 0, 0, timestamp, key.encode(), value, ()), NOW)


def said(events: tuple[OrderStatusChanged, ...]) -> list[tuple[str, str]]:
    return [(event.status, event.occurred_at.strftime("%H:%M:%S.%f")) for event in events]


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def test_an_entry_of_the_vtex_feed() -> None:
    assert said(read("vtex-feed", FEED)) == [("start-handling", "21:04:43.123456")]


def test_a_call_of_the_vtex_hook() -> None:
    assert said(read("vtex-hook", HOOK)) == [("payment-approved", "23:18:30.061718")]


def test_what_the_hook_may_leave_out_is_in_doubt_for_the_seller() -> None:
    bare = without(HOOK, "CurrentChange", "LastState")
    for state in ("start-handling", "Invoiced"):
        assert said(read("vtex-hook", bare | {"State": state})) == [(state, "23:17:30.061718")]
    # An early time would start a clock early, or make what came before a cancellation a new life.
    for state in ("payment-approved", "ready-for-handling", "canceled", "a-word-of-a-policy"):
        assert read("vtex-hook", bare | {"State": state})[0].occurred_at == NOW
    barest = without(bare, "LastChange")
    assert read("vtex-hook", barest | {"State": "handling"})[0].occurred_at == NOW


def test_the_ping_of_the_hook_is_nothing() -> None:
    assert read("vtex-hook", {"hookConfig": "ping"}) == ()


@pytest.mark.parametrize("state", [None, "", " "])
def test_an_incomplete_order_has_no_state_and_no_deadline(state: str | None) -> None:
    assert read("vtex-feed", FEED | {"state": state}) == ()
    assert read("vtex-hook", HOOK | {"State": state}) == ()
    assert read("vtex-order", VTEX_ORDER | {"status": state}) == ()


def test_the_broadcast_of_vtex_io() -> None:
    body = {"recorder": {}, "domain": "Marketplace", "orderId": "v1-01", "currentState": "invoice",
            "lastState": "payment-approved", "currentChangeDate": "2020-07-13T20:25:13.2304508Z",
            "lastChangeDate": "2020-07-13T20:25:03.9527532Z"}  # fmt: skip
    assert said(read("vtex-feed", body)) == [("invoice", "20:25:13.230450")]


def test_a_page_of_the_feed() -> None:
    key = FEED["orderId"]
    assert said(read("vtex-feed", [FEED], key)) == [("start-handling", "21:04:43.123456")]
    refused = read("vtex-feed", [FEED, FEED | {"orderId": "v1-02"}], key)
    assert refused.message == "value: a list of several or none; publish a record for each"
    assert set(refused.order_ids) == {key, "v1-02"}


def test_a_vtex_order_brings_what_notifications_lack() -> None:
    order, act = read("vtex-order", VTEX_ORDER)
    assert isinstance(order, OrderCreated)
    assert (order.order_id, order.seller_id) == ("v40484048naf-01", "s-77")
    assert order.entered_at == datetime(2019, 1, 28, 20, 9, 43, 899808, tzinfo=UTC)
    assert (order.total, order.currency) == ("1234.56", "BRL")
    assert (act.order_id, act.status) == ("v40484048naf-01", "ready-for-handling")
    assert len(read("vtex-order", without(VTEX_ORDER, "status"))) == 1


CHANGED = {"lastChange": "2019-01-28T22:00:00Z"}
CANCELLED = {"cancellationData": {"CancellationDate": "2019-01-28T21:00:00Z"}}


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        # Of handling the earliest time that is possible: the order's own.
        ({"status": "handling"}, "20:09:43.899808"),
        ({"status": "invoiced"} | CHANGED, "20:09:43.899808"),
        ({"status": "canceled"} | CHANGED | CANCELLED, "21:00:00.000000"),
        ({"status": "Cancelled"} | CHANGED | CANCELLED, "21:00:00.000000"),
        ({"status": "canceled"} | CHANGED, "22:00:00.000000"),
        ({"status": "canceled", "cancellationData": {}}, "00:00:00.000000"),
        ({"status": "canceled", "lastChange": "2019-01-27T00:00:00Z"}, "20:09:43.899808"),
        ({"status": "ready-for-handling"} | CHANGED | CANCELLED, "22:00:00.000000"),
        ({"status": "ready-for-handling"}, "00:00:00.000000"),
    ],
)
def test_the_status_of_a_document_is_evidence(fields: dict[str, Any], at: str) -> None:
    assert said(read("vtex-order", VTEX_ORDER | fields)[1:]) == [(fields["status"], at)]


def test_an_order_that_vtex_only_registers_has_no_deadline() -> None:
    assert read("vtex-order", VTEX_ORDER | {"isCompleted": False}) == ()
    assert len(read("vtex-order", VTEX_ORDER | {"isCompleted": True})) == 2


def test_an_order_of_two_sellers_goes_to_a_person() -> None:
    sellers = [{"id": "s-77"}, {"id": "s-78"}]
    refused = read("vtex-order", VTEX_ORDER | {"sellers": sellers})
    assert refused.message == "sellers: more than one; an order has one"
    assert refused.order_ids == (VTEX_ORDER["orderId"],)
    assert len(read("vtex-order", VTEX_ORDER | {"sellers": [{"id": "s-77"}] * 2})) == 2


# The two ids of a VTEX order.

SELLERS = FEED | {"orderId": "SLR-v1-02"}


def with_affiliates(names: str, format_name: str, body: Any, key: str) -> Any:
    formats = {"order_created_format": "vtex-order", "order_status_changed_format": "vtex-feed"}
    settings = Settings.model_construct(vtex_affiliates=names, **formats)
    topics = dict(zip(("vtex-order", "vtex-feed"), settings.input_topics, strict=True))
    value = json.dumps(body).encode()
    record = Record(topics[format_name], 0, 0, 0, key.encode(), value, ())
    return Decoder.of(settings, timedelta(hours=24)).decode(record, NOW)


@pytest.mark.parametrize("key", ["SLR-v1-02", "v1-02"])
def test_acts_under_the_sellers_id_count_for_the_order(key: str) -> None:
    (act,) = with_affiliates("SCP, SLR", "vtex-feed", SELLERS, key)
    assert act.order_id == "v1-02"


def test_without_the_affiliates_both_orders_are_shielded() -> None:
    refused = with_affiliates("", "vtex-feed", SELLERS, "SLR-v1-02")
    assert (
        refused.message == "orderId: begins like an affiliate's; PLAZO_VTEX_AFFILIATES names none"
    )
    assert refused.order_ids == ("SLR-v1-02", "v1-02")


def test_another_marketplaces_order_keeps_its_id() -> None:
    (act,) = with_affiliates("SCP", "vtex-feed", SELLERS, "SLR-v1-02")
    assert act.order_id == "SLR-v1-02"


def test_the_marketplace_as_its_own_seller() -> None:
    (act,) = with_affiliates("", "vtex-feed", FEED | {"orderId": "00-v1-02"}, "00-v1-02")
    assert act.order_id == "v1-02"


@pytest.mark.parametrize("marketplace", ["marketplaceOrderId", "marketPlaceOrderId"])
def test_the_sellers_document_names_the_marketplaces_id(marketplace: str) -> None:
    body = VTEX_ORDER | {"orderId": "SLR-v1-02", marketplace: "v1-02"}
    for names in ("", "SLR"):
        assert with_affiliates(names, "vtex-order", body, "SLR-v1-02")[0].order_id == "v1-02"


def test_a_document_whose_acts_would_not_be_found_is_refused() -> None:
    body = VTEX_ORDER | {"orderId": "v1-02", "sellerOrderId": "SLR-v1-02"}
    assert len(with_affiliates("SLR", "vtex-order", body, "v1-02")) == 2
    assert len(with_affiliates("", "vtex-order", body, "v1-02")) == 2
    refused = with_affiliates("SCP", "vtex-order", body, "v1-02")
    assert refused.message == "sellerOrderId: begins with none of PLAZO_VTEX_AFFILIATES"


def test_an_unreadable_record_shields_the_order_of_either_id() -> None:
    for names in ("", "SLR"):
        refused = with_affiliates(names, "vtex-feed", "?", "SLR-v1-02")
        assert refused.order_ids == ("SLR-v1-02", "v1-02")


def test_an_order_with_two_keys_needs_the_proof_of_all_lanes() -> None:
    with pytest.raises(ValidationError, match="PLAZO_PROOF must be `all`"):
        Settings(vtex_affiliates="SLR", proof="lane")


# Mirakl.


def test_a_mirakl_order() -> None:
    order, act = read("mirakl-order", MIRAKL)
    assert (order.order_id, order.seller_id) == ("C-1-A", "2042")
    assert order.entered_at == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert (order.total, order.currency) == ("58.2", "EUR")
    assert act.status == "waiting-acceptance"


def test_a_staged_order_has_not_entered() -> None:
    acts = read("mirakl-order", MIRAKL | {"order_state": "STAGING"})
    assert said(acts) == [("staging", "12:00:00.000000")]


HANDLED = [("start-handling", "11:00:00.000000")]
OPEN, SHUT = {"order_line_state": "INCIDENT_OPEN"}, {"order_line_state": "INCIDENT_CLOSED"}
LATER = {"last_updated_date": "2026-11-22T11:30:00Z"}
GONE = {"shipped_date": "2026-11-22T11:20:00Z"}


def lines(*given: dict[str, Any], state: str = "SHIPPING") -> dict[str, Any]:
    return DECIDED | {"order_state": state, "order_lines": list(given)}


@pytest.mark.parametrize(
    ("changes", "acts"),
    [
        ({}, [("waiting-acceptance", "12:00:00.000000")]),
        ({"order_state": "STAGING"}, [("staging", "12:00:00.000000")]),
        ({"order_state": "SOMETHING_NEW"}, [("something-new", "12:00:00.000000")]),
        *(
            (DECIDED | {"order_state": state}, HANDLED)
            for state in ("WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING", "SHIPPED",
                          "TO_COLLECT", "RECEIVED", "CLOSED", "WAITING_REFUND", "REFUNDED",
                          "WAITING_REFUND_PAYMENT", "Shipped")
        ),
        # Mirakl has no date of an automatic acceptance: the earliest time that is possible.
        ({"order_state": "SHIPPED"}, [("start-handling", "10:00:00.000000")]),
        ({"order_state": "SHIPPED", "acceptance_decision_date": ""},
         [("start-handling", "10:00:00.000000")]),
        # A refund may follow a refusal as well.
        ({"order_state": "REFUNDED"}, [("refunded", "12:00:00.000000")]),
        (DECIDED | {"order_state": "REFUSED"}, [("canceled", "11:00:00.000000")]),
        ({"order_state": "REFUSED"}, [("canceled", "12:00:00.000000")]),
        (DECIDED | {"order_state": "CANCELED"}, [("canceled", "12:00:00.000000")]),
        # An open incident is one dispute, however often the order changes.
        (lines({"order_line_state": "SHIPPING"}, OPEN),
         [("dispute-opened", "11:00:00.000000"), *HANDLED]),
        (lines(OPEN | LATER), [("dispute-opened", "11:30:00.000000"), *HANDLED]),
        (lines(SHUT | LATER), [("dispute-resolved", "11:30:00.000000"), *HANDLED]),
        (lines(OPEN, state="INCIDENT_OPEN"),
         [("dispute-opened", "11:00:00.000000"), *HANDLED]),
        # After the goods have left, an incident is the customer's.
        (lines(OPEN | GONE), HANDLED),
        (lines(OPEN, state="SHIPPED"), HANDLED),
        (lines(SHUT, state="RECEIVED"), HANDLED),
    ],
)  # fmt: skip
def test_acts_of_mirakl(changes: dict[str, Any], acts: list[tuple[str, str]]) -> None:
    assert said(read("mirakl-acts", MIRAKL | changes)) == acts
    shopless = without(MIRAKL | changes, "shop_id")
    assert said(read("mirakl-acts", shopless)) == acts
    assert isinstance(read("mirakl-order", shopless), Refusal)


def cancelled(*dates: str) -> dict[str, Any]:
    cancelations = [{"created_date": f"2026-11-22T{date}Z"} for date in dates]
    return {"order_line_state": "CANCELED", "cancelations": cancelations}


@pytest.mark.parametrize(
    ("order_lines", "at"),
    [
        ([cancelled("10:30:00")], "10:30:00.000000"),
        ([cancelled("10:30:00", "10:40:00"), cancelled("10:20:00")], "10:40:00.000000"),
        ([cancelled("10:30:00"), {"order_line_state": "REFUSED"}], "10:30:00.000000"),
        ([cancelled("10:30:00"), cancelled()], "12:00:00.000000"),
        ([cancelled() | {"cancelations": None}], "12:00:00.000000"),
        (None, "12:00:00.000000"),
    ],
)
def test_an_order_is_cancelled_with_its_last_line(order_lines: Any, at: str) -> None:
    body = MIRAKL | {"order_state": "CANCELED", "order_lines": order_lines}
    assert said(read("mirakl-acts", body)) == [("canceled", at)]


def test_an_acceptance_without_dates_is_no_later_than_shipping() -> None:
    body = without(MIRAKL, "created_date") | {"order_state": "SHIPPED"}
    assert said(read("mirakl-acts", body)) == [("start-handling", "12:00:00.000000")]
    body["order_lines"] = [GONE, {"debited_date": "2026-11-22T11:10:00Z"}]
    assert said(read("mirakl-acts", body)) == [("start-handling", "11:10:00.000000")]


def test_envelopes_of_mirakl() -> None:
    page = {"orders": [MIRAKL], "total_count": 1}
    called = {"event_type": "ORDER", "payload": [{"details": MIRAKL}]}
    for body in (page, called, {"payload": [MIRAKL]}):
        (act,) = read("mirakl-acts", body, "C-1-A")
        assert act.status == "waiting-acceptance"
    refused = read("mirakl-acts", {"orders": [MIRAKL, MIRAKL | {"order_id": "C-2-A"}]}, "C-1-A")
    assert refused.message == "orders: a list of several or none; publish a record for each"
    assert set(refused.order_ids) == {"C-1-A", "C-2-A"}
    called["payload"] = [{"details": without(MIRAKL, "order_state")}]
    refused = read("mirakl-acts", called, "C-1-A")
    assert refused.message == "payload.0.details.order_state: missing"


# Our own events beside them.

HELD = {"order_id": "a", "occurred_at": "2026-11-23T09:00:00Z", "author": "A", "reason": "r"}
DISPUTED = {"order_id": "a", "status": "dispute-opened", "occurred_at": "2026-11-23T09:00:00Z"}


@pytest.mark.parametrize("name", ["vtex-feed", "vtex-hook", "mirakl-acts"])
@pytest.mark.parametrize(
    ("ce_type", "body", "model"),
    [
        (events.DEADLINE_HELD, HELD, DeadlineHeld),
        (events.ORDER_STATUS_CHANGED, DISPUTED, OrderStatusChanged),
    ],
)
def test_our_own_events_stand_beside_a_foreign_format(
    name: str, ce_type: str, body: Any, model: Any
) -> None:
    assert type(own(name, body, ("ce_type", ce_type), ("ce_specversion", "1.0"))) is model
    assert type(own(name, body, ("CE-Type", ce_type), ("ce-specversion", "1.0"))) is model
    envelope = {"specversion": "1.0", "type": ce_type, "data": body}
    assert type(own(name, envelope, ("content-type", STRUCTURED))) is model


def test_a_type_of_ours_that_is_none_of_the_topic_is_refused_by_its_name() -> None:
    refused = own("vtex-feed", DISPUTED, ("ce_type", "marketplace.order.status-changed.v9"))
    assert refused.error == RefusalClass.ENVELOPE  # no specversion
    refused = own("vtex-feed", DISPUTED, ("ce_type", "marketplace.order.status-changed.v9"),
                  ("ce_specversion", "1.0"))  # fmt: skip
    assert refused.error == RefusalClass.UNKNOWN_TYPE


def test_a_foreign_record_in_an_envelope_of_its_own() -> None:
    body = FEED | {"orderId": "a"}
    binary = own("vtex-feed", body, ("ce_type", "com.vtex.order"), ("ce_specversion", "1.0"))
    envelope = {"specversion": "1.0", "type": "com.vtex.order", "data": body}
    assert binary == own("vtex-feed", envelope, ("content-type", STRUCTURED))
    assert said(binary) == [("start-handling", "21:04:43.123456")]


def own(name: str, body: Any, *headers: tuple[str, str]) -> Any:
    decoder = Decoder("orders", "acts", 100_000, timedelta(minutes=5), timedelta(hours=24),
                      {"acts": ADAPTERS[name]})  # fmt: skip
    pairs = tuple((header, text.encode()) for header, text in headers)
    return decoder.decode(Record("acts", 0, 0, 0, b"a", json.dumps(body).encode(), pairs), NOW)


# Real payloads.

PAYLOADS = [
    json.loads(line)
    for line in Path(__file__).with_name("payloads.jsonl").read_text("utf-8").splitlines()
]


def raw(part: Any) -> bytes | None:
    if isinstance(part, dict) and set(part) == {"base64"}:
        return base64.b64decode(part["base64"])
    return part if part is None else (part if isinstance(part, str) else json.dumps(part)).encode()


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload["id"])
def test_real_payloads(payload: dict[str, Any]) -> None:
    name = payload["format"]
    topic = "orders" if name.endswith("-order") else "acts"
    adapters = {} if name.startswith("plazo") else {topic: ADAPTERS[name]}
    decoder = Decoder("orders", "acts", 100_000, timedelta(minutes=5), timedelta(hours=24),
                      adapters, Affiliates().aliases)  # fmt: skip
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    headers = tuple((header, text.encode()) for header, text in payload["headers"])
    record = Record(topic, 0, 0, round(at.timestamp() * 1000), raw(payload["key"]),
                    raw(payload["value"]), headers)  # fmt: skip
    found = decoder.decode(record, at + timedelta(seconds=1))
    if isinstance(found, Refusal):
        assert found.error == payload["refused"], payload["wanted"]
        assert set(payload["shields"]) <= set(found.order_ids)
        return
    told = [outline(event) for event in (found if isinstance(found, tuple) else (found,))]
    assert told == payload["events"], payload["wanted"]


def outline(event: Any) -> list[str | None]:
    if isinstance(event, OrderCreated):
        return ["order", event.order_id, event.seller_id, event.entered_at.isoformat(),
                event.total, event.currency]  # fmt: skip
    if isinstance(event, OrderStatusChanged):
        return [event.status, event.order_id, event.occurred_at.isoformat()]
    return [type(event).__name__, event.order_id]


@pytest.mark.parametrize(
    ("name", "body", "key", "error"),
    [
        ("vtex-feed", without(FEED, "state"), None, RefusalClass.INVALID),
        ("vtex-feed", FEED | {"currentChange": "yesterday"}, None, RefusalClass.TIME),
        ("vtex-feed", FEED | {"currentChange": "2027-01-01T00:00:00Z"}, None,
         RefusalClass.FUTURE_TIME),
        ("vtex-feed", FEED, "another", RefusalClass.KEY_MISMATCH),
        ("vtex-hook", FEED, None, RefusalClass.INVALID),
        ("vtex-order", VTEX_ORDER | {"sellers": []}, None, RefusalClass.INVALID),
        ("mirakl-acts", without(MIRAKL, "last_updated_date"), None, RefusalClass.INVALID),
    ],
)  # fmt: skip
def test_what_cannot_be_read_shields_its_order(
    name: str, body: dict[str, Any], key: str | None, error: RefusalClass
) -> None:
    refused = read(name, body, key)
    assert isinstance(refused, Refusal)
    assert refused.error == error
    order = next(str(body[k]) for k in ("orderId", "OrderId", "order_id") if k in body)
    assert order in refused.order_ids
