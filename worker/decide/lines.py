"""Cancellations of lines: which one leaves nothing of its order."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from schemas.statuses import Meaning
from worker.domain.acts import ORDER_CREATED, Act
from worker.domain.policy import Policies
from worker.storage.transaction import Transaction

# Orders and statuses to the rows of case_lines.sql.
ReadLines = Callable[[Transaction, list[str], list[str]], Awaitable[Sequence[Mapping[str, Any]]]]

_ALL = Decimal("Infinity")
# Beyond it, some readers of JSON take a number for infinity.
_TOO_MANY = Decimal("1e300")


async def complete_cancellations(
    tx: Transaction,
    acts: Mapping[str, Sequence[Act]],
    policies: Policies,
    read_lines: ReadLines | None = None,
) -> Mapping[str, tuple[Act, ...]]:
    """The acts of those orders that cancel lines.

    The one with which the last line of its order is cancelled cancels the order. ``read_lines``
    is for a role that may not read the bodies.
    """
    in_part = [
        order_id
        for order_id, those in acts.items()
        if any(act.meaning == Meaning.CANCELED_IN_PART for act in those)
    ]
    if not in_part:
        return {}
    words = [s for s, m in policies.vocabulary.known.items() if m == Meaning.CANCELED_IN_PART]
    asked = in_part, [ORDER_CREATED, *words]
    rows = await (read_lines(tx, *asked) if read_lines else tx.rows("case_lines", *asked))
    complete = {order_id: last_cancellation(rows, order_id) for order_id in in_part}
    return {
        order_id: tuple(
            act._replace(meaning=Meaning.CANCELED)
            if act.meaning == Meaning.CANCELED_IN_PART and act.occurred_at == complete[order_id]
            else act
            for act in acts[order_id]
        )
        for order_id in in_part
    }


def last_cancellation(rows: Iterable[Mapping[str, Any]], order_id: str) -> datetime | None:
    """The time of the cancellation that leaves no line; ``None`` if something may be left.

    A repeat cancels nothing more, nor does a cancellation from before the order entered.
    """
    left: dict[str, Decimal] = {}
    seen = []
    for row in sorted((r for r in rows if r["order_id"] == order_id), key=_rank):
        lines = _lines(row["body"])
        if row["status"] == ORDER_CREATED:
            left = left or lines
        elif left and (row["occurred_at"], lines) not in seen:
            seen.append((row["occurred_at"], lines))
            for sku, quantity in lines.items():
                # Without a quantity, all of the line.
                rest = Decimal(0) if quantity == _ALL else left.get(sku, Decimal(0)) - quantity
                left[sku] = max(Decimal(0), rest)
            if lines and not any(left.values()):
                return cast("datetime", row["occurred_at"])
    return None


def _rank(row: Mapping[str, Any]) -> tuple[datetime, bool]:
    return row["occurred_at"], row["status"] != ORDER_CREATED


def _lines(body: str) -> dict[str, Decimal]:
    """The quantity of each SKU; ``_ALL`` of a line without one. Empty if unreadable."""
    try:
        value = json.loads(body, parse_float=Decimal)
        lines: dict[str, Decimal] = {}
        for line in value.get("data", value)["lines"]:
            sku = str(line["sku"])
            lines[sku] = lines.get(sku, Decimal(0)) + _quantity(line.get("quantity"))
        return lines
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return {}


def lines_only(body: str) -> str:
    """A body that leads to the same verdict, and holds nothing but SKUs and quantities."""
    lines = [
        {"sku": sku} if quantity == _ALL else {"sku": sku, "quantity": str(quantity)}
        for sku, quantity in _lines(body).items()
    ]
    return json.dumps({"lines": lines} if lines else {}, separators=(",", ":"))


def _quantity(told: Any) -> Decimal:
    if told is None:
        return _ALL
    quantity = Decimal(str(told))
    if not quantity.is_finite() or not 0 <= quantity < _TOO_MANY:
        raise ValueError("no quantity")
    return quantity
