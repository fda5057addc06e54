"""Formats of other packages: entry points of the group ``plazo.formats``.

An entry point names an adapter: a function as :data:`~worker.ingest.formats.model.Adapter` has it.
It may have ``facts`` as :class:`~worker.ingest.formats.model.Salvaging` has it. Its events are read
again by the models of the contract. An error that it should not raise refuses the record by the
name of the plug-in, so that a bug of it costs dead letters and no lane.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from schemas.events import RefusalClass
from schemas.models import OrderCreated, OrderStatusChanged
from worker.errors import FormatInvalid
from worker.ingest.formats.model import Adapter, Facts, Salvaging
from worker.ingest.parse_errors import RefusalError, validation_refusal
from worker.settings import PLUGINS

_EVENTS = (OrderCreated, OrderStatusChanged)


def plugin(name: str) -> "PluginAdapter":
    """Load a plug-in.

    Raises:
        FormatInvalid: no package brings it, several do, or it cannot be loaded.
    """
    found: Sequence[EntryPoint] = tuple(entry_points(group=PLUGINS, name=name))
    if not found:
        raise FormatInvalid([f"{name}: no package brings a format of this name"])
    if len(found) > 1:
        packages = ", ".join(sorted(one.dist.name if one.dist else "?" for one in found))
        raise FormatInvalid([f"{name}: several packages bring this format: {packages}"])
    try:
        adapter = found[0].load()
    except Exception as error:  # whatever the package does when it is imported
        raise FormatInvalid(
            [f"{name}: cannot load {found[0].value}: {type(error).__name__}: {error}"]
        ) from None
    if not callable(adapter):
        raise FormatInvalid([f"{name}: {found[0].value} is no function"])
    return PluginAdapter(name, adapter)


class PluginAdapter:
    """The adapter of a plug-in, whose faults are held to its records."""

    def __init__(self, name: str, adapter: Adapter) -> None:
        self._name = name
        self._adapter = adapter

    def __call__(
        self, value: bytes, recorded_at: datetime
    ) -> tuple[OrderCreated | OrderStatusChanged, ...]:
        """Return the events of a record. Raises: as every adapter."""
        try:
            found: Any = self._adapter(value, recorded_at)
        except (ValidationError, RefusalError):
            raise
        except Exception as error:
            # Its message may quote the record.
            raise self._refusal(f"raises {type(error).__name__}") from None
        if not isinstance(found, tuple) or not all(type(one) in _EVENTS for one in found):
            raise self._refusal("returns no tuple of OrderCreated and OrderStatusChanged")
        return tuple(map(self._read_again, found))

    def facts(self, value: bytes) -> Facts:
        """Return what the plug-in can read of a refused record."""
        if not isinstance(self._adapter, Salvaging):
            return {}
        try:
            found = self._adapter.facts(value)
        except Exception:  # the record is refused in any case
            return {}
        return found if isinstance(found, dict) else {}

    def _read_again(
        self, event: OrderCreated | OrderStatusChanged
    ) -> OrderCreated | OrderStatusChanged:
        try:
            return type(event).model_validate_json(event.model_dump_json(warnings="error"))
        except ValidationError as error:
            raise validation_refusal(error, b"", f"plug-in {self._name}: ") from None
        except Exception as error:  # a field of another type has no JSON
            raise self._refusal(f"returns a field that raises {type(error).__name__}") from None

    def _refusal(self, message: str) -> RefusalError:
        return RefusalError(RefusalClass.INVALID, f"plug-in {self._name}: {message}")
