"""The clock of the worker, and how far that of the database is from it.

The clock is a protocol, so that a simulation can replace it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Gives the time, and waits."""

    def now(self) -> datetime:
        """Wall-clock time, aware, in UTC: for deadlines and event times."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards: for durations and time-outs."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only yields to the event loop."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class Clocks:
    """Our clock and the database's. Either may be wrong, and nobody here knows which."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # The database's clock minus ours, as measured last.
        self._skew = timedelta(0)

    async def measure(self, ask: Callable[[], Awaitable[datetime]]) -> datetime:
        """Ask for the database's time; return the earlier of ours before that and theirs.

        A slow answer tells little, so it changes nothing that it does not contradict. Else each
        start on a busy machine would take the database's clock for one that leads.

        Raises: as ``ask``.
        """
        before = self._clock.now()
        theirs = await ask()
        self.compare(before, theirs)
        return min(before, theirs)

    def compare(self, before: datetime, theirs: datetime) -> None:
        """Compare the database's answer with our clock, which showed ``before`` when we asked."""
        if not theirs - self._clock.now() <= self._skew <= theirs - before:
            self._skew = theirs - before

    @property
    def skew(self) -> float:
        """Seconds by which the database's clock leads ours; negative if it lags."""
        return self._skew.total_seconds()

    def earliest(self) -> datetime:
        """The time by the slower clock: a deadline counts as over once both say so."""
        return self._clock.now() + min(self._skew, timedelta(0))

    def latest(self) -> datetime:
        """The time by the faster clock: what lies after it is the future by both."""
        return self._clock.now() + max(self._skew, timedelta(0))
