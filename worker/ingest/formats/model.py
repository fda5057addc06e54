"""What the models of foreign records have in common."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import from_json, to_json

from schemas.events import RefusalClass
from schemas.models import OrderCreated, OrderStatusChanged
from schemas.statuses import STATUSES, Meaning, normalise
from schemas.types import Time
from worker.ingest.parse_errors import RefusalError, validation_refusal

# Statuses that never start a clock.
PAST_ONLY = (Meaning.HANDLING, Meaning.DISPUTE_OPENED, Meaning.DISPUTE_RESOLVED)


# From a record's value and its timestamp.
Adapter = Callable[[bytes, datetime], tuple[OrderCreated | OrderStatusChanged, ...]]

# What can be read of an order though its record is refused: fields of order-created, as they are.
Facts = dict[str, Any]


@runtime_checkable
class Salvaging(Protocol):
    """An adapter that can tell more of a refused record than the names of its fields do."""

    def facts(self, value: bytes) -> Facts:
        """Return ``order_id``, ``seller_id``, ``fulfilment`` and ``entered_at``, where known."""
        ...


class Foreign(BaseModel):
    """Strict in the fields we read; ignores all others; its errors do not quote the input."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


# Exports write an empty text for a time that has not come.
MaybeTime = Annotated[Time | None, BeforeValidator(lambda given: given or None)]


# From JSON, the name of an envelope and what stands in it; None where there is no envelope.
Unwrap = Callable[[Any], tuple[str, Any] | None]

_Model = TypeVar("_Model", bound=Foreign)


def read(model: type[_Model], value: bytes, unwrap: Unwrap) -> _Model:
    """Read a record, or the one inside its envelope.

    Raises:
        ValidationError: of the record.
        RefusalError: of the record inside the envelope; it names the envelope.
    """
    try:
        return model.model_validate_json(value)
    except ValidationError:
        try:
            inside = unwrap(from_json(value))
        except ValueError:
            inside = None
        if inside is None:
            raise
    name, found = inside
    try:
        return model.model_validate_json(to_json(found))
    except ValidationError as error:
        raise validation_refusal(error, value, name) from None


def only(name: str, found: Any) -> tuple[str, Any]:
    """Return the element of a list in an envelope, and its name.

    Raises:
        RefusalError: the list holds another number of elements.
    """
    if isinstance(found, list) and len(found) == 1:
        return f"{name}.0.", found[0]
    message = f"{name}: a list of several or none; publish a record for each"
    raise RefusalError(RefusalClass.INVALID, message)


def act(order_id: str, status: str, occurred_at: datetime) -> OrderStatusChanged:
    """Return an act without a form."""
    return OrderStatusChanged.model_construct(
        order_id=order_id, status=status, occurred_at=occurred_at
    )


def moment(status: str, earliest: datetime | None, latest: datetime) -> datetime:
    """Return the time of an act that is known within bounds: in doubt for the seller.

    Of handling and disputes that is the earliest. A status that starts a clock takes time away by
    an early one. So does a cancellation: what came before it would make the order alive again. It
    needs none, since one that is known before the verdict closes the order at any time.
    """
    if earliest is not None and STATUSES.get(normalise(status)) in PAST_ONLY:
        return min(earliest, latest)
    return latest
