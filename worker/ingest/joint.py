"""Does the work of several tasks at once, where that costs little more than the work of one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Apart(Exception):
    """The items of several tasks cannot be worked on together, and nothing was done."""


class Joint(Generic[_T]):
    """Calls ``work`` with the items that wait: at most ``most`` of them, in ``at_once`` calls.

    An item does not wait for others. Those that come while all calls are under way are next,
    together. If ``work`` raises :class:`Apart`, each task works on its own item, so that none waits
    for another.
    """

    def __init__(
        self, work: Callable[[Sequence[_T]], Awaitable[None]], *, most: int, at_once: int
    ) -> None:
        self._work = work
        self._most = most
        self._at_once = at_once
        self._waiting: list[tuple[_T, asyncio.Future[None]]] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def __call__(self, item: _T) -> None:
        """Work on an item.

        A task that is cancelled here leaves its item, which may be worked on all the same.

        Raises: as ``work``, but for ``Apart``.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if len(self._calls) < self._at_once:
            self._calls.add(asyncio.create_task(self._call(), name="joint"))
        try:
            await done
        except Apart:
            await self._work([item])

    async def _call(self) -> None:
        this = asyncio.current_task()
        assert this is not None
        try:
            while self._waiting:
                these, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                if these := [(item, done) for item, done in these if not done.done()]:
                    await self._together(these)
        finally:
            # Here and not in a callback: an item that comes before that would wait for ever.
            self._calls.discard(this)

    async def _together(self, these: Sequence[tuple[_T, "asyncio.Future[None]"]]) -> None:
        failure: Exception | None = None
        try:
            await self._work([item for item, _ in these])
        except Exception as error:
            failure = error
        for _, done in these:
            if done.done():  # its task was cancelled
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)
