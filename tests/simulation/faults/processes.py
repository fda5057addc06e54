"""Processes of workers: they start, crash, freeze and stop."""

import asyncio
import traceback
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import worker.runtime.worker
from tests.simulation.database import IDLE_IN_TRANSACTION
from tests.simulation.loop import Process
from tests.simulation.scenario.rules import HEAL

if TYPE_CHECKING:
    from tests.simulation.world import World

SESSION_TIMEOUT = 4.0
# A process that wakes, or a message on its way, may still repeat what was published meanwhile.
_LINGERS = 10.0


class SimClock:
    """As worker.clock.SystemClock; ahead of the truth by what its process says."""

    def __init__(self, world: "World", process: Process) -> None:
        self.world = world
        self._process: Any = process

    def now(self) -> datetime:
        return self.world.instant() + timedelta(
            seconds=self._process.ahead + self.world.clocks.ahead
        )

    def monotonic(self) -> float:
        return self.world.loop.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class Processes:
    """The processes of a run. ``workers`` are those at work, by number."""

    def __init__(self, world: "World", count: int) -> None:
        self.world = world
        self.workers: list[Any] = [None] * count
        self.first_start = float("inf")
        # Lane, and the time in which it may publish something twice.
        self._repeats: list[tuple[int, float, float]] = []

    def start(self, number: int) -> None:
        if self.workers[number] is not None:
            return
        process: Any = Process(f"w{number}.{len(self.world.loop.processes)}")
        process.world = self.world
        process.number = number
        process.freezes = 0
        process.ahead = 0.0 if self.world.healed else self.world.clocks.draw()
        self.world.loop.add(process)
        self.workers[number] = process
        self.first_start = min(self.first_start, self.world.loop.now)
        self.world.lateness.disturbed()
        self.world.note(process, "start", None, None)
        process.context.run(self._work, process)

    def _work(self, process: Any) -> None:
        process.worker = worker.runtime.worker.Worker(
            self.world.settings, SimClock(self.world, process), owner=process.name
        )

        async def work() -> None:
            try:
                await process.worker.run(signals=False)
            except Exception:
                self.world.violations.append(f"worker died: {traceback.format_exc()}")
            self.world.later(0.0, self._ended, process)

        process.task = self.world.loop.create_task(work(), context=process.context)

    def _ended(self, process: Any) -> None:
        if process.alive:
            process.alive = False
            self.world.note(process, "ended", None, None)
            self._gone(process, self.world.rng.uniform(0.1, 4))

    def crash_one(self) -> None:
        self.crash(self.world.rng.choice(self.workers))

    def freeze_one(self) -> None:
        self.freeze(self.world.rng.choice(self.workers))

    def stop_one(self) -> None:
        process = self.world.rng.choice(self.workers)
        if process is not None and process.alive and not process.frozen:
            self.world.count("stop")
            self.world.note(process, "fault", "stop", None)
            self.world.loop.call_soon(process.worker.stop, context=process.context)

    def crash(self, process: Any) -> None:
        if process is None or not process.alive or self.world.healed:
            return
        process.alive = False
        self.world.count("crash")
        self.world.note(process, "fault", "crash", None)
        self._gone(process, self.world.rng.uniform(0.2, 6))

    def _gone(self, process: Any, restart: float) -> None:
        self.world.later(0.01 + self.world.latency(), self._drop_connections, process)
        self.world.later(SESSION_TIMEOUT, self.world.broker.group.silent, process)
        self.workers[process.number] = None
        # Also one that was told to stop before the world was healed, and is gone only after it.
        self.world.later(restart, self.start, process.number)

    def _drop_connections(self, process: Process) -> None:
        for tx in [one for one in self.world.database.open if one.owner is process]:
            self.world.database.end(tx, "aborted")

    def freeze(self, process: Any) -> None:
        if process is None or not process.alive or process.frozen or self.world.healed:
            return
        process.frozen = True
        self.world.count("freeze")
        rng = self.world.rng
        seconds = rng.choice([rng.uniform(0.05, 2), rng.uniform(3, 16)])
        self.world.note(process, "fault", "freeze", seconds)
        process.freezes += 1
        process.given = set()  # the lanes that the group assigns to it meanwhile
        membership = process.worker.membership
        held = [*membership.runners, *(runner.number for runner in membership._leaving)]
        self.may_repeat(held, self.world.loop.now + seconds)
        self.world.later(SESSION_TIMEOUT, self._session_over, process, process.freezes)
        self.world.later(IDLE_IN_TRANSACTION + 0.5, self._idle, process, process.freezes)
        until_healed = HEAL - self.world.loop.now
        self.world.later(min(seconds, until_healed), self._thaw, process, process.freezes)

    def _session_over(self, process: Any, number: int) -> None:
        if process.frozen and process.freezes == number:
            self.world.broker.group.silent(process)

    def _idle(self, process: Any, number: int) -> None:
        if process.frozen and process.freezes == number:
            waiting = {id(tx) for tx in self.world.database.waiting()}
            for tx in [one for one in self.world.database.open if one.owner is process]:
                if id(tx) not in waiting:
                    self.world.database.end(tx, "idle")

    def _thaw(self, process: Any, number: int) -> None:
        if process.frozen and process.freezes == number:
            process.frozen = False
            self.world.lateness.disturbed()
            self.world.note(process, "fault", "thaw", None)
            # It takes them from their owner, and learns only then that it has lost them since.
            self.may_repeat(process.given, self.world.loop.now)
            consumer = process.worker.membership.consumer
            if consumer is not None:
                consumer.thawed()

    def may_repeat(self, lanes: Iterable[int], until: float) -> None:
        """What these lanes publish from now on may come twice."""
        self._repeats += [(lane, self.world.loop.now, until + _LINGERS) for lane in lanes]

    def is_excused(self, lane: int, stored_at: float) -> bool:
        """Whether a repeat of this lane has an excuse then."""
        return any(
            lane == one and since <= stored_at <= until for one, since, until in self._repeats
        )

    def wake(self) -> None:
        """Thaw and start all of them, with clocks that are right."""
        for process in self.world.loop.processes:
            if process.frozen:
                self._thaw(process, process.freezes)  # type: ignore[attr-defined]
            process.ahead = 0.0  # type: ignore[attr-defined]
