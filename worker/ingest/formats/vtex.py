"""VTEX: feed v3 and hook for what happens to orders, the order itself for what they lack.

A notification names neither the seller nor the time of the order. The order's own document
(``GET /api/oms/pvt/orders/{orderId}``) does: the feed's reader publishes it once for each order to
the topic of orders. Our statuses come from VTEX's vocabulary of states.
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
    """Return the act of one entry of the feed."""
    return (_act(_Feed.model_validate_json(value), recorded_at),)


def hook(value: bytes, recorded_at: datetime) -> tuple[OrderStatusChanged, ...]:
    """Return the act of one call of the hook; none for the ping when a hook is set up."""
    # Only short records are tried as a ping, which names no order.
    if len(value) < 100 and _Ping.model_validate_json(value).hook_config == "ping":
        return ()
    return (_act(_Hook.model_validate_json(value), recorded_at),)


def order(value: bytes, _recorded_at: datetime) -> tuple[OrderCreated, ...]:
    """Return the order of a document. It does not say who ships; the rule is the same for both."""
    document = _Order.model_validate_json(value)
    cents = document.value
    created = OrderCreated.model_construct(
        order_id=document.order_id,
        seller_id=document.sellers[0].id,
        fulfilment="dropshipping",
        entered_at=document.created,
        total=None if cents is None else f"{cents // 100}.{cents % 100:02}",
        currency=document.preferences.currency if document.preferences else None,
        lines=None,
    )
    return (created,)


def _act(change: _Feed | _Hook, recorded_at: datetime) -> OrderStatusChanged:
    # A missing time lies between the previous change and the record. The earlier is taken: our
    # guess must not make the seller's act late.
    moment = change.current_change or change.last_change or recorded_at
    return OrderStatusChanged.model_construct(
        order_id=change.order_id,
        status=change.state,
        occurred_at=moment,
        validation=None,
        dispute=None,
    )
