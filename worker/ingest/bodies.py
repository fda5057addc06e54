"""What is kept of the body of an accepted record."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from schemas.models import OrderStatusChanged
from worker.records import Record


def kept(record: Record, event: Any, *, whole: bool) -> bytes:
    """The body as it is stored: the fields of the contract, or the ``whole`` record.

    Publishers add fields, such as a customer's address, that nothing here needs. A record without
    such a field is kept as it is: to write each again would cost nearly as much as to read it. The
    decoder notes them in events that stand in the record as they are. Lines are any JSON by the
    contract, and stay.
    """
    value = record.value
    assert value is not None
    # A list would cost more than all the rest.
    if whole or (
        event.__pydantic_extra__ == {}
        and (type(event) is not OrderStatusChanged or not any(map(_adds_fields, _parts(event))))
    ):
        return value
    for part in chain((event,), _parts(event)):
        if part.__pydantic_extra__:
            part.__pydantic_extra__.clear()
    body: bytes = event.__pydantic_serializer__.to_json(event, exclude_none=True)
    return body


def _adds_fields(part: Any) -> bool:
    return bool(part.__pydantic_extra__ != {})


def _parts(event: Any) -> Iterator[Any]:
    """The models inside an event."""
    if type(event) is OrderStatusChanged:
        if event.validation is not None:
            yield event.validation
            yield from event.validation.lines or ()
        if event.dispute is not None:
            yield event.dispute
