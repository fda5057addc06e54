"""The tasks that work on a lane under one epoch: read, decide, remind, reconsider, publish."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from worker.backoff import Backoff
from worker.decide.sweep import SweepResult
from worker.decide.waiting import LOOK_AGAIN, notice_waiting
from worker.errors import Fenced, Halted, KafkaUnavailable, PlazoError, StateLost
from worker.freshness.evidence import Proof, ProofOutlived
from worker.ingest.reader import Reader
from worker.kafka.consumer import Consumer
from worker.observability.labels import Part
from worker.observability.logs import logger
from worker.records import Partition
from worker.runtime.lane_parts import LaneParts
from worker.runtime.services import Services
from worker.runtime.take_over import recognise

log = logger(__name__)
_T = TypeVar("_T")

# A proof older than this means that more orders are due than the lane has turns to decide.
_AGED = timedelta(milliseconds=250)


class Group(Protocol):
    """The worker's membership in the consumer group, as a lane sees it."""

    def notify(self, lanes: Collection[int]) -> None:
        """Report that orders of these lanes must be judged again."""
        ...

    def restart_consumer(self, reason: str) -> None:
        """Report a fault of the consumer."""
        ...


class LaneTasks:
    """Runs the tasks of one lane until it is stopped, or until the first fault.

    ``read_one`` is called after each batch that took effect.
    """

    def __init__(
        self,
        parts: LaneParts,
        services: Services,
        group: Group,
        stopping: asyncio.Event,
        read_one: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._lane = parts.lane
        self._relay = parts.relay
        self._dead_letters = parts.dead_letters
        self._services = services
        self._clock = services.clock
        self._group = group
        self._stopping = stopping
        self._read_one = read_one
        # For the verdicts and for the reminders: each sleeper has its own signal.
        self._rearmed = asyncio.Event(), asyncio.Event()
        self._noticed = asyncio.Event()
        self._noticed.set()

    def notice(self) -> None:
        """Report that orders of this lane must be judged again."""
        self._noticed.set()

    async def run(
        self,
        consumer: Consumer,
        assignment: int,
        reached: dict[Partition, int],
        sources: Mapping[Partition, object],
    ) -> None:
        """Work until stopped; then publish all committed events.

        ``reached`` is the timestamp of the last record of each partition, in milliseconds; the
        reader updates it. ``sources`` as in :class:`Reader`.

        Raises: the first fault of any task.
        """
        schemas = self._services.schemas
        reader = Reader(
            self._lane,
            self._parts.intake,
            consumer,
            self._services.fairness,
            assignment,
            self._services.settings.batch_size,
            reached,
            self._unless_stopped,
            self._clock,
            self._recognise,
            self._services.prover.is_another,
            sources,
            partial(schemas.fetch, self._lane.number) if schemas else None,
        )
        # Tasks and no gather(): once a fault has ended a gather, its cancellation leaves the other
        # tasks running. A reader that outlives its lane takes records from the next one.
        working = {
            asyncio.create_task(self._read(reader)),
            asyncio.create_task(self._lapse()),
            asyncio.create_task(self._remind()),
            asyncio.create_task(self._reconsider()),
            asyncio.create_task(self._look_again()),
        }
        publishing = {
            asyncio.create_task(self._publish("relay", self._relay.run)),
            asyncio.create_task(self._publish("dead letters", self._dead_letters.run)),
            asyncio.create_task(self._verify()),
        }
        try:
            # Reading and deciding end by themselves when the lane is stopped. Only then does the
            # relay have all events that they committed.
            with self._services.fairness.reader(self._lane.positions):
                await _all(working, publishing)
            drained = {
                asyncio.create_task(self._relay.drained()),
                asyncio.create_task(self._dead_letters.drained()),
            }
            working |= drained
            await _all(drained, publishing)
        finally:
            for task in (*working, *publishing):
                task.cancel()
            await asyncio.gather(*working, *publishing, return_exceptions=True)

    async def _read(self, reader: Reader) -> None:
        while not self._stopping.is_set():
            try:
                applied = await reader.read()
            except KafkaUnavailable as error:
                self._group.restart_consumer(str(error))
                raise
            self._read_one()
            if applied is None:
                continue
            self._services.prover.progressed()
            if applied.rearmed:
                self._rearm()
            if applied.noticed:
                self._group.notify(applied.noticed)
            if applied.dead_letters:
                self._dead_letters.committed()

    async def _recognise(self) -> bool:
        """Wait until the logs are known to be those that were read."""
        while True:
            try:
                await recognise(self._services, self._lane, self._lane.positions)
            except KafkaUnavailable as error:
                # No fault of the consumer: its brokers may be restarting.
                log.warning("lane_waits", lane=self._lane.number, reason=str(error), seconds=1)
                await self._clock.sleep(1)
            else:
                return True

    async def _lapse(self) -> None:
        await self._at_each(
            lambda: self._lane.next_fires_at, self._rearmed[0], self._parts.lapse.sweep
        )

    async def _remind(self) -> None:
        await self._at_each(
            lambda: self._lane.next_reminds_at, self._rearmed[1], self._parts.reminders.sweep
        )

    async def _at_each(
        self,
        timer: Callable[[], datetime | None],
        rearmed: asyncio.Event,
        sweep: Callable[[Proof], Awaitable[SweepResult]],
    ) -> None:
        """Sweep whenever the timer has fired and its time is proven."""
        prover, number = self._services.prover, self._lane.number
        await self._unless_stopped(self._relay.tail_known.wait())
        while not self._stopping.is_set():
            at = timer()
            if at is None or at > self._clock.now():
                await self._sleep_until(at, rearmed)
                continue
            wait = self._unless_earlier(prover.proven(number, at), at, timer, rearmed)
            proof = await self._unless_stopped(wait)
            if proof is not None:
                async with self._services.fairness.deciding():
                    if self._clock.now() - proof.at > _AGED:
                        prover.soon(number)
                    try:
                        result = await sweep(proof)
                    except ProofOutlived as error:
                        log.warning("proof_dropped", lane=number, reason=str(error))
                        prover.drop(proof)
                        continue
                self._hand_to_relay(result)

    async def _unless_earlier(
        self,
        work: Awaitable[_T],
        at: datetime,
        timer: Callable[[], datetime | None],
        rearmed: asyncio.Event,
    ) -> _T | None:
        """Wait for work; if the timer is set before ``at`` first, cancel it and return ``None``.

        The time that is to be proven may lie ahead again, because the clock was set back. What is
        due earlier must not wait for it.
        """
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                rearmed.clear()
                earliest = timer()
                if earliest is not None and earliest < at:
                    return None
                signal = asyncio.ensure_future(rearmed.wait())
                try:
                    await asyncio.wait({task, signal}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    signal.cancel()
            return task.result()
        finally:
            task.cancel()

    async def _reconsider(self) -> None:
        await self._unless_stopped(self._relay.tail_known.wait())
        while not self._stopping.is_set():
            await self._unless_stopped(self._noticed.wait())
            self._noticed.clear()
            more = not self._stopping.is_set()
            while more:
                result = await self._parts.reconsider.sweep()
                self._hand_to_relay(result)
                self._rearm()  # an order may have another deadline now
                more = result.more

    async def _look_again(self) -> None:
        """Find orders that still wait for a clock although its start is known."""
        if not (clocks := sorted(self._services.policies.clocks)):
            return
        while not self._stopping.is_set():
            await self._unless_stopped(self._clock.sleep(LOOK_AGAIN))
            if not self._stopping.is_set() and await notice_waiting(self._lane, clocks):
                self.notice()

    def _rearm(self) -> None:
        for rearmed in self._rearmed:
            rearmed.set()

    def _hand_to_relay(self, result: SweepResult) -> None:
        if result.events:
            self._relay.committed(result.events)
        if result.dead_letters:
            self._dead_letters.committed()

    async def _publish(self, part: str, run: Callable[[], Awaitable[None]]) -> None:
        """Publish; a fault of the topic or of our own does not keep the lane from its work."""
        backoff, number = Backoff(), self._lane.number
        while True:
            wait = backoff.next()
            try:
                await run()
            except (Halted, Fenced, StateLost):
                raise
            except PlazoError as error:
                reason = str(error)
                log.warning("relay_waits", lane=number, part=part, reason=reason, seconds=wait)
            except Exception:
                log.exception("relay_failed", lane=number, part=part, seconds=wait)
            self._services.metrics.restarts.labels(Part.RELAY).inc()
            await self._clock.sleep(wait)

    async def _verify(self) -> None:
        """Hold the stored state against ours whenever it is doubted."""
        while True:
            await self._lane.doubted.wait()
            await self._lane.verify()

    async def _sleep_until(self, at: datetime | None, rearmed: asyncio.Event) -> None:
        """Sleep until the next deadline, or until an earlier one is armed.

        For a few seconds at most: the wall clock may be adjusted meanwhile.
        """
        rearmed.clear()
        wait = 5.0
        if at is not None:
            wait = min(wait, (at - self._clock.now()).total_seconds())
        if wait <= 0:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._unless_stopped(rearmed.wait()), wait)

    async def _unless_stopped(self, work: Awaitable[_T]) -> _T | None:
        """Wait for work; if the lane is stopped first, cancel it and return ``None``."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stopped.cancel()


async def _all(work: set["asyncio.Task[None]"], guards: set["asyncio.Task[None]"]) -> None:
    """Wait for all of ``work``, or for the first fault in it or in ``guards``.

    ``guards`` end only by a fault.
    """
    pending = work | guards
    while work & pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
