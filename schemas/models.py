"""Input: what upstream systems publish.

Unknown fields are ignored, so that publishers may add theirs; a field known here is strict. Of a
field that a JSON object holds twice the last one counts. Optional fields may also be ``null``.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .types import Currency, Labels, Money, Name, Text, Time


class _Input(BaseModel):
    # Identifiers and times hardly ever come twice: to look each text up among those seen before
    # takes an eighth of reading an event, and keeps thousands of them alive.
    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", hide_input_in_errors=True, cache_strings="none"
    )


class Line(_Input):
    """One line of an order."""

    sku: Name
    quantity: Annotated[int, Field(ge=1, le=2**31 - 1)]
    unit_price: Money


class OrderCreated(_Input):
    """An order entered the system: the seller's window opens."""

    order_id: Name
    seller_id: Name
    fulfilment: Literal["courier", "dropshipping"]
    entered_at: Time
    total: Money | None = None
    currency: Currency | None = None
    # One bad line is enough: a list of a million faults would hold up the lane.
    lines: Annotated[tuple[Line, ...], Field(fail_fast=True)] | None = None
    labels: Labels | None = Field(
        None, description="Facts of the order for policies, such as `test` or `pre-order`."
    )
    due: Time | None = Field(
        None, description="The deadline, for policies that take it from the order."
    )


class Validation(_Input):
    """What the seller found when validating stock; left out means not reported."""

    in_stock: bool | None = Field(None, description="The stock exists.")
    functional: bool | None = Field(
        None, description="The products work and are in perfect condition, as described."
    )
    complete: bool | None = Field(None, description="The products are complete, as described.")

    @property
    def stock_ok(self) -> bool | None:
        """False if anything is wrong, None if nothing was reported at all."""
        reported = (self.in_stock, self.functional, self.complete)
        if False in reported:
            return False
        return True if True in reported else None


class Dispute(_Input):
    """The form a seller fills in to cancel or to open a dispute. Personal data."""

    text: Text | None = Field(None, description="Text for the dispute: names the stock break.")
    type: Text | None = Field(None, description="`CS`: Canceled by seller.")
    responsible: Text | None = Field(None, description="Name and surname of who left it.")

    @property
    def complete(self) -> bool:
        """Whether all three fields say something."""
        return all(field and field.strip() for field in (self.text, self.type, self.responsible))


class OrderStatusChanged(_Input):
    """Somebody did something with an order.

    ``status`` uses the vocabulary of the order management system; a status that Plazo does not
    know is recorded and ignored.
    """

    order_id: Name
    status: Annotated[Name, Field(examples=["start-handling", "canceled", "dispute-opened"])]
    occurred_at: Time
    validation: Validation | None = None
    dispute: Dispute | None = None
    # Kept as they come.
    lines: list[Any] | None = None
    partial: bool | None = None

    @property
    def cancels_in_part(self) -> bool:
        """Whether a cancellation is one of some lines only."""
        return bool(self.partial or self.lines)

    @property
    def stock_ok(self) -> bool | None:
        """What the validation says of the stock, None where there is none."""
        return None if self.validation is None else self.validation.stock_ok

    @property
    def form_complete(self) -> bool | None:
        """Whether the dispute form is complete, None where there is no form."""
        return None if self.dispute is None else self.dispute.complete


class _DeadlineChange(_Input):
    order_id: Name
    occurred_at: Time
    author: Annotated[Name, Field(description="Who wanted it. Personal data.")]
    reason: Annotated[Text, Field(min_length=1, description="Why. Kept, and told nowhere else.")]


class DeadlineExtended(_DeadlineChange):
    """Somebody gave a seller more time. Of several the latest in event time counts."""

    due: Annotated[Time, Field(description="The new deadline, behind the order's own.")]


class DeadlineHeld(_DeadlineChange):
    """Somebody keeps the verdict from falling, until it is released. The deadline stays."""


class DeadlineReleased(_DeadlineChange):
    """A held verdict may fall again."""
