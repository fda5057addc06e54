"""How times spread: counts between bounds of which five make a factor of ten."""

from bisect import bisect_left
from collections.abc import Sequence

BOUNDS_MS = tuple(
    round(step * 10**power, 1) for power in range(5) for step in (1, 1.6, 2.5, 4, 6.3)
)

Histogram = list[tuple[float, int]]


def histogram(seconds: Sequence[float]) -> Histogram:
    """From the first bucket that holds something to the last: upper bound in ms, and count.

    What is later than the last bound counts in it.
    """
    counts = [0] * len(BOUNDS_MS)
    for one in seconds:
        counts[min(bisect_left(BOUNDS_MS, 1000 * one), len(counts) - 1)] += 1
    held = [place for place, count in enumerate(counts) if count]
    if not held:
        return []
    return list(zip(BOUNDS_MS, counts, strict=True))[held[0] : held[-1] + 1]


def percentile(seconds: Sequence[float], share: float) -> float:
    """That of which so large a share is at most it, in milliseconds."""
    ordered = sorted(seconds)
    return round(1000 * ordered[max(0, -(-round(1000 * share) * len(ordered) // 1000) - 1)], 1)
