"""The guards that hold verdicts back: the lanes and orders they hold now."""

import time
from collections.abc import Callable

from worker.observability.labels import Guard
from worker.observability.metrics import Metrics


class Guards:
    """State of one worker's guards; the gauges follow it."""

    def __init__(
        self, metrics: Metrics, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._metrics = metrics
        self._monotonic = monotonic
        self._since: dict[Guard, float] = {}
        self._lanes: dict[Guard, int] = {}
        self._orders: dict[Guard, int] = {}

    def hold(self, guard: Guard, lanes: int, orders: int | None = None) -> None:
        """Set the number of lanes that a guard holds, and of orders if it counts those."""
        self._lanes[guard] = lanes
        if not lanes:
            self._since.pop(guard, None)
        elif guard not in self._since:
            self._since[guard] = self._monotonic()
        self._metrics.guard.labels(guard).set(lanes)
        if orders is not None:
            self._orders[guard] = orders
            self._metrics.held_orders.labels(guard).set(orders)

    @property
    def lanes(self) -> dict[Guard, int]:
        """Lanes held, by guard; no entry for a guard that holds none."""
        return {guard: lanes for guard, lanes in self._lanes.items() if lanes}

    def lasting(self, seconds: float) -> dict[Guard, int]:
        """Lanes held, by guard, of the guards that have held some without a break for so long.

        In normal work a guard holds a lane for the moments that a proof takes.
        """
        until = self._monotonic() - seconds
        return {guard: self._lanes[guard] for guard, since in self._since.items() if since <= until}

    @property
    def orders(self) -> int:
        """Orders that the brake holds."""
        return sum(self._orders.values())
