"""Cancellations of lines: which one leaves nothing of its order."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.statuses import Meaning
from worker.domain.acts import ORDER_CREATED, Act, Place
from worker.domain.policy import Policies
from worker.storage.transaction import Transaction


async def complete_cancellations(
    tx: Transaction, acts: Mapping[str, Sequence[Act]], policies: Policies
) -> Mapping[str, tuple[Act, ...]]:
    """The acts of those orders that cancel lines.

    The one with which the last line of its order is cancelled cancels the order.
    """
    in_part = [
        order_id
        for order_id, those in acts.items()
        if any(act.meaning == Meaning.CANCELED_IN_PART for act in those)
    ]
    if not in_part:
        return {}
    words = [s for s, m in policies.vocabulary.known.items() if m == Meaning.CANCELED_IN_PART]
    rows = await tx.rows("case_lines", in_part, [ORDER_CREATED, *words])
    complete = {order_id: last_cancellation(rows, order_id) for order_id in in_part}
    return {
        order_id: tuple(
            act._replace(meaning=Meaning.CANCELED) if act.place == complete[order_id] else act
            for act in acts[order_id]
        )
        for order_id in in_part
    }


def last_cancellation(rows: Iterable[Mapping[str, Any]], order_id: str) -> Place | None:
    """The place of the cancellation that leaves no line; ``None`` if something may be left."""
    left: dict[str, float] | None = None
    for row in rows:
        if row["order_id"] != order_id:
            continue
        lines = _lines(row["body"])
        if row["status"] == ORDER_CREATED:
            left = left or lines
        elif left and lines:
            for sku, quantity in lines.items():
                left[sku] = max(0.0, left.get(sku, 0.0) - quantity)
            if not any(left.values()):
                return Place(row["topic"], row["partition"], row["offset"])
    return None


def _lines(body: str) -> dict[str, float]:
    """The quantity of each SKU; a cancelled line without one is whole. Empty if unreadable."""
    try:
        value = json.loads(body)
        lines: dict[str, float] = {}
        for line in value.get("data", value)["lines"]:
            quantity = line.get("quantity")
            sku = str(line["sku"])
            lines[sku] = lines.get(sku, 0.0) + (
                float("inf") if quantity is None else float(quantity)
            )
        return lines
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
