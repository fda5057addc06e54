"""An event loop in virtual time that runs several processes, and lets a seed choose between them.

Within a process callbacks run in the order asyncio promises. Between processes, and against the
servers, the order is the seed's. Nothing waits for real: when nobody is ready, time jumps.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from itertools import count
from random import Random
from typing import Any


class Process:
    """What is killed or frozen as one. The servers (brokers, Postgres) are a process too."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: deque[Handle] = deque()
        self.alive = True
        self.frozen = False
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return self.name


PROCESS: ContextVar[Process] = ContextVar("process")


class Handle:
    """A callback in its process."""

    __slots__ = ("args", "callback", "context", "process", "stopped", "time")

    def __init__(
        self, callback: Callable[..., Any], args: Any, context: Context, time: float
    ) -> None:
        self.callback: Callable[..., Any] | None = callback
        self.args = args
        self.context = context
        self.process = context[PROCESS]
        self.stopped = False
        self.time = time

    def cancel(self) -> None:
        self.stopped = True
        self.callback = self.args = None

    def cancelled(self) -> bool:
        return self.stopped

    def when(self) -> float:
        return self.time


_order = count()


class _Task(asyncio.Task):  # type: ignore[type-arg]
    """Hashed by its number: sets of tasks must not depend on addresses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.number = next(_order)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self.number


class GatheringFuture(asyncio.tasks._GatheringFuture):  # type: ignore[name-defined, misc]
    """What gather() returns, hashed likewise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.number = next(_order)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self.number


class SimLoop(asyncio.AbstractEventLoop):
    """Runs until a given virtual time; never sleeps."""

    def __init__(self, rng: Random) -> None:
        global _order
        _order = count()
        self.now = 0.0
        self.steps = 0
        self.errors: list[str] = []
        self.processes: list[Process] = []
        self._rng = rng
        self._timers: list[tuple[float, int, Handle]] = []
        self._numbers = count()
        self._tasks: list[_Task] = []
        self._most = 2000
        self._closing = False

    def add(self, process: Process) -> None:
        self.processes.append(process)

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._closing

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        handle = Handle(callback, args, context or copy_context(), self.now)
        if not self._closing:
            handle.process.queue.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        handle = Handle(callback, args, context or copy_context(), when)
        if not self._closing:
            heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        task = _Task(coro, loop=self, name=name or "task", context=context)
        # Held, so that what a crash leaves behind is not tidied up by the collector meanwhile.
        self._tasks.append(task)
        if len(self._tasks) > self._most:
            self._tasks = [task for task in self._tasks if not task.done()]
            self._most = 2 * len(self._tasks) + 2000
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._closing:
            self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    # The simulation's side.

    def run(self, until: float) -> None:
        """Run everything that is due at or before ``until``."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            while self._step(until):
                pass
        finally:
            asyncio._set_running_loop(before)

    def close(self) -> None:
        """Drop whatever still waits, without a word."""
        self._closing = True
        asyncio._set_running_loop(self)
        try:
            for task in self._tasks:
                if not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    _close(task.get_coro())
        finally:
            asyncio._set_running_loop(None)
        self._timers.clear()
        for process in self.processes:
            process.queue.clear()

    def _step(self, until: float) -> bool:
        ready = [p for p in self.processes if p.queue and p.alive and not p.frozen]
        if not ready:
            if not self._timers or self._timers[0][0] > until:
                self.now = until
                return False
            self.now = max(self.now, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self.now:
                handle = heapq.heappop(self._timers)[2]
                if not handle.stopped:
                    handle.process.queue.append(handle)
            return True
        process = ready[0] if len(ready) == 1 else self._rng.choice(ready)
        # A few at once: another process may come between any two.
        queue = process.queue
        for _ in range(1 if len(ready) > 1 else 8):
            handle = queue.popleft()
            if not handle.stopped:
                self.steps += 1
                try:
                    handle.context.run(handle.callback, *handle.args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self.errors.append(f"{process}: {error!r} in a callback")
            if not queue or not process.alive or process.frozen:
                break
        return True


def _close(coro: Any) -> None:
    for _ in range(20):
        try:
            coro.close()
        except RuntimeError:  # it awaits while it is being closed
            continue
        except BaseException:
            return
        return
