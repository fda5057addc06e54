"""Turns records into our events as a mapping file says."""

from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from schemas.models import OrderCreated, OrderStatusChanged
from worker.ingest.formats.mapping.file import MappingFile
from worker.ingest.formats.mapping.reading import Reading, fault
from worker.ingest.formats.model import Facts
from worker.ingest.parse_errors import RefusalError
from worker.ingest.wrappings import unwrap

_MOST_WRAPPINGS: Final = 4
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MappingAdapter:
    """The adapter of one file. With ``acts_only`` its order is left out."""

    def __init__(self, file: MappingFile, *, acts_only: bool = False) -> None:
        self._file = file
        self._order = None if acts_only else file.order

    @property
    def brings_orders(self) -> bool:
        """Whether its records may be orders."""
        return self._order is not None

    @property
    def brings_acts(self) -> bool:
        """Whether its records may be acts."""
        return bool(self._file.acts)

    def __call__(
        self, value: bytes, recorded_at: datetime
    ) -> tuple[OrderCreated | OrderStatusChanged, ...]:
        """Return the events of a record; none of one that is not ours.

        Raises:
            ValidationError: the value is no JSON, or tells no order.
            RefusalError: the record of an order cannot be read.
        """
        reading = Reading(self._file, value, recorded_at)
        if not reading.holds(self._file.only, reading.root, "only"):
            if unwrap(value) is not None:
                # What connectors wrap around a record is not ours, and what is inside may be.
                raise fault("only", "wrapped", "Input should be the record itself")
            return ()
        order_id = reading.order_id()
        events: list[OrderCreated | OrderStatusChanged] = []
        if self._order and reading.holds(self._order.only, reading.root, "order.only"):
            events.append(reading.order(self._order, order_id))
        for number, part in enumerate(self._file.acts):
            events += reading.acts(part, order_id, f"acts.{number}.")
        return tuple(events)

    def facts(self, value: bytes) -> Facts:
        """Return as much of a record as can be read, though the record is refused."""
        facts: Facts = {}
        for _ in range(_MOST_WRAPPINGS):
            try:
                reading = Reading(self._file, value, _LONG_AGO)
            except ValidationError:
                break
            facts = reading.facts(self._order)
            inner = _unwrapped(value)
            if "order_id" in facts or inner is None:
                break
            value = inner
        return facts


def _unwrapped(value: bytes) -> bytes | None:
    try:
        inner = unwrap(value)
    except RefusalError:  # a row that was deleted
        return None
    return inner.value if inner else None
