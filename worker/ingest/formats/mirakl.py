"""Mirakl: the order as OR11 lists it, published to both topics whenever it has changed.

As an order it opens the window, unless it is still in ``STAGING``, where the seller does not see
it. As acts it says what the seller has done: to accept an order is to validate its stock.
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
# An order reaches these states only by acceptance.
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
    """Return the order of a snapshot; none while it is staged."""
    snapshot = _Order.model_validate_json(value)
    if snapshot.state == _STAGING:
        return ()
    created = OrderCreated.model_construct(
        order_id=snapshot.order_id,
        seller_id=str(snapshot.shop_id),
        fulfilment="dropshipping",  # the shop ships
        entered_at=snapshot.created,
        total=None if snapshot.total is None else format(snapshot.total, "f"),
        currency=snapshot.currency,
        lines=None,
    )
    return (created,)


def acts(value: bytes, _recorded_at: datetime) -> tuple[OrderStatusChanged, ...]:
    """Return the acts that a snapshot implies; a state that implies none keeps its own name."""
    snapshot = _Order.model_validate_json(value)
    decided = snapshot.decided or snapshot.updated
    if any(line.state == _INCIDENT for line in snapshot.lines):
        implied = [(DISPUTE_OPENED, snapshot.updated)]
        if snapshot.state in _ACCEPTED:
            implied.append((START_HANDLING, decided))
    elif snapshot.state in _ACCEPTED:
        # A snapshot does not show earlier incidents; if there was one, it is over.
        implied = [(START_HANDLING, decided), (DISPUTE_RESOLVED, snapshot.updated)]
    elif snapshot.state == "REFUSED":
        implied = [(CANCELED, decided)]
    elif snapshot.state == "CANCELED":
        implied = [(CANCELED, snapshot.updated)]
    else:
        implied = [(snapshot.state.lower().replace("_", "-"), snapshot.updated)]
    return tuple(
        OrderStatusChanged.model_construct(
            order_id=snapshot.order_id,
            status=status,
            occurred_at=moment,
            validation=None,
            dispute=None,
        )
        for status, moment in implied
    )
