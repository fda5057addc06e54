"""The worker's membership in the consumer group: one consumer, and a runner for each lane."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from itertools import groupby

from worker.backoff import Backoff
from worker.errors import DatabaseUnavailable, KafkaUnavailable
from worker.kafka.consumer import Consumer
from worker.observability.health import Health
from worker.observability.labels import Part, Readiness
from worker.observability.logs import logger
from worker.records import Partition
from worker.runtime.lane_runner import LaneRunner
from worker.runtime.services import Services

log = logger(__name__)

# A revoked lane gets this long to finish its transaction and publish: well below the time after
# which the group would remove the whole worker.
_REVOKE = 8.0
_NOTICES = 1.0


class Membership:
    """Keeps the worker in the group, and runs the lanes that the group assigns."""

    def __init__(self, services: Services, health: Health) -> None:
        self.runners: dict[int, LaneRunner] = {}
        self.joined = False
        self.consumer: Consumer | None = None
        # Set while this process may be a member under its name.
        self.allowed = asyncio.Event()
        self.allowed.set()
        # Why it may not be one.
        self.waits_for: str | None = None
        # Whether it may join now: asked before each attempt, for a process may have been frozen.
        self.may_join: Callable[[], Awaitable[bool]] | None = None
        # Whether a clean stop keeps its place in the group, to come back to it.
        self.comes_back = False
        self._services = services
        self._health = health
        self._leaving: list[LaneRunner] = []
        self._broken = asyncio.Event()
        self._closing = False

    async def run(self) -> None:
        """Be a member until cancelled."""
        clock, backoff = self._services.clock, Backoff()
        while True:
            await self.allowed.wait()
            self.waits_for = None
            self._broken.clear()
            consumer = None
            started = clock.monotonic()
            try:
                consumer = self.consumer = Consumer(
                    self._services.settings, self._assigned, self._revoked
                )
                consumer.may_join = self.may_join
                await consumer.start()
                await self._broken.wait()
            except KafkaUnavailable as error:
                self._health.set_not_ready(Readiness.KAFKA, str(error))
                log.warning("waiting", part=Readiness.KAFKA.value, reason=str(error))
            finally:
                self.joined = False
                await self._stop_lanes(_REVOKE)
                if consumer is not None:
                    # After a fault it begins anew as well: what the group keeps may be at fault.
                    await consumer.stop(leave=not (self._closing and self.comes_back))
            if clock.monotonic() - started > 30:
                backoff.reset()
            await clock.sleep(backoff.next())

    async def watch_notices(self) -> None:
        """Find notices from other workers for our lanes, until cancelled."""
        while True:
            await self._services.clock.sleep(_NOTICES)
            if self.runners:
                with suppress(DatabaseUnavailable):
                    rows = await self._services.database.rows(
                        "lanes_with_notices", list(self.runners)
                    )
                    self.notify([row["lane"] for row in rows])

    async def close(self, within: float) -> None:
        """Stop all lanes, and start no others."""
        self._closing = True
        await self._stop_lanes(within)

    def notify(self, lanes: Collection[int]) -> None:
        """Report that orders of these lanes must be judged again; skips lanes of other workers."""
        for number in lanes:
            if runner := self.runners.get(number):
                runner.notice()

    def check(self) -> None:
        """Replace the consumer if its membership has ended: without lanes, nothing else would."""
        if self.consumer is not None:
            try:
                self.consumer.check()
            except KafkaUnavailable as error:
                self.restart_consumer(str(error))

    def restart_consumer(self, reason: str) -> None:
        """Replace the consumer: it reports a fault, or makes no progress."""
        if not self._broken.is_set():
            log.warning("consumer_restarts", reason=reason)
            self._services.metrics.restarts.labels(Part.CONSUMER).inc()
            self._broken.set()

    def give_up(self, reason: str) -> None:
        """Be no member until :attr:`allowed` is set: another process has this one's name."""
        self.waits_for = reason
        if self.allowed.is_set():
            self.allowed.clear()
            self.restart_consumer(reason)

    def _assigned(self, partitions: Sequence[Partition]) -> None:
        assert self.consumer is not None
        self._services.metrics.rebalances.inc()
        self.joined = True
        log.info("lanes_assigned", lanes=sorted({number for _, number in partitions}))
        if self._closing:
            return  # about to leave the group
        ordered = sorted(partitions, key=lambda partition: (partition[1], partition[0]))
        for number, own in groupby(ordered, key=lambda partition: partition[1]):
            self.runners[number] = LaneRunner(
                number, list(own), self.consumer, self._services, self
            )
        self._services.metrics.lanes.set(len(self.runners))

    async def _revoked(self) -> None:
        self.joined = False
        await self._stop_lanes(_REVOKE)

    async def _stop_lanes(self, within: float) -> None:
        # Includes the runners that another call is stopping: a lane must not be released or started
        # again while one of its runners may still publish.
        self._leaving += self.runners.values()
        self.runners.clear()
        self._services.metrics.lanes.set(0)
        leaving = [*self._leaving]
        await asyncio.gather(*(runner.stop(within) for runner in leaving))
        self._leaving = [runner for runner in self._leaving if runner not in leaving]
