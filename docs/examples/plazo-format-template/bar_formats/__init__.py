"""Two formats of lines with bars between the fields:

    ORDER|v1-01|s-12|2026-11-22T15:04:05Z
    ACT|v1-01|start-handling|2026-11-22T18:00:00Z

A format is called with the value of a record and with the time of the record in Kafka. It returns
the events of the record as a tuple, empty for a record that does not matter. It raises
``RefusalError`` for one that it cannot read, or lets the errors of the models pass. Messages name
fields, never values. Any other exception refuses the record by the name of the plug-in.
"""

import json
from datetime import datetime
from typing import Any

from schemas.events import RefusalClass
from schemas.models import OrderCreated, OrderStatusChanged
from worker.ingest.formats import RefusalError


class Orders:
    """Reads orders."""

    def __call__(self, value: bytes, recorded_at: datetime) -> tuple[OrderCreated, ...]:
        fields = _fields(value)
        if fields[0] != "ORDER":
            return ()
        _, order_id, seller_id, entered_at = _whole(fields)
        event = {
            "order_id": order_id,
            "seller_id": seller_id,
            "fulfilment": "dropshipping",
            "entered_at": entered_at,
        }
        # The models name a wrong field best when they read JSON.
        return (OrderCreated.model_validate_json(json.dumps(event)),)

    def facts(self, value: bytes) -> dict[str, Any]:
        """Optional: what can be read of a record that is refused.

        The order of a refused record is shielded from auto-cancel, and its deadline escalates.
        """
        names = ("", "order_id", "seller_id", "entered_at")
        return dict(zip(names, _fields(value), strict=False))


class Acts:
    """Reads acts."""

    def __call__(self, value: bytes, recorded_at: datetime) -> tuple[OrderStatusChanged, ...]:
        fields = _fields(value)
        if fields[0] != "ACT":
            return ()
        _, order_id, status, occurred_at = _whole(fields)
        event = {"order_id": order_id, "status": status, "occurred_at": occurred_at}
        return (OrderStatusChanged.model_validate_json(json.dumps(event)),)

    def facts(self, value: bytes) -> dict[str, Any]:
        """Optional: what can be read of a record that is refused."""
        return dict(zip(("", "order_id"), _fields(value), strict=False))


def _fields(value: bytes) -> list[str]:
    return value.decode(errors="replace").split("|")


def _whole(fields: list[str]) -> list[str]:
    if len(fields) != 4:
        raise RefusalError(RefusalClass.INVALID, "value: not four fields")
    return fields


orders = Orders()
acts = Acts()
