"""Who goes first within a worker: verdicts before reading, and few lanes at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

# One computes while the other waits for Postgres. With all lanes at once, each step of the event
# loop takes as many times longer, and an acknowledgement takes many steps.
_AT_ONCE = 4


class Turns:
    """A courtesy among the lanes of a worker, not a lock: nothing relies on it."""

    def __init__(self, patience: float = 5.0) -> None:
        self._to_decide = asyncio.Semaphore(_AT_ONCE)
        self._to_apply = asyncio.Semaphore(_AT_ONCE)
        self._patience = patience
        self._deciding = 0
        self._none_deciding = asyncio.Event()
        self._none_deciding.set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn to decide."""
        self._deciding += 1
        self._none_deciding.clear()
        try:
            async with self._one_of(self._to_decide):
                yield
        finally:
            self._deciding -= 1
            if not self._deciding:
                self._none_deciding.set()

    @asynccontextmanager
    async def applying(self) -> AsyncIterator[None]:
        """Wait for a turn to apply a large batch.

        What it becomes takes more memory than all that the other lanes have read.
        """
        async with self._one_of(self._to_apply):
            yield

    async def reading(self) -> None:
        """Wait, for a while, until nobody decides.

        What is due has waited for a day and was proven. It cannot starve the reading: without it
        no later proof comes.
        """
        if self._deciding:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._none_deciding.wait(), self._patience)

    @asynccontextmanager
    async def _one_of(self, places: asyncio.Semaphore) -> AsyncIterator[None]:
        """Wait for a place, but not for ever: those who have them may be stuck."""
        try:
            await asyncio.wait_for(places.acquire(), self._patience)
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            places.release()
