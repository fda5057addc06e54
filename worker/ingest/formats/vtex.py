"""VTEX: feed v3 and hook for what happens to orders, the order itself for what they lack.

A notification tells neither the seller nor when the order was created. That comes from the order's
own document (``GET /api/oms/pvt/orders/{orderId}``), which whoever reads the feed publishes once
for each order to the topic of orders. States are the vocabulary that our statuses come from.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from schemas.models import OrderCreated, OrderStatusChanged
from schemas.types import Currency, Name, Time
from worker.ingest.formats.model import Foreign


class _Feed(Foreign):
    order_id: Name = Field(alias="orderId")
    state: Name
    last_change: Time | None = Field(None, alias="lastChange")
    current_change: Time | None = Field(None, alias="currentChange")


class _Hook(Foreign):
    order_id: Name = Field(alias="OrderId")
    state: Name = Field(alias="State")
    last_change: Time | None = Field(None, alias="LastChange")
    current_change: Time | None = Field(None, alias="CurrentChange")


class _Ping(Foreign):
    hook_config: str | None = Field(None, alias="hookConfig")


class _Seller(Foreign):
    id: Name


class _Preferences(Foreign):
    currency: Currency | None = Field(None, alias="currencyCode")


class _Order(Foreign):
    order_id: Name = Field(alias="orderId")
    created: Time = Field(alias="creationDate")
    sellers: Annotated[tuple[_Seller, ...], Field(min_length=1, fail_fast=True)]
    value: Annotated[int, Field(ge=0, lt=10**15)] | None = None  # in cents
    preferences: _Preferences | None = Field(None, alias="storePreferencesData")


def feed(value: bytes, recorded_at: datetime) -> tuple[OrderStatusChanged, ...]:
    """One entry of the feed."""
    return (_act(_Feed.model_validate_json(value), recorded_at),)


def hook(value: bytes, recorded_at: datetime) -> tuple[OrderStatusChanged, ...]:
    """One call of the hook; none for the ping that VTEX sends when a hook is set up."""
    # Few records are so short, and a ping holds no order that could be missed.
    if len(value) < 100 and _Ping.model_validate_json(value).hook_config == "ping":
        return ()
    return (_act(_Hook.model_validate_json(value), recorded_at),)


def order(value: bytes, _recorded_at: datetime) -> tuple[OrderCreated, ...]:
    """The document of an order. Who ships is not told there; the rule is the same for both."""
    found = _Order.model_validate_json(value)
    cents = found.value
    created = OrderCreated.model_construct(
        order_id=found.order_id,
        seller_id=found.sellers[0].id,
        fulfilment="dropshipping",
        entered_at=found.created,
        total=None if cents is None else f"{cents // 100}.{cents % 100:02}",
        currency=found.preferences.currency if found.preferences else None,
        lines=None,
    )
    return (created,)


def _act(told: _Feed | _Hook, recorded_at: datetime) -> OrderStatusChanged:
    # Where the time of the change is missing, it lies between the change before and the record: in
    # doubt for the seller, whose act must not come too late by our guess.
    moment = told.current_change or told.last_change or recorded_at
    return OrderStatusChanged.model_construct(
        order_id=told.order_id,
        status=told.state,
        occurred_at=moment,
        validation=None,
        dispute=None,
    )
