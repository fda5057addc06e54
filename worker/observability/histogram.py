"""A histogram that takes many observations at once."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import prometheus_client


class Histogram(prometheus_client.Histogram):
    """A histogram of Prometheus; thousands of verdicts at a time have a lateness each."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observe each of these amounts, at a fifth of the price of :meth:`observe`."""
        bounds = self._upper_bounds
        for bucket, number in Counter(bisect_left(bounds, one) for one in amounts).items():
            self._buckets[bucket].inc(number)
        self._sum.inc(sum(amounts))
