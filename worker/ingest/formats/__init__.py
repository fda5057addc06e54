"""Other systems' formats: each adapter turns one record into our events, and does nothing else.

A format is a name of :data:`ADAPTERS`; ``mapping:NAME``, a mapping that comes with Plazo;
``file:PATH``, a mapping file; or the name of a plug-in. An adapter raises pydantic's errors, and
the decoder turns them into refusals. A record that does not matter to us becomes no event; the
record of an order may become the order and acts of it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from worker.errors import FormatInvalid
from worker.ingest.formats import mirakl, vtex
from worker.ingest.formats.affiliates import Affiliates
from worker.ingest.formats.mapping.adapter import MappingAdapter
from worker.ingest.formats.mapping.source import from_path, shipped
from worker.ingest.formats.model import Adapter
from worker.ingest.formats.plugins import plugin
from worker.ingest.parse_errors import RefusalError
from worker.settings import FILE, MAPPING, PREFIX, Settings

__all__ = [
    "ADAPTERS", "Adapter", "FormatInvalid", "RefusalError", "adapters", "aliases",
    "mapping_adapter",
]  # fmt: skip

_VTEX = {"vtex-order": vtex.order, "vtex-feed": vtex.feed, "vtex-hook": vtex.hook}
ADAPTERS: Mapping[str, Adapter] = {
    **_VTEX,
    "mirakl-order": mirakl.order,
    "mirakl-acts": mirakl.acts,
}


def adapters(settings: Settings) -> dict[str, Adapter]:
    """Return the adapter of each topic that carries another system's format.

    Raises:
        FormatInvalid: every fault of the formats that cannot be used.
    """
    affiliates = Affiliates.of(settings)
    known: dict[str, Adapter] = dict(ADAPTERS)
    known |= {name: partial(adapter, affiliates=affiliates) for name, adapter in _VTEX.items()}
    found: dict[str, Adapter] = {}
    faults: list[str] = []
    for topic, name in settings.foreign_formats.items():
        orders = topic == settings.order_created_topic
        try:
            found[topic] = known[name] if name in known else _made(name, orders=orders)
        except FormatInvalid as error:
            variable = "ORDER_CREATED_FORMAT" if orders else "ORDER_STATUS_CHANGED_FORMAT"
            faults += [f"{PREFIX}{variable}: {fault}" for fault in error.faults]
    if faults:
        raise FormatInvalid(faults)
    return found


def aliases(settings: Settings) -> Callable[[str], Iterable[str]] | None:
    """Return the function that gives the other ids of an order, if a format has any."""
    has_two = not _VTEX.keys().isdisjoint(settings.foreign_formats.values())
    return Affiliates.of(settings).aliases if has_two else None


def mapping_adapter(name: str, *, orders: bool | None = None) -> MappingAdapter:
    """Return the adapter of ``mapping:NAME`` or ``file:PATH``.

    ``orders`` tells whether the topic brings orders; ``None`` takes all that the file tells.

    Raises:
        FormatInvalid: every fault of the file; or it tells nothing for this topic.
    """
    kind, _, place = name.partition(":")
    mapping = shipped(place) if f"{kind}:" == MAPPING else from_path(Path(place))
    if orders and mapping.order is None:
        raise FormatInvalid([f"{name}: has no `order`, and the topic brings orders"])
    if orders is False and not mapping.acts:
        raise FormatInvalid([f"{name}: has no `acts`, and the topic brings acts"])
    return MappingAdapter(mapping, acts_only=orders is False)


def _made(name: str, *, orders: bool) -> Adapter:
    return (
        mapping_adapter(name, orders=orders) if name.startswith((MAPPING, FILE)) else plugin(name)
    )
