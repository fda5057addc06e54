"""The life cycle of one lane in this worker: take over, work, release.

There is one recovery path: after any fault the worker takes the lane over again and resumes from
the stored state.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from worker.backoff import Backoff
from worker.errors import Fenced, Halted, PlazoError, RecordFailed
from worker.kafka.consumer import Consumer, NotAssigned, PositionLost
from worker.lanes.lane import Lane
from worker.observability.labels import Part
from worker.observability.logs import logger
from worker.outbox.relay import Relay
from worker.records import Partition
from worker.runtime.failures import STEADY, Failures
from worker.runtime.lane_parts import LaneParts
from worker.runtime.lane_tasks import Group, LaneTasks
from worker.runtime.services import Services
from worker.runtime.take_over import take_over

log = logger(__name__)

# Longer than a heartbeat: by then a worker that lost the lane to us in the group knows of it.
_FENCED_WAIT = 3.0
_HALTED_WAIT = 30.0
_SHORT_WAIT = 0.2


class LaneRunner:
    """Runs lane ``number``, which reads ``partitions``, until stopped."""

    def __init__(
        self,
        number: int,
        partitions: Sequence[Partition],
        consumer: Consumer,
        services: Services,
        group: Group,
    ) -> None:
        self.number = number
        self.partitions = tuple(partitions)
        self.lane: Lane | None = None
        self.relay: Relay | None = None
        # The reason why the lane is not at work.
        self.fault: str | None = "starting"
        self.halted = False
        self._failures = Failures()
        # The monotonic time of the current attempt to take the lane and to work on it.
        self._began_at = 0.0
        # Of the last record applied, in milliseconds.
        self.last_timestamp: dict[Partition, int] = {}
        self._left_at: dict[Partition, int] = {}
        self._consumer = consumer
        self._services = services
        self._clock = services.clock
        self._group = group
        self._stopping = asyncio.Event()
        self._tasks: LaneTasks | None = None
        self._task = asyncio.create_task(self._run(), name=f"lane-{number}")

    @property
    def failing(self) -> str | None:
        """Where the lane fails again and again: topic, partition and offset."""
        return self._failures.failing

    def notice(self) -> None:
        """Report that orders of this lane must be judged again."""
        # A lane that is not at work reads its notices once it is taken over.
        if self._tasks is not None:
            self._tasks.notice()

    async def stop(self, within: float) -> None:
        """Finish the current transaction, publish all committed events, release the lane.

        After ``within`` seconds, drop the lane as it is.
        """
        self._stopping.set()
        _, late = await asyncio.wait({self._task}, timeout=within)
        if late:
            # The fence makes it safe to drop a lane at any point; the successor only has to read
            # the tail.
            log.warning("lane_dropped", lane=self.number, within_seconds=within)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1)

    async def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            self._began_at = self._clock.monotonic()
            try:
                await self._live()
            except PositionLost:
                wait = _SHORT_WAIT
            except (NotAssigned, Fenced) as error:
                # The group decides: either it revokes the lane here, or the lane is ours and the
                # worker that fenced us is about to lose it.
                self.fault = str(error) or "not assigned"
                wait = _FENCED_WAIT if isinstance(error, Fenced) else _SHORT_WAIT
            except Halted as error:
                self.halted = True
                self.fault = str(error)
                log.error("lane_halted", lane=self.number, reason=str(error))
                wait = _HALTED_WAIT
            except Exception as error:
                worked = self._clock.monotonic() - self._began_at
                if worked > STEADY:
                    backoff.reset()
                wait = backoff.next()
                self._failed(error, worked, wait)
            else:
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    def _failed(self, error: Exception, worked: float, wait: float) -> None:
        expected = isinstance(error, PlazoError)
        self.fault = str(error) if expected else "internal error, see the log"
        if expected and not isinstance(error, RecordFailed):
            log.warning("lane_waits", lane=self.number, reason=self.fault, seconds=wait)
        else:
            log.exception("lane_failed", lane=self.number, seconds=wait)
        self._services.metrics.restarts.labels(Part.LANE).inc()
        unknown: dict[Partition, int | None] = dict.fromkeys(self.partitions)
        if self._failures.add(error, self._left_at or unknown, worked):
            log.error("lane_failing", lane=self.number, at=self.failing, reason=self.fault)
        if self.failing:
            self.fault = f"failing at {self.failing}: {self.fault}"

    async def _live(self) -> None:
        assignment = self._consumer.assignment
        if self._left_at:
            # Not the first attempt. If the group assigned the lane elsewhere meanwhile, a take-over
            # would fence its rightful owner.
            await self._consumer.confirm(self._left_at)
        services = self._services
        # Before the logs are checked: a leader that comes during the check may have another log.
        sources = {p: self._consumer.source(p) for p in self.partitions}
        lane = await take_over(services, self.number, self.partitions)
        self.last_timestamp.update((p, mark.timestamp) for p, mark in lane.marks.items())
        self._consumer.seek(lane.positions)
        parts = LaneParts.of(services, lane)
        self.lane, self.relay = lane, parts.relay
        self._failures.settle(lane.positions, 0)
        if not self.halted and not self.failing:
            self.fault = None
        tasks = LaneTasks(parts, services, self._group, self._stopping, self._read_one)
        self._tasks = tasks
        try:
            await tasks.run(self._consumer, assignment, self.last_timestamp, sources)
        finally:
            self.lane = self.relay = self._tasks = None
            if services.brake:
                services.brake.forget(self.number)
            self._left_at = dict(lane.positions)
            services.metrics.forget_lane(self.number, sorted({t for t, _ in self.partitions}))
        await self._consumer.commit(lane.positions)
        await lane.release()
        log.info("lane_released", lane=self.number, epoch=lane.epoch)

    def _read_one(self) -> None:
        if self.halted:
            # Not before: the next record may be the one that halted the lane.
            self.halted, self.fault = False, None
        if self.failing and self.lane is not None:
            worked = self._clock.monotonic() - self._began_at
            self._failures.settle(self.lane.positions, worked)
            if not self.failing:
                self.fault = None
