"""Time, as the worker sees it: behind a protocol, so that a simulation can put its own in place."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the worker gets the time from, and waits for it."""

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
