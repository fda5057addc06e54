"""Other systems' formats: each adapter turns one record into our events, and does nothing else.

A new one is a module here with a model of the record, a line in :data:`ADAPTERS` and in the
settings, and a test with real payloads. It raises pydantic's errors, and the decoder turns them
into refusals. A record that does not matter to us becomes no event; the record of an order may
become the order and acts of it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial

from schemas.models import OrderCreated, OrderStatusChanged
from worker.ingest.formats import mirakl, vtex
from worker.ingest.formats.affiliates import Affiliates
from worker.settings import Settings

# From a record's value and its timestamp.
Adapter = Callable[[bytes, datetime], tuple[OrderCreated | OrderStatusChanged, ...]]

_VTEX = {"vtex-order": vtex.order, "vtex-feed": vtex.feed, "vtex-hook": vtex.hook}
ADAPTERS: Mapping[str, Adapter] = {
    **_VTEX,
    "mirakl-order": mirakl.order,
    "mirakl-acts": mirakl.acts,
}


def adapters(settings: Settings) -> dict[str, Adapter]:
    """Return the adapter of each topic that carries another system's format."""
    affiliates = Affiliates.of(settings)
    known: dict[str, Adapter] = dict(ADAPTERS)
    known |= {name: partial(adapter, affiliates=affiliates) for name, adapter in _VTEX.items()}
    return {topic: known[name] for topic, name in settings.foreign_formats.items()}


def aliases(settings: Settings) -> Callable[[str], Iterable[str]] | None:
    """Return the function that gives the other ids of an order, if a format has any."""
    has_two = not _VTEX.keys().isdisjoint(settings.foreign_formats.values())
    return Affiliates.of(settings).aliases if has_two else None
