"""Takes an event out of what connectors and serializers wrap around it.

Known are the envelope of Kafka Connect's JSON converter, the change events of Debezium, and JSON as
the text of other JSON, as outbox tables hold it. None of them can be taken for an event, so only a
record that is none is looked at. The frames of schema registries are in
:mod:`worker.ingest.registry`.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from schemas.events import RefusalClass
from worker.ingest.parse_errors import RefusalError, validation_refusal

_T = TypeVar("_T")
# One in another, as a converter around an outbox table.
_MOST: Final = 4


class Unwrapped(NamedTuple):
    """A value, and the name of the field that held it, with a dot."""

    value: bytes
    field: str


def read_wrapped(
    value: bytes, read: Callable[[bytes], _T], error: ValidationError
) -> tuple[_T, str]:
    """Read the event inside a value that is none, because of ``error``; return its field as well.

    Raises:
        RefusalError: there is none inside either.
    """
    field = ""
    for _ in range(_MOST):
        inner = unwrap(value)
        if inner is None:
            break
        value, field = inner.value, field + inner.field
        try:
            return read(value), field
        except ValidationError as next_error:
            error = next_error
    raise validation_refusal(error, value, field) from None


def unwrap(value: bytes) -> Unwrapped | None:
    """Return what stands inside a wrapping, ``None`` if there is none."""
    try:
        found = from_json(value, allow_inf_nan=False)
    except ValueError:
        return None
    if isinstance(found, str):
        return Unwrapped(found.encode(), "")
    if not isinstance(found, dict):
        return None
    if "payload" in found and "schema" in found:
        return _packed(found["payload"], "payload.")
    if "op" in found and "after" in found:
        if found["after"] is None:
            # A deletion is no word of the seller. Before the verdict it is a case for a person, and
            # a connector that clears old rows can leave it out: `skipped.operations`.
            raise RefusalError(RefusalClass.EMPTY_VALUE, "after: missing, the row was deleted")
        return _packed(found["after"], "after.")
    return None


def _packed(inner: Any, field: str) -> Unwrapped | None:
    return Unwrapped(to_json(inner), field) if isinstance(inner, dict | str) else None
