"""Mirakl: the order as OR11 lists it, published to both topics whenever it has changed.

As an order it opens the window, unless it is still in ``STAGING``, where the seller does not see
it. As acts it tells what the seller has done: accepting an order is what validates its stock.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from schemas.models import OrderCreated, OrderStatusChanged
from schemas.types import Currency, Name, Time
from worker.domain.acts import CANCELED, DISPUTE_OPENED, DISPUTE_RESOLVED, START_HANDLING
from worker.ingest.formats.model import Foreign

_STAGING = "STAGING"
_INCIDENT = "INCIDENT_OPEN"
# None of them is reached but by acceptance.
_ACCEPTED = frozenset({
    "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING", "SHIPPED", "TO_COLLECT", "RECEIVED",
    "CLOSED",
})  # fmt: skip


class _Line(Foreign):
    state: Name | None = Field(None, alias="order_line_state")


class _Order(Foreign):
    order_id: Name
    state: Name = Field(alias="order_state")
    created: Time = Field(alias="created_date")
    updated: Time = Field(alias="last_updated_date")
    decided: Time | None = Field(None, alias="acceptance_decision_date")
    shop_id: int | Name
    lines: Annotated[tuple[_Line, ...], Field(fail_fast=True)] = Field((), alias="order_lines")
    total: Annotated[Decimal, Field(strict=False, ge=0, lt=10**16)] | None = Field(
        None, alias="total_price"
    )
    currency: Currency | None = Field(None, alias="currency_iso_code")


def order(value: bytes, _recorded_at: datetime) -> tuple[OrderCreated, ...]:
    """The order that a snapshot tells of; none while it is staged."""
    found = _Order.model_validate_json(value)
    if found.state == _STAGING:
        return ()
    created = OrderCreated.model_construct(
        order_id=found.order_id,
        seller_id=str(found.shop_id),
        fulfilment="dropshipping",  # the shop ships
        entered_at=found.created,
        total=None if found.total is None else format(found.total, "f"),
        currency=found.currency,
        lines=None,
    )
    return (created,)


def acts(value: bytes, _recorded_at: datetime) -> tuple[OrderStatusChanged, ...]:
    """What a snapshot says has been done; a state that says nothing is kept under its own name."""
    found = _Order.model_validate_json(value)
    decided = found.decided or found.updated
    if any(line.state == _INCIDENT for line in found.lines):
        told = [(DISPUTE_OPENED, found.updated)]
        if found.state in _ACCEPTED:
            told.append((START_HANDLING, decided))
    elif found.state in _ACCEPTED:
        # A snapshot does not say that there was an incident before; if so, it is over.
        told = [(START_HANDLING, decided), (DISPUTE_RESOLVED, found.updated)]
    elif found.state == "REFUSED":
        told = [(CANCELED, decided)]
    elif found.state == "CANCELED":
        told = [(CANCELED, found.updated)]
    else:
        told = [(found.state.lower().replace("_", "-"), found.updated)]
    return tuple(
        OrderStatusChanged.model_construct(
            order_id=found.order_id,
            status=status,
            occurred_at=moment,
            validation=None,
            dispute=None,
        )
        for status, moment in told
    )
