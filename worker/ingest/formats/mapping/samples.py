"""Tries a mapping on the samples that its file carries."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.models import OrderCreated, OrderStatusChanged
from schemas.types import Time
from worker.ingest.formats.mapping.adapter import MappingAdapter
from worker.ingest.formats.mapping.file import MappingFile, Sample
from worker.ingest.formats.model import Adapter
from worker.ingest.parse_errors import RefusalError, validation_refusal
from worker.ingest.wrappings import read_wrapped

HIDDEN = "(hidden)"
_PERSONAL = frozenset({"text", "responsible"})
_TIME: TypeAdapter[datetime] = TypeAdapter(Time)


Place = tuple[int | str, ...]


def faults(file: MappingFile) -> Iterator[tuple[Place, str]]:
    """Yield the place of each sample that does not become what it should, and the difference.

    Yield each part of the file that no sample needs, too: a filter with a misspelt name would pass
    every record over, and silence would be taken for that of the sellers.
    """
    adapter = MappingAdapter(file)
    for number, sample in enumerate(file.samples):
        if (fault := _fault(adapter, sample)) is not None:
            yield ("samples", number), fault
    if file.order is not None and not _tried(file, acts=[]):
        yield ("order",), "no sample becomes an order"
    for number, part in enumerate(file.acts):
        if not _tried(file, order=None, acts=[part]):
            yield ("acts", number), "no sample becomes an act by this rule"


def _tried(file: MappingFile, **parts: Any) -> bool:
    """Whether a sample becomes an event by these parts alone."""
    adapter = MappingAdapter(file.model_copy(update=parts))
    now = datetime(1970, 1, 1, tzinfo=UTC)
    values = (json.dumps(sample.record).encode() for sample in file.samples)
    found = (outcome(adapter, value, now) for value in values)
    return any(events and not isinstance(events, RefusalError) for events in found)


def outcome(
    adapter: Adapter, value: bytes, recorded_at: datetime
) -> tuple[OrderCreated | OrderStatusChanged, ...] | RefusalError:
    """Return what an adapter makes of a record, or why it refuses it."""
    try:
        try:
            return adapter(value, recorded_at)
        except ValidationError as error:
            return read_wrapped(value, lambda inner: adapter(inner, recorded_at), error)[0]
    except RefusalError as refusal:
        return refusal


def _fault(adapter: Adapter, sample: Sample) -> str | None:
    value = json.dumps(sample.record).encode()
    try:
        recorded_at = _TIME.validate_python(sample.recorded_at)
        wanted = None if sample.becomes is None else [_event(one) for one in sample.becomes]
    except ValidationError as error:
        return f"the sample itself: {validation_refusal(error, b'', '').message}"
    found = outcome(adapter, value, recorded_at)
    if isinstance(found, RefusalError):
        if wanted is not None:
            return f"is refused: {found.message}"
        return None if found.message == sample.refused else f"is refused: {found.message}"
    if wanted is None:
        return f"is not refused, but becomes {_listed(found)}"
    return None if list(found) == wanted else f"becomes {_listed(found)}"


def _event(fields: dict[str, Any]) -> OrderCreated | OrderStatusChanged:
    model = OrderCreated if "entered_at" in fields else OrderStatusChanged
    return model.model_validate_json(json.dumps(fields))


def shown(event: OrderCreated | OrderStatusChanged, *, personal: bool) -> dict[str, Any]:
    """Return an event as JSON; unless ``personal``, without the texts of people."""
    fields = event.model_dump(mode="json", exclude_none=True)
    if not personal and "dispute" in fields:
        fields["dispute"] |= dict.fromkeys(fields["dispute"].keys() & _PERSONAL, HIDDEN)
    return fields


def _listed(events: tuple[OrderCreated | OrderStatusChanged, ...]) -> str:
    # The faults of a file are logged.
    listed = ", ".join(json.dumps(shown(event, personal=False)) for event in events)
    return listed or "nothing: it is passed over"
