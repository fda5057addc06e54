"""Lets few lanes decide at a time, so that reading and publishing go on beside a mass lapse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# One computes while the other waits for Postgres. With all lanes at once, each step of the event
# loop takes as many times longer, and a fetch or an acknowledgement takes many steps.
_AT_ONCE = 2


class Turns:
    """A courtesy among the lanes of a worker, not a lock: nothing relies on it."""

    def __init__(self, patience: float = 5.0) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._patience = patience

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, but not for ever: those who have it may be stuck."""
        try:
            await asyncio.wait_for(self._free.acquire(), self._patience)
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._free.release()
