"""Exponential backoff with jitter: workers do not retry in step."""

import random


class Backoff:
    """Seconds to wait before the next attempt; starts over after :meth:`reset`."""

    def __init__(self, first: float = 0.2, most: float = 5.0) -> None:
        self._first = first
        self._most = most
        self._next = first

    def reset(self) -> None:
        """An attempt succeeded: start over."""
        self._next = self._first

    def next(self) -> float:
        """The wait before the next attempt."""
        wait = self._next
        self._next = min(self._most, wait * 2)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, guards nothing
