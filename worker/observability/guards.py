"""The guards that hold verdicts back now: by lanes and by orders."""

from worker.observability.labels import Guard
from worker.observability.metrics import Metrics


class Guards:
    """State of one worker's guards; the gauges follow it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lanes: dict[Guard, int] = {}
        self._orders: dict[Guard, int] = {}

    def hold(self, guard: Guard, lanes: int, orders: int | None = None) -> None:
        """The guard holds so many lanes, and so many orders if it counts those; 0 is none."""
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
