"""What is kept of the body of an accepted record."""

from typing import Any

from schemas.models import OrderCreated
from worker.records import Record


def kept(record: Record, event: Any, *, whole: bool) -> bytes:
    """The body as it is stored: the fields of the contract, or the ``whole`` record.

    Publishers add fields, such as a customer's address, that nothing here needs. A record that
    names as many fields as the event has is kept as it is: to write each again would cost nearly
    as much as to read it. Lines are any JSON by the contract, and stay.
    """
    value = record.value
    assert value is not None
    if whole or (b'" :' not in value and value.count(b'":') == _names(event)):
        return value
    body: bytes = event.__pydantic_serializer__.to_json(event, exclude_none=True)
    return body


def _names(event: Any) -> int:
    """The names of fields in an event, counted as they stand in its JSON; -1 of any other."""
    number = len(event.__pydantic_fields_set__)
    if type(event) is OrderCreated:
        labels = event.labels
        number += len(labels) if labels else 0
    else:
        for part in (getattr(event, "validation", None), getattr(event, "dispute", None)):
            number += len(part.__pydantic_fields_set__) if part is not None else 0
        if getattr(getattr(event, "validation", None), "lines", None):
            return -1
    lines = getattr(event, "lines", None)
    if lines is None:
        return number
    if not isinstance(lines, list):
        return -1
    for line in lines:
        if not isinstance(line, dict):
            return -1
        number += len(line)
    return number
