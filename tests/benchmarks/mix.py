"""What a busy marketplace publishes: 60 % orders, 40 % acts, half on recent orders, half on old."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import NamedTuple

SOURCE = ("ce_source", b"https://market.example")
VERSION = ("ce_specversion", b"1.0")
CREATED = [VERSION, SOURCE, ("ce_type", b"marketplace.order.created.v1")]
CHANGED = [VERSION, SOURCE, ("ce_type", b"marketplace.order.status-changed.v1")]
RECENT = 20_000
# Far from the deadline, and more than a backlog is long.
BACKLOG = timedelta(hours=6)


class Event(NamedTuple):
    """One record. ``at`` is when its order entered, or when the act was done."""

    created: bool
    order_id: str
    at: datetime
    value: bytes
    headers: list[tuple[str, bytes]]


def mix(seed: int = 1, clock: Callable[[], datetime] | None = None) -> Iterator[Event]:
    """Events without end; from some hours ago and a millisecond apart unless there is a ``clock``.

    Never ahead of the clock: Plazo would refuse them, at ten times the cost.
    """
    rng, orders = Random(seed), 0
    began = datetime.now(UTC) - BACKLOG
    for number in count():
        at = clock() if clock else began + timedelta(milliseconds=number)
        if number % 10 < 6:
            yield created(seed, orders, at)
            orders += 1
        else:
            first = max(0, orders - RECENT) if number % 2 else 0
            yield handled(seed, rng.randrange(first, orders), at)


def created(seed: int, number: int, at: datetime) -> Event:
    """An order with two lines."""
    order_id = f"{seed}{number * 37 + 490_000_000_000:012}-01"
    price = f"{number % 900 + 10}.90"
    body = {
        "order_id": order_id,
        "seller_id": f"seller-{number % 5_000}",
        "fulfilment": "courier",
        "entered_at": at.isoformat(),
        "total": price,
        "currency": "PEN",
        "lines": [{"sku": f"SKU-{number % 70_000}", "quantity": 1, "unit_price": price}],
    }
    return _event(True, order_id, at, body)


def handled(seed: int, number: int, at: datetime) -> Event:
    """A seller starts handling the order of that number."""
    order_id = f"{seed}{number * 37 + 490_000_000_000:012}-01"
    body = {
        "order_id": order_id,
        "status": "start-handling",
        "occurred_at": at.isoformat(),
        "validation": {"in_stock": True, "functional": True, "complete": True},
    }
    return _event(False, order_id, at, body)


def _event(is_order: bool, order_id: str, at: datetime, body: dict[str, object]) -> Event:
    identity = ("ce_id", f"{order_id}/{at.timestamp():.6f}".encode())
    headers = [*(CREATED if is_order else CHANGED), identity]
    return Event(is_order, order_id, at, json.dumps(body).encode(), headers)
