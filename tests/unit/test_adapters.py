"""Other systems' formats, as their documentation shows them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.events import RefusalClass
from schemas.models import OrderCreated, OrderStatusChanged
from worker.ingest.decoder import Decoder
from worker.ingest.formats import ADAPTERS
from worker.records import Record, Refusal

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
    assert said(read("vtex-hook", bare)) == [("payment-approved", "23:17:30.061718")]
    barest = without(bare, "LastChange")
    assert read("vtex-hook", barest)[0].occurred_at == NOW


def test_the_ping_of_the_hook_is_nothing() -> None:
    assert read("vtex-hook", {"hookConfig": "ping"}) == ()


def test_a_vtex_order_brings_what_notifications_lack() -> None:
    (order,) = read("vtex-order", VTEX_ORDER)
    assert isinstance(order, OrderCreated)
    assert (order.order_id, order.seller_id) == ("v40484048naf-01", "s-77")
    assert order.entered_at == datetime(2019, 1, 28, 20, 9, 43, 899808, tzinfo=UTC)
    assert (order.total, order.currency) == ("1234.56", "BRL")


def test_a_mirakl_order() -> None:
    (order,) = read("mirakl-order", MIRAKL)
    assert (order.order_id, order.seller_id) == ("C-1-A", "2042")
    assert order.entered_at == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert (order.total, order.currency) == ("58.2", "EUR")
    assert read("mirakl-order", MIRAKL | {"order_state": "STAGING"}) == ()


@pytest.mark.parametrize(
    ("changes", "acts"),
    [
        ({}, [("waiting-acceptance", "12:00:00.000000")]),
        ({"order_state": "STAGING"}, [("staging", "12:00:00.000000")]),
        ({"order_state": "SOMETHING_NEW"}, [("something-new", "12:00:00.000000")]),
        *(
            (DECIDED | {"order_state": state},
             [("start-handling", "11:00:00.000000"), ("dispute-resolved", "12:00:00.000000")])
            for state in ("WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING", "SHIPPED",
                          "TO_COLLECT", "RECEIVED", "CLOSED")
        ),
        (DECIDED | {"order_state": "REFUSED"}, [("canceled", "11:00:00.000000")]),
        (DECIDED | {"order_state": "CANCELED"}, [("canceled", "12:00:00.000000")]),
        (
            DECIDED | {"order_state": "SHIPPING",
                       "order_lines": [{"order_line_state": "SHIPPING"},
                                       {"order_line_state": "INCIDENT_OPEN"}]},
            [("dispute-opened", "12:00:00.000000"), ("start-handling", "11:00:00.000000")],
        ),
    ],
)  # fmt: skip
def test_acts_of_mirakl(changes: dict[str, Any], acts: list[tuple[str, str]]) -> None:
    assert said(read("mirakl-acts", MIRAKL | changes)) == acts


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
