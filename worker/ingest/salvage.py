"""Salvages the deadline of an order whose order-created is refused.

Its refusal shields the order from auto-cancel, so the deadline can only escalate. Without it nobody
would learn of a silent seller.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from schemas.models import OrderCreated
from worker.domain.case import Reason
from worker.records import Record, Refusal

# The doubt of a salvaged order, until a record of it can be read.
DOUBT = Reason.UNREADABLE_EVIDENCE.value
# What cannot be read of it.
_UNKNOWN = "unknown"
_ENTRY_TIMES = ("entered_at", "creationDate", "created_date")
_SELLERS = ("seller_id", "shop_id")
_LONGEST = 200


def salvage(
    record: Record, refusal: Refusal, latest: datetime, facts: Mapping[str, Any] | None = None
) -> OrderCreated | None:
    """The order of a refused order-created, as far as it can be read.

    ``None`` if it names no order, or tells no time at ``latest`` or before. Of several ids, the
    first is that of the order. ``facts`` are those that the format of the topic finds.
    """
    if not refusal.order_ids or not record.value:
        return None
    try:
        body = json.loads(record.value) if facts is None else facts
        if "specversion" in body:
            body = body["data"]
        entered_at = _time(next(body[name] for name in _ENTRY_TIMES if name in body))
    except (ValueError, TypeError, KeyError, StopIteration, RecursionError, OverflowError):
        return None
    if entered_at is None or entered_at > latest:
        return None
    return OrderCreated.model_construct(
        order_id=refusal.order_ids[0],
        seller_id=next((_text(body[name]) for name in _SELLERS if name in body), _UNKNOWN),
        fulfilment=_text(body.get("fulfilment")),
        entered_at=entered_at,
        total=None,
        currency=None,
        lines=None,
        labels=None,
        due=None,
    )


def _time(value: Any) -> datetime | None:
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC) if moment.tzinfo else None


def _text(value: Any) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return _UNKNOWN
    text = str(value).strip()
    usable = 1 <= len(text) <= _LONGEST and "\0" not in text and text.isprintable()
    return text if usable else _UNKNOWN
