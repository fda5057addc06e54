"""The gate before each request: how many are under way, and whether another may begin."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


class Gate:
    """Lets at most ``places`` in at a time, and nobody while ``is_open`` says no.

    Whoever is in may finish; :meth:`close` waits for that.
    """

    def __init__(self, places: int, is_open: Callable[[], bool]) -> None:
        self._places = asyncio.Semaphore(places)
        self._is_open = is_open
        self._closed = False
        self._inside = 0
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Inside the gate."""
        async with self._places:
            while self._closed or not self._is_open():
                self._changed.clear()
                await self._changed.wait()
            self._inside += 1
            self._empty.clear()
            try:
                yield
            finally:
                self._inside -= 1
                if not self._inside:
                    self._empty.set()

    def look(self) -> None:
        """``is_open`` may say something else now."""
        self._changed.set()

    async def close(self, seconds: float) -> None:
        """Let nobody in any more, and wait so long for those inside."""
        self._closed = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)
