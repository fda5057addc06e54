"""Other systems' formats: each adapter turns one record into our events, and does nothing else.

A new one is a module here with a model of the record, a line in :data:`ADAPTERS` and in the
settings, and a test with real payloads. Faults are those of pydantic, from which the codec makes
the classes of dead letters; what is of no concern becomes no event at all.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from schemas.models import OrderCreated, OrderStatusChanged
from worker.ingest.formats import mirakl, vtex

# From a value and the instant that the broker or its publisher gave the record.
Adapter = Callable[[bytes, datetime], tuple[OrderCreated | OrderStatusChanged, ...]]

ADAPTERS: Mapping[str, Adapter] = {
    "vtex-order": vtex.order,
    "vtex-feed": vtex.feed,
    "vtex-hook": vtex.hook,
    "mirakl-order": mirakl.order,
    "mirakl-acts": mirakl.acts,
}
