"""The conditions of a policy: the orders that it applies to."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from schemas.types import LABEL_NAME_LENGTH, LABEL_VALUE_LENGTH, Name
from worker.domain.policy import Match, fold
from worker.policy.calendars import Part, listed


def _decimal(value: object) -> object:
    if isinstance(value, float):
        raise ValueError('not exact: write it in quotes, such as "12.50"')
    return str(value) if isinstance(value, int) else value


def _quoted(value: object) -> object:
    # YAML reads an unquoted true or yes as the same value, and no label is that.
    if not isinstance(value, str):
        raise ValueError('not a text: write it in quotes, such as "true"')
    return value


Money = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0)]
LabelName = Annotated[Name, Field(max_length=LABEL_NAME_LENGTH)]
LabelValue = Annotated[str, BeforeValidator(_quoted), Field(max_length=LABEL_VALUE_LENGTH)]
Labels = Annotated[dict[LabelName, LabelValue], Field(min_length=1)]


class _Total(Part):
    at_least: Money | None = None
    below: Money | None = None
    currency: Name

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.at_least is None and self.below is None:
            raise ValueError("needs at_least or below")
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise ValueError("at_least is not below below")
        return self


class When(Part):
    """The conditions that an order must all meet."""

    seller: Annotated[frozenset[Name], BeforeValidator(listed), Field(min_length=1)] | None = None
    fulfilment: Name | None = None
    currency: Name | None = None
    total: _Total | None = None
    labels: Labels | None = None

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        if self.total and self.currency not in (None, self.total.currency):
            raise ValueError("two currencies: nothing is in both")
        return self

    def match(self) -> Match:
        """The conditions as the rule compares them."""
        total = self.total
        return Match(
            None if self.seller is None else frozenset(map(fold, self.seller)),
            None if self.fulfilment is None else fold(self.fulfilment),
            self.currency or (total.currency if total else None),
            total.at_least if total else None,
            total.below if total else None,
            tuple(sorted((fold(n), fold(v)) for n, v in (self.labels or {}).items())),
        )
