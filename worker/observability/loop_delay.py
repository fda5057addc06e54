"""The delay of the event loop: how long one slice of code keeps all others waiting."""

from worker.observability.metrics import Metrics

# A sleeper that wakes this often, in seconds, misses no slice that is longer.
INTERVAL = 0.02
_WINDOW = 60.0


class LoopDelay:
    """Records what a sleeper notices; its gauge shows the longest delay of the last two windows."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._began = 0.0
        self._longest = self._before = 0.0

    def slept(self, seconds: float, now: float) -> None:
        """A sleep of :data:`INTERVAL` took ``seconds`` and ended at the monotonic time ``now``."""
        if now - self._began >= _WINDOW:
            self._began, self._before, self._longest = now, self._longest, 0.0
        delay = max(0.0, seconds - INTERVAL)
        self._longest = max(self._longest, delay)
        self._metrics.loop_delay.observe(delay)
        self._metrics.loop_lag.set(max(self._longest, self._before))
