"""Input: what upstream systems publish.

Unknown fields are ignored, so that publishers may add theirs; a field known here is strict. Of a
field that a JSON object holds twice the last one counts. Optional fields may also be ``null``.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from .statuses import STATUSES
from .types import Currency, Labels, Money, Name, Text, Time, Trimmed

OrderId = Annotated[
    Trimmed, Field(description="The id of the order, the same in all events; capitals count.")
]
OccurredAt = Annotated[
    Time, Field(description="When it happened, by the clock of who did it; not when it was sent.")
]


class _Input(BaseModel):
    # Identifiers and times hardly ever come twice: to look each text up among those seen before
    # takes an eighth of reading an event, and keeps thousands of them alive.
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        cache_strings="none",
        # Written again, no number turns into null: a line without a quantity is all of the line.
        ser_json_inf_nan="strings",
    )


_LINES = [{"sku": "A-1", "quantity": 1, "unit_price": "120.00"}]


class OrderCreated(_Input):
    """An order entered the system: the seller's window opens."""

    order_id: OrderId
    seller_id: Annotated[Trimmed, Field(description="The id of the seller; capitals count.")]
    fulfilment: Annotated[
        Trimmed,
        Field(
            description="Who ships. Policies match it as text.",
            examples=["courier", "dropshipping"],
        ),
    ]
    entered_at: Annotated[
        Time, Field(description="When the order entered the system: the window begins here.")
    ]
    total: Money | None = Field(
        None, description="The amount of the order. Policies compare it, nothing counts with it."
    )
    currency: Currency | None = Field(
        None, description="The currency of the total. Without it no amount is compared."
    )
    # A faulty line costs no order its deadline. Only cancellations of lines need them.
    lines: Annotated[Any, Field(description="Any JSON, kept as it comes.", examples=[_LINES])] = (
        None
    )
    labels: Labels | None = Field(
        None, description="Facts of the order for policies, such as `test` or `pre-order`."
    )
    due: Time | None = Field(
        None, description="The deadline, for policies that take it from the order."
    )


class _Findings(_Input):
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


class ValidatedLine(_Findings):
    """What the seller found of one line; left out means not reported."""

    sku: Annotated[Any, Field(description="Any JSON, kept as it comes.", examples=["A-1"])] = None


class Validation(_Findings):
    """What the seller found when validating stock; left out means not reported."""

    # One bad line is enough: a list of a million faults would hold up the lane.
    lines: Annotated[tuple[ValidatedLine, ...], Field(fail_fast=True)] | None = Field(
        None, description="The same of single lines. A fault of one is a fault of the order."
    )

    @property
    def stock_ok(self) -> bool | None:
        """False if anything is wrong in any line, None if nothing was reported at all."""
        reported = {super().stock_ok, *(line.stock_ok for line in self.lines or ())}
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

    ``status`` uses the vocabulary of the order management system, in any spelling. ``lines`` and
    ``partial`` say that a cancellation is one of some lines only.
    """

    order_id: OrderId
    status: Annotated[
        Trimmed,
        Field(
            description="Any text. `examples` lists those that have a meaning.",
            examples=sorted(STATUSES),
        ),
    ]
    occurred_at: OccurredAt
    lines: Annotated[
        Any, Field(description="A list of the lines that it concerns, each kept as it comes.")
    ] = None
    partial: bool | None = Field(None, description="Whether it concerns some lines only.")
    validation: Validation | None = Field(
        None, description="What the seller found when validating the stock."
    )
    dispute: Dispute | None = Field(
        None, description="The form of a cancellation or dispute. Personal data."
    )

    @property
    def cancels_in_part(self) -> bool:
        """Whether a cancellation is one of some lines only."""
        return bool(self.partial or (isinstance(self.lines, list) and self.lines))

    @property
    def stock_ok(self) -> bool | None:
        """What the validation says of the stock, None where there is none."""
        return None if self.validation is None else self.validation.stock_ok

    @property
    def form_complete(self) -> bool | None:
        """Whether the dispute form is complete, None where there is no form."""
        return None if self.dispute is None else self.dispute.complete


class _DeadlineChange(_Input):
    order_id: OrderId
    occurred_at: OccurredAt
    author: Annotated[Name, Field(description="Who wanted it. Personal data.")]
    reason: Annotated[Text, Field(min_length=1, description="Why. Kept, and told nowhere else.")]


class DeadlineExtended(_DeadlineChange):
    """Somebody gave a seller more time. Of several the latest in event time counts."""

    due: Annotated[Time, Field(description="The new deadline, behind the order's own.")]


class DeadlineHeld(_DeadlineChange):
    """Somebody keeps the verdict from falling, until it is released. The deadline stays."""


class DeadlineReleased(_DeadlineChange):
    """A held verdict may fall again."""
