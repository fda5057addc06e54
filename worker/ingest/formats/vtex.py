"""VTEX: feed v3, hook and broadcast for what happens to orders, the order itself for the rest.

A notification names neither the seller nor the time of the order. The order's own document
(``GET /api/oms/pvt/orders/{orderId}``) does. It also tells the order's status, which counts as an
act: the feed is a queue, and another reader may have taken the entry. Our statuses come from
VTEX's vocabulary of states.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from schemas.events import RefusalClass
from schemas.models import OrderCreated, OrderStatusChanged
from schemas.statuses import STATUSES, Meaning, normalise
from schemas.types import NO_NUL, Currency, Time, Trimmed
from worker.ingest.formats.affiliates import Affiliates
from worker.ingest.formats.model import Foreign, MaybeTime, act, moment, only, read
from worker.ingest.parse_errors import RefusalError

# VTEX leaves the state of an incomplete order empty.
_State = Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None

_UNKNOWN_AFFILIATES = Affiliates()


class _Feed(Foreign):
    """An entry of the feed, or VTEX IO's broadcast of it."""

    order_id: Trimmed = Field(alias="orderId")
    state: _State = Field(validation_alias=AliasChoices("state", "currentState"))
    last_change: MaybeTime = Field(
        None, validation_alias=AliasChoices("lastChange", "lastChangeDate")
    )
    current_change: MaybeTime = Field(
        None, validation_alias=AliasChoices("currentChange", "currentChangeDate")
    )


class _Hook(Foreign):
    order_id: Trimmed = Field(alias="OrderId")
    state: _State = Field(alias="State")
    last_change: MaybeTime = Field(None, alias="LastChange")
    current_change: MaybeTime = Field(None, alias="CurrentChange")


class _Ping(Foreign):
    hook_config: str | None = Field(None, alias="hookConfig")


class _Seller(Foreign):
    id: Trimmed


class _Preferences(Foreign):
    currency: Currency | None = Field(None, alias="currencyCode")


class _Cancellation(Foreign):
    date: MaybeTime = Field(None, alias="CancellationDate")


class _Order(Foreign):
    order_id: Trimmed = Field(alias="orderId")
    seller_order_id: str | None = Field(None, alias="sellerOrderId")
    marketplace_order_id: str | None = Field(
        None, validation_alias=AliasChoices("marketplaceOrderId", "marketPlaceOrderId")
    )
    created: Time = Field(alias="creationDate")
    last_change: MaybeTime = Field(None, alias="lastChange")
    status: _State = None
    state: _State = None
    completed: bool | None = Field(None, alias="isCompleted")
    cancellation: _Cancellation | None = Field(None, alias="cancellationData")
    sellers: Annotated[tuple[_Seller, ...], Field(min_length=1, fail_fast=True)]
    value: Annotated[int, Field(ge=0, lt=10**15)] | None = None  # in cents
    preferences: _Preferences | None = Field(None, alias="storePreferencesData")

    @property
    def reached(self) -> str:
        """Its status; the document of an order group has another name for it."""
        return (self.status or self.state or "").strip()

    @property
    def incomplete(self) -> bool:
        """Whether the order is registered only. VTEX processes none until it is complete."""
        told = self.model_fields_set & {"status", "state"}
        return self.completed is False or (bool(told) and not self.reached)


def feed(
    value: bytes, recorded_at: datetime, affiliates: Affiliates = _UNKNOWN_AFFILIATES
) -> tuple[OrderStatusChanged, ...]:
    """Return the act of one entry of the feed; none if it tells no state."""
    return _acts(read(_Feed, value, _page), recorded_at, affiliates, "orderId")


def hook(
    value: bytes, recorded_at: datetime, affiliates: Affiliates = _UNKNOWN_AFFILIATES
) -> tuple[OrderStatusChanged, ...]:
    """Return the act of one call of the hook; none for the ping when a hook is set up."""
    # Only short records are tried as a ping, which names no order.
    if len(value) < 100 and _Ping.model_validate_json(value).hook_config == "ping":
        return ()
    return _acts(read(_Hook, value, _page), recorded_at, affiliates, "OrderId")


def order(
    value: bytes, recorded_at: datetime, affiliates: Affiliates = _UNKNOWN_AFFILIATES
) -> tuple[OrderCreated | OrderStatusChanged, ...]:
    """Return the order of a document, and the act of its status; none if it is incomplete.

    It does not say who ships; the rule is the same for both.
    """
    document = read(_Order, value, _page)
    order_id = _order_id(document, affiliates)
    if len({seller.id for seller in document.sellers}) > 1:
        # The silence of one of them would be nobody's.
        raise RefusalError(RefusalClass.INVALID, "sellers: more than one; an order has one")
    if document.incomplete:
        return ()
    cents = document.value
    created = OrderCreated.model_construct(
        order_id=order_id,
        seller_id=document.sellers[0].id,
        fulfilment="dropshipping",
        entered_at=document.created,
        total=None if cents is None else f"{cents // 100}.{cents % 100:02}",
        currency=document.preferences.currency if document.preferences else None,
        lines=None,
    )
    if not document.reached:
        return (created,)
    return created, act(order_id, document.reached, _reached_at(document, recorded_at))


def _order_id(document: _Order, affiliates: Affiliates) -> str:
    """Return the marketplace's id, and make sure that acts under the seller's would count."""
    given, marketplace = document.order_id, (document.marketplace_order_id or "").strip()
    if marketplace and given.endswith(f"-{marketplace}"):
        return marketplace
    order_id = affiliates.order_id("orderId", given)
    others = (document.seller_order_id or "").strip()
    two = bool(affiliates.names) and others.endswith(f"-{order_id}")
    if two and affiliates.order_id("sellerOrderId", others) != order_id:
        message = "sellerOrderId: begins with none of PLAZO_VTEX_AFFILIATES"
        raise RefusalError(RefusalClass.INVALID, message)
    return order_id


def _reached_at(document: _Order, recorded_at: datetime) -> datetime:
    cancelled = document.cancellation.date if document.cancellation else None
    if cancelled and STATUSES.get(normalise(document.reached)) == Meaning.CANCELED:
        reached_at = cancelled
    else:
        # The last change of any kind: the status is as old or older.
        latest = document.last_change or recorded_at
        reached_at = moment(document.reached, document.created, latest)
    # Two clocks of VTEX may have stamped them, and the act is one of this order.
    return max(reached_at, document.created)


def _acts(
    change: _Feed | _Hook, recorded_at: datetime, affiliates: Affiliates, field: str
) -> tuple[OrderStatusChanged, ...]:
    order_id = affiliates.order_id(field, change.order_id)
    state = (change.state or "").strip()
    if not state:
        return ()
    # A missing time lies between the previous change and the record.
    occurred_at = change.current_change or moment(state, change.last_change, recorded_at)
    return (act(order_id, state, occurred_at),)


def _page(found: Any) -> tuple[str, Any] | None:
    """A page of the feed is a list of entries."""
    return only("value", found) if isinstance(found, list) else None
