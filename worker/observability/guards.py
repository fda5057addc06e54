"""The guards that hold verdicts back: the lanes and orders they hold now."""

from worker.observability.labels import Guard
from worker.observability.metrics import Metrics


class Guards:
    """State of one worker's guards; the gauges follow it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lanes: dict[Guard, int] = {}
        self._orders: dict[Guard, int] = {}

    def hold(self, guard: Guard, lanes: int, orders: int | None = None) -> None:
        """Set the number of lanes that a guard holds, and of orders if it counts those."""
        self._lanes[guard] = lanes
        self._metrics.guard.labels(guard).set(lanes)
        if orders is not None:
            self._orders[guard] = orders
            self._metrics.held_orders.labels(guard).set(orders)

    @property
    def lanes(self) -> dict[Guard, int]:
        """Lanes held, by guard; no entry for a guard that holds none."""
        return {guard: lanes for guard, lanes in self._lanes.items() if lanes}

    @property
    def orders(self) -> int:
        """Orders that the brake holds."""
        return sum(self._orders.values())
