"""Mirakl: the order as OR11 lists it, published to both topics whenever it has changed.

As an order it opens the window, unless it is still in ``STAGING``, where the seller does not see
it. As acts it says what the seller has done: to accept an order is to validate its stock. The same
acts come with the order, so that each topic alone is evidence.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field

from schemas.models import OrderCreated, OrderStatusChanged
from schemas.statuses import normalise
from schemas.types import Currency, Name, Time, Trimmed
from worker.ingest.formats.model import Foreign, MaybeTime, act, moment, only, read

_CANCELED: Final = "canceled"
_DISPUTE_OPENED: Final = "dispute-opened"
_DISPUTE_RESOLVED: Final = "dispute-resolved"
_START_HANDLING: Final = "start-handling"

# States, normalised.
_STAGING = "staging"
_REFUSED = "refused"
_INCIDENT_OPEN, _INCIDENT_CLOSED = "incident-open", "incident-closed"
# The goods have left the seller.
_GONE = frozenset({"shipped", "to-collect", "received", "closed"})
# An order reaches these states only by acceptance.
_ACCEPTED = _GONE | {"waiting-debit", "waiting-debit-payment", "shipping"}
# These may also follow a refusal, so that the decision must be told.
_AFTERWARDS = frozenset({
    "waiting-refund", "waiting-refund-payment", "refunded", _INCIDENT_OPEN, _INCIDENT_CLOSED,
})  # fmt: skip


class _Cancelation(Foreign):
    created: MaybeTime = Field(None, alias="created_date")


class _Line(Foreign):
    state: Name | None = Field(None, alias="order_line_state")
    updated: MaybeTime = Field(None, alias="last_updated_date")
    debited: MaybeTime = Field(None, alias="debited_date")
    shipped: MaybeTime = Field(None, alias="shipped_date")
    received: MaybeTime = Field(None, alias="received_date")
    cancelations: Annotated[tuple[_Cancelation, ...], Field(fail_fast=True)] | None = None

    @property
    def reached(self) -> str | None:
        return self.state and normalise(self.state)

    @property
    def cancelled(self) -> datetime | None:
        """Its last cancelation."""
        dates = [one.created for one in self.cancelations or () if one.created]
        return max(dates, default=None)


class _Snapshot(Foreign):
    """A seller's own OR11 tells no shop, and a webhook need not tell when the order began."""

    order_id: Trimmed
    state: Trimmed = Field(alias="order_state")
    updated: Time = Field(alias="last_updated_date")
    created: MaybeTime = Field(None, alias="created_date")
    decided: MaybeTime = Field(None, alias="acceptance_decision_date")
    debited: MaybeTime = Field(None, alias="customer_debited_date")
    lines: Annotated[tuple[_Line, ...], Field(fail_fast=True)] | None = Field(
        None, alias="order_lines"
    )

    @property
    def reached(self) -> str:
        return normalise(self.state)


class _Order(_Snapshot):
    created: Time = Field(alias="created_date")
    shop_id: int | Trimmed
    total: Annotated[Decimal, Field(strict=False, ge=0, lt=10**16)] | None = Field(
        None, alias="total_price"
    )
    currency: Currency | None = Field(None, alias="currency_iso_code")


def order(value: bytes, _recorded_at: datetime) -> tuple[OrderCreated | OrderStatusChanged, ...]:
    """Return the order of a snapshot and its acts; of a staged one, the acts alone."""
    snapshot = read(_Order, value, _envelope)
    acts = _acts(snapshot)
    if snapshot.reached == _STAGING:
        return acts
    created = OrderCreated.model_construct(
        order_id=snapshot.order_id,
        seller_id=str(snapshot.shop_id),
        fulfilment="dropshipping",  # the shop ships
        entered_at=snapshot.created,
        total=None if snapshot.total is None else format(snapshot.total, "f"),
        currency=snapshot.currency,
        lines=None,
    )
    return created, *acts


def acts(value: bytes, _recorded_at: datetime) -> tuple[OrderStatusChanged, ...]:
    """Return the acts that a snapshot implies; a state that implies none keeps its own name."""
    return _acts(read(_Snapshot, value, _envelope))


def _acts(snapshot: _Snapshot) -> tuple[OrderStatusChanged, ...]:
    return tuple(act(snapshot.order_id, *implied) for implied in _implied(snapshot))


def _implied(snapshot: _Snapshot) -> Iterator[tuple[str, datetime]]:
    state, lines = snapshot.reached, snapshot.lines or ()
    # A customer's incident after the goods have left is no dispute about the stock.
    stocked = [line for line in lines if state not in _GONE and not (line.shipped or line.received)]
    opened = [line for line in stocked if line.reached == _INCIDENT_OPEN]
    closed = [line for line in stocked if line.reached == _INCIDENT_CLOSED]
    if opened:
        yield _DISPUTE_OPENED, min(_incident_at(line, snapshot) for line in opened)
    elif closed:
        yield _DISPUTE_RESOLVED, max(line.updated or snapshot.updated for line in closed)
    if state in _ACCEPTED or (state in _AFTERWARDS and snapshot.decided):
        yield _START_HANDLING, snapshot.decided or _accepted_at(snapshot)
    elif state == _REFUSED:
        yield _CANCELED, snapshot.decided or snapshot.updated
    elif state == _CANCELED:
        yield _CANCELED, _cancelled_at(snapshot)
    elif not opened:
        yield snapshot.state.lower().replace("_", "-"), snapshot.updated


def _incident_at(line: _Line, snapshot: _Snapshot) -> datetime:
    """Return the time of an open incident, the same in each snapshot: it is one dispute."""
    return line.updated or snapshot.decided or snapshot.created or snapshot.updated


def _accepted_at(snapshot: _Snapshot) -> datetime:
    """Return the time of an automatic acceptance, for which Mirakl has no date."""
    dates = [snapshot.updated, snapshot.debited]
    for line in snapshot.lines or ():
        dates += (line.debited, line.shipped, line.received)
    return moment(_START_HANDLING, snapshot.created, min(date for date in dates if date))


def _cancelled_at(snapshot: _Snapshot) -> datetime:
    """Return the time at which the last line was cancelled, if all tell theirs."""
    dates = [line.cancelled for line in snapshot.lines or () if line.reached != _REFUSED]
    told = [date for date in dates if date]
    return max(told) if told and len(told) == len(dates) else snapshot.updated


def _envelope(found: Any) -> tuple[str, Any] | None:
    """A page of OR11, or a call of the webhook."""
    if not isinstance(found, dict):
        return None
    if "orders" in found:
        return only("orders", found["orders"])
    if "payload" in found:
        name, inner = only("payload", found["payload"])
        if isinstance(inner, dict) and "details" in inner:
            return f"{name}details.", inner["details"]
        return name, inner
    return None
