"""Of an accepted record only the fields of the contract are kept, and no verdict changes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.events import DEADLINE_HELD, ORDER_STATUS_CHANGED
from schemas.models import DeadlineHeld, OrderCreated, OrderStatusChanged
from worker.decide.lines import last_cancellation
from worker.ingest.bodies import kept
from worker.ingest.decoder import Decoder
from worker.records import Record
from worker.settings import Settings

ORDER = {
    "order_id": "o", "seller_id": "s", "fulfilment": "courier",
    "entered_at": "2026-11-22T15:04:05Z",
    "lines": [{"sku": "a", "quantity": 2, "unit_price": "1.00"}, {"sku": "b"}],
}  # fmt: skip
ACT = {
    "order_id": "o", "status": "canceled", "occurred_at": "2026-11-22T18:00:00Z",
    "dispute": {"text": "t", "type": "CS", "responsible": "r"},
    "validation": {"in_stock": True},
}  # fmt: skip
HOLD = {"order_id": "o", "occurred_at": "2026-11-22T18:00:00Z", "author": "a", "reason": "r"}
CASES = [(OrderCreated, ORDER), (OrderStatusChanged, ACT), (DeadlineHeld, HOLD)]
SECRET = "Jr. Puno 251"


DECODER = Decoder.of(Settings(_env_file=None), timedelta(days=1))
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def body(model: Any, value: Any, *, whole: bool = False, **style: Any) -> tuple[bytes, bytes]:
    """The record, and what is kept of it."""
    # "Infinity" is refused, a number beyond the largest is not.
    sent = json.dumps(value, **style).replace("Infinity", "1e400").encode()
    kind = DEADLINE_HELD if model is DeadlineHeld else None
    topic = "order-created" if model is OrderCreated else "order-status-changed"
    headers = (("ce_type", kind.encode()), ("ce_specversion", b"1.0")) if kind else ()
    record = Record(f"marketplace.{topic}", 0, 0, 0, b"o", sent, headers)
    plain, event = DECODER.read(record, NOW)
    assert type(event) is model, event
    return sent, kept(plain, event, whole=whole)


@pytest.mark.parametrize(("model", "value"), CASES)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (", ", " : ")])
def test_fields_that_nobody_asked_for_are_not_kept(
    model: Any, value: dict[str, Any], separators: tuple[str, str]
) -> None:
    sent, stored = body(model, value | {"address": SECRET}, separators=separators)
    assert SECRET in sent.decode()
    assert SECRET not in stored.decode()
    assert json.loads(stored).keys() == value.keys()


@pytest.mark.parametrize(
    ("model", "value", "place"),
    [(OrderStatusChanged, ACT, ("dispute",)),
     (OrderStatusChanged, ACT, ("validation",)),
     (OrderStatusChanged, ACT | {"validation": {"lines": [{}]}}, ("validation", "lines", 0))],
)  # fmt: skip
def test_nor_those_of_a_part(model: Any, value: Any, place: tuple[Any, ...]) -> None:
    value = json.loads(json.dumps(value))
    part = value
    for step in place:
        part = part[step]
    part["address"] = SECRET
    assert SECRET not in body(model, value)[1].decode()


@pytest.mark.parametrize(("model", "value"), CASES)
def test_a_record_of_the_contract_is_kept_as_it_is(model: Any, value: dict[str, Any]) -> None:
    sent, stored = body(model, value)
    assert stored is not None
    assert stored == sent


def test_an_envelope_is_not_kept() -> None:
    _, stored = body(
        OrderStatusChanged,
        {"specversion": "1.0", "subject": SECRET, "type": ORDER_STATUS_CHANGED, "data": ACT},
    )
    assert SECRET not in stored.decode()
    assert json.loads(stored)["dispute"] == ACT["dispute"]


def test_records_are_kept_whole_on_demand() -> None:
    sent, stored = body(OrderCreated, ORDER | {"address": SECRET}, whole=True)
    assert stored == sent


@pytest.mark.parametrize("quantity", ["1", "1.5", "2.0", '"2"', "Infinity", "null", "-1", "[]"])
def test_the_lines_lead_to_the_same_verdict(quantity: str) -> None:
    def rows(*, whole: bool) -> list[dict[str, Any]]:
        found = []
        told = (
            (OrderCreated, ORDER, "order-created"),
            (OrderStatusChanged,
             ACT | {"lines": [{"sku": "a", "quantity": json.loads(quantity)}, {"sku": "b"}]},
             "canceled-in-part"),
        )  # fmt: skip
        for hour, (model, value, status) in enumerate(told):
            stored = body(model, value | {"address": SECRET}, whole=whole)[1].decode()
            at = datetime(2026, 11, 22, hour, tzinfo=UTC)
            found.append({"order_id": "o", "status": status, "occurred_at": at, "body": stored})
        return found

    assert last_cancellation(rows(whole=True), "o") == last_cancellation(rows(whole=False), "o")
