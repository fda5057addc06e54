"""Reads one record as a mapping file says.

The events are read by the models of the contract, so a mapped record is held to the same rules as
one of our own.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, from_json, to_json

from schemas.events import RefusalClass
from schemas.models import OrderCreated, OrderStatusChanged
from schemas.statuses import STATUSES, normalise
from worker.ingest.formats.mapping.expression import (
    Expression,
    NotApplicable,
    Scope,
    TooCostly,
)
from worker.ingest.formats.mapping.file import ActPart, MappingFile, OrderPart, TimePart
from worker.ingest.formats.mapping.values import (
    amount,
    identifier,
    label,
    moments,
    without_nothing,
)
from worker.ingest.formats.model import PAST_ONLY, Facts
from worker.ingest.parse_errors import RefusalError, validation_refusal

# One record is about one order.
MOST_ACTS: Final = 200
# A text that the contract's model of times refuses.
_NO_TIME: Final = "no time"
_FINDINGS = ("in_stock", "functional", "complete")
_FORM = ("text", "type", "responsible")


class Reading:
    """One record while it is read. Faults name the place in the file, never a value.

    Raises, here and in each method:
        ValidationError: the value is no JSON, or tells no order.
        RefusalError: the record of an order cannot be read.
    """

    def __init__(self, file: MappingFile, value: bytes, recorded_at: datetime) -> None:
        try:
            self.root = from_json(value, allow_inf_nan=False)
        except ValueError as error:
            raise ValidationError.from_exception_data(
                "record",
                [InitErrorDetails(type="json_invalid", input=b"", ctx={"error": str(error)})],
                "json",
            ) from None
        self._file = file
        self._scope = Scope(self.root, recorded_at.isoformat(), len(value))

    def order_id(self) -> str:
        found = identifier(self._find(self._file.order_id, self.root, "order_id"))
        if found is None:
            raise fault("order_id", "missing", "Field required")
        if not isinstance(found, str):
            raise fault("order_id", "string_type", "Input should be a valid string")
        return found

    def holds(self, only: Expression | None, value: Any, place: str) -> bool:
        """Whether a filter lets a value pass: it finds something but false, null and nothing."""
        if only is None:
            return True
        found = self._find(only, value, place)
        return found is not None and found is not False and found not in ("", [], {})

    def order(self, part: OrderPart, order_id: str) -> OrderCreated:
        fields = without_nothing(self._order_fields(part))
        try:
            return OrderCreated.model_validate_json(self._json(order_id, fields, "order"))
        except ValidationError as error:
            raise validation_refusal(error, b"", "") from None

    def _order_fields(self, part: OrderPart) -> Iterator[tuple[str, Any]]:
        root = self.root
        yield "seller_id", identifier(self._find(part.seller_id, root, "order.seller_id"))
        yield "fulfilment", self._find(part.fulfilment, root, "order.fulfilment")
        # In doubt for the seller: the window begins as late as it can.
        yield "entered_at", self._time(part.entered_at, root, "order.entered_at", None)
        if part.due:
            yield "due", self._time(part.due, root, "order.due", None)
        if part.total:
            yield "total", self._amount(part, root)
        if part.currency:
            yield "currency", self._find(part.currency, root, "order.currency")
        if part.lines:
            yield "lines", self._find(part.lines, root, "order.lines")
        found = (
            (name, label(self._find(one, root, f"order.labels.{name}")))
            for name, one in part.labels.items()
        )
        yield "labels", without_nothing(found) or None

    def _amount(self, part: OrderPart, value: Any) -> Any:
        assert part.total is not None
        found = self._find(part.total.find, value, "order.total")
        if found is None or part.total.digits is None:
            return None if found is None else amount(found)
        return amount(found, self._find(part.total.digits, value, "order.total.digits"))

    def acts(self, part: ActPart, order_id: str, place: str) -> list[OrderStatusChanged]:
        values = [self.root]
        if part.each is not None:
            values = self._find(part.each, self.root, f"{place}each")
            if not isinstance(values, list | None):
                raise RefusalError(RefusalClass.INVALID, f"{place}each: finds no list")
            if len(values or ()) > MOST_ACTS:
                raise RefusalError(RefusalClass.INVALID, f"{place}each: more than {MOST_ACTS}")
        found = (
            self._act(part, order_id, value, place)
            for value in values or ()
            if self.holds(part.only, value, f"{place}only")
        )
        return [act for act in found if act is not None]

    def _act(
        self, part: ActPart, order_id: str, value: Any, place: str
    ) -> OrderStatusChanged | None:
        status: Any = part.status
        if part.state is not None:
            word = identifier(self._find(part.state, value, f"{place}state"))
            status = self._file.status(word, part.states) if isinstance(word, str) else word
            if isinstance(word, str) and status is None:
                return None
        fields = without_nothing(self._act_fields(part, value, status, place))
        try:
            return OrderStatusChanged.model_validate_json(self._json(order_id, fields, place))
        except ValidationError as error:
            raise validation_refusal(error, b"", place) from None

    def _act_fields(
        self, part: ActPart, value: Any, status: Any, place: str
    ) -> Iterator[tuple[str, Any]]:
        yield "status", status
        known = STATUSES.get(normalise(status)) if isinstance(status, str) else None
        earliest = known in PAST_ONLY
        yield "occurred_at", self._time(part.occurred_at, value, f"{place}occurred_at", earliest)
        for name in ("lines", "partial"):
            if (one := getattr(part, name)) is not None:
                yield name, self._find(one, value, place + name)
        if part.validation is not None:
            findings = dict(self._several(part.validation, _FINDINGS, value, f"{place}validation."))
            if (lines := part.validation.lines) is not None:
                each = self._find(lines.each, value, f"{place}validation.lines.each")
                if isinstance(each, list):
                    found = [
                        dict(self._several(lines, ("sku", *_FINDINGS), one, f"{place}validation."))
                        for one in each
                    ]
                    findings |= {"lines": found} if any(found) else {}
                elif each is not None:
                    findings["lines"] = each
            yield "validation", findings or None
        if part.dispute is not None:
            form = dict(self._several(part.dispute, _FORM, value, f"{place}dispute."))
            yield "dispute", form or None

    def _several(
        self, part: Any, names: Iterable[str], value: Any, place: str
    ) -> Iterator[tuple[str, Any]]:
        for name in names:
            expression = getattr(part, name)
            found = None if expression is None else self._find(expression, value, place + name)
            if found is not None:
                yield name, found

    def _time(self, part: TimePart, value: Any, place: str, earliest: bool | None) -> Any:
        """Return a time as text; ``earliest`` chooses among the instants that it may be."""
        found = self._find(part.find, value, place)
        if found is None:
            return None
        told = self._moments(part, found)
        if not told:
            # No text of the contract, whatever it is: a number of seconds, a date alone.
            return _NO_TIME
        if earliest and part.since is not None:
            since = self._find(part.since, value, f"{place}.since")
            told = (*self._moments(part, since), *told)
        return (min(told) if earliest else told[-1]).isoformat()

    def _moments(self, part: TimePart, found: Any) -> tuple[datetime, ...]:
        return moments(found, part.zone or self._file.zone, part.unit)

    def _find(self, expression: Expression, value: Any, place: str) -> Any:
        try:
            return expression.find(self._scope, value)
        except TooCostly:
            raise _too_costly(place) from None
        except NotApplicable:
            raise _not_applicable(place) from None

    def _json(self, order_id: str, fields: dict[str, Any], place: str) -> bytes:
        try:
            # An expression may find one part of the record many times over.
            self._scope.charge_for(fields)
        except TooCostly:
            raise _too_costly(place) from None
        try:
            return to_json({"order_id": order_id} | fields, inf_nan_mode="null")
        except ValueError:  # an expression that finds an expression, as `&a` does
            raise _not_applicable(place) from None

    def facts(self, part: OrderPart | None) -> Facts:
        """Return what can be read of an order, each field for itself."""
        facts: Facts = {}
        try:
            found = identifier(self._find(self._file.order_id, self.root, ""))
            if isinstance(found, str):
                facts["order_id"] = found
            if part is None or not self.holds(part.only, self.root, ""):
                return facts
            entered_at = self._time(part.entered_at, self.root, "", None)
            facts["entered_at"] = entered_at
            facts["seller_id"] = self._find(part.seller_id, self.root, "")
            facts["fulfilment"] = self._find(part.fulfilment, self.root, "")
        except RefusalError:
            pass
        return facts


def _not_applicable(place: str) -> RefusalError:
    message = f"{place.rstrip('.')}: a function does not fit what it finds"
    return RefusalError(RefusalClass.INVALID, message)


def _too_costly(place: str) -> RefusalError:
    message = f"{place.rstrip('.')}: the record takes too many steps"
    return RefusalError(RefusalClass.INVALID, message)


def fault(field: str, kind: str, message: str) -> ValidationError:
    error = kind if kind == "missing" else PydanticCustomError(kind, message)
    return ValidationError.from_exception_data(
        "record", [InitErrorDetails(type=error, loc=(field,), input=None)]
    )
