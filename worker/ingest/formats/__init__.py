"""Other systems' formats: each adapter turns one record into our events, and does nothing else.

A new one is a module here with a model of the record, a line in :data:`ADAPTERS` and in the
settings, and a test with real payloads. It raises pydantic's errors, and the decoder turns them
into refusals. A record that does not matter to us becomes no event.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from schemas.models import OrderCreated, OrderStatusChanged
from worker.ingest.formats import mirakl, vtex

# From a record's value and its timestamp.
Adapter = Callable[[bytes, datetime], tuple[OrderCreated | OrderStatusChanged, ...]]

ADAPTERS: Mapping[str, Adapter] = {
    "vtex-order": vtex.order,
    "vtex-feed": vtex.feed,
    "vtex-hook": vtex.hook,
    "mirakl-order": mirakl.order,
    "mirakl-acts": mirakl.acts,
}
