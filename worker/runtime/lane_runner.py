"""The life of one lane in this worker: take over, read, decide, publish, release.

Any fault ends the attempt, and the next one takes the lane anew from what is stored. There is no
second way to recover, so there is none that is rarely used.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from worker.backoff import Backoff
from worker.clock import Clock
from worker.decide.sweep import Settled, Sweeps
from worker.errors import Fenced, Halted, KafkaUnavailable, PlazoError
from worker.freshness.prover import Freshness
from worker.ingest.apply import Intake
from worker.ingest.reader import Reader
from worker.kafka.consumer import Consumer, NotAssigned, PositionLost
from worker.kafka.offsets import Bounds, KafkaProbe
from worker.lanes.fairness import Turns
from worker.lanes.lane import Lane
from worker.observability.logs import logger
from worker.observability.metrics import Metrics
from worker.outbox.relay import Relay
from worker.proof import Partition, Proof

log = logger(__name__)
_T = TypeVar("_T")

# After a small batch a lane waits for the next multiple of this, as all lanes of the process do:
# their fetches then are one request, and their commits share a flush of the log. A record that
# comes after a pause is taken at once.
_TICK = 0.025
# A proof of that age is used where there is more to decide than turns to do it.
_AGED = timedelta(milliseconds=250)
# Longer than a heartbeat: by then whoever lost the lane to us in the group knows it.
_FENCED_WAIT = 3.0
_HALTED_WAIT = 30.0


class LaneRunner:
    """Runs lane ``number``, which reads ``partitions``, until stopped."""

    def __init__(
        self,
        number: int,
        partitions: Sequence[Partition],
        *,
        make_lane: Callable[[int], Lane],
        make_intake: Callable[[Lane], Intake],
        make_sweeps: Callable[[Lane], Sweeps],
        make_relay: Callable[[Lane], Relay],
        consumer: Consumer,
        probe: KafkaProbe,
        freshness: Freshness,
        turns: Turns,
        clock: Clock,
        metrics: Metrics,
        owner: str,
        batch_size: int,
        noticed: Callable[[Collection[int]], None],
        consumer_broken: Callable[[str], None],
    ) -> None:
        self.number = number
        self.partitions = tuple(partitions)
        self.lane: Lane | None = None
        self.relay: Relay | None = None
        self.fault: str | None = "starting"
        self.halted = False
        self.last_timestamp: dict[Partition, int] = {}
        self._left_at: dict[Partition, int] = {}
        self._make_lane = make_lane
        self._make_intake = make_intake
        self._make_sweeps = make_sweeps
        self._make_relay = make_relay
        self._consumer = consumer
        self._probe = probe
        self._freshness = freshness
        self._turns = turns
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._batch_size = batch_size
        self._noticed = noticed
        self._consumer_broken = consumer_broken
        self._stopping = asyncio.Event()
        # For the verdicts and for the reminders: each sleeper takes its own news.
        self._rearmed = asyncio.Event(), asyncio.Event()
        self._reconsider = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"lane-{number}")

    def notice(self) -> None:
        """Tell that orders of this lane are to be looked at again."""
        self._reconsider.set()

    async def stop(self, within: float) -> None:
        """Finish the transaction at hand, publish what is committed, release the lane."""
        self._stopping.set()
        _, late = await asyncio.wait({self._task}, timeout=within)
        if late:
            # The fence makes it safe to drop a lane at any point; it only costs the successor
            # a look at the tail.
            log.warning("lane_dropped", lane=self.number, within_seconds=within)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1)

    async def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            started = self._clock.monotonic()
            try:
                await self._live()
            except PositionLost:
                wait = 0.2
            except (NotAssigned, Fenced) as error:
                # In the group's hands: either it takes the lane from us, or it is ours and
                # whoever fenced us is about to find out.
                self.fault = str(error) or "not assigned"
                wait = _FENCED_WAIT if isinstance(error, Fenced) else 0.2
            except Halted as error:
                self.halted = True
                self.fault = str(error)
                log.error("lane_halted", lane=self.number, reason=str(error))
                wait = _HALTED_WAIT
            except PlazoError as error:
                if self._clock.monotonic() - started > 30:
                    backoff.reset()
                self.fault = str(error)
                wait = backoff.next()
                log.warning("lane_waits", lane=self.number, reason=str(error), seconds=wait)
                self._metrics.restarts.labels("lane").inc()
            except Exception:
                self.fault = "a fault of our own, see the log"
                wait = backoff.next()
                log.exception("lane_failed", lane=self.number)
                self._metrics.restarts.labels("lane").inc()
            else:
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def _live(self) -> None:
        assignment = self._consumer.assignment
        if self._left_at:
            # Not the first attempt. If the lane was given away meanwhile, taking it would fence
            # its rightful owner.
            await self._consumer.confirm(self._left_at)
        lane = self._make_lane(self.number)
        await lane.take(self._owner)
        await self._find_positions(lane)
        self.last_timestamp.update((p, mark.timestamp) for p, mark in lane.marks.items())
        self._consumer.seek(lane.positions)
        intake, sweeps = self._make_intake(lane), self._make_sweeps(lane)
        relay = self._make_relay(lane)
        self.lane, self.relay = lane, relay
        if not self.halted:
            self.fault = None
        self._reconsider.set()
        log.info("lane_taken", lane=self.number, epoch=lane.epoch)
        # Tasks and no gather(): cancelling a gather that one fault has ended leaves the others
        # running, and a reader that outlives its lane takes records away from the next one.
        working = {
            asyncio.create_task(self._read(lane, intake, relay, assignment)),
            asyncio.create_task(self._lapse(lane, sweeps, relay)),
            asyncio.create_task(self._remind(lane, sweeps, relay)),
            asyncio.create_task(self._look_again(sweeps, relay)),
        }
        relaying = asyncio.create_task(self._relay(relay))
        try:
            # Reading and deciding end by themselves when the lane is stopped; then, and not
            # before, the relay has everything that they committed.
            with self._turns.reader(lane.positions):
                await _all(working, relaying)
            drained = asyncio.create_task(relay.drained())
            working.add(drained)
            await _all({drained}, relaying)
        finally:
            for task in (*working, relaying):
                task.cancel()
            await asyncio.gather(*working, relaying, return_exceptions=True)
            self.lane = self.relay = None
            sweeps.leave()
            self._left_at = dict(lane.positions)
            self._metrics.forget_lane(self.number, sorted({topic for topic, _ in self.partitions}))
        await self._consumer.commit(lane.positions)
        await lane.release()
        log.info("lane_released", lane=self.number, epoch=lane.epoch)

    async def _find_positions(self, lane: Lane) -> None:
        """Load the stored positions and hold them against the logs."""
        stored = await lane.stored_positions(self.partitions)
        logs = await self._probe.bounds(self.partitions)
        await self._recognise(lane, logs)
        for partition, (begin, end, first_at) in logs.items():
            position = stored.get(partition)
            if position is not None and position > end:
                # Truncated or created anew: what stands there now is not what we read, and
                # records below our position would never be seen.
                raise Halted(
                    f"lane {self.number}: stored position {position} of {partition} lies behind "
                    f"the end of the log, {end}"
                )
            if position is None or position < begin:
                lost = begin - (position or 0)
                since = (first_at or datetime.now(UTC)) if lost else None
                if lost:
                    log.error(
                        "records_gone", lane=self.number, topic=partition[0], records=lost,
                        first_start=position is None,
                    )  # fmt: skip
                if lost and position is not None:
                    self._metrics.records_lost.labels(partition[0]).inc(lost)
                await lane.start_position(partition, begin, since)

    async def _recognise(self, lane: Lane, logs: Mapping[Partition, Bounds]) -> None:
        """Make sure that the logs are those that were read, and not others of the same name.

        A topic that was made anew and has grown past the position would go unnoticed, and with it
        all that it holds before. Where retention has removed the mark, nothing can be told.
        """
        there = {p: m for p, m in lane.marks.items() if logs[p].begin <= m.offset < logs[p].end}
        found = await self._probe.timestamps({p: mark.offset for p, mark in there.items()})
        for partition, timestamp in found.items():
            if timestamp != there[partition].timestamp:
                raise Halted(
                    f"lane {self.number}: {partition} was made anew: offset "
                    f"{there[partition].offset} is not the record that was read there"
                )

    async def _read(self, lane: Lane, intake: Intake, relay: Relay, assignment: int) -> None:
        reader = Reader(
            lane, intake, self._consumer, self._turns, assignment, self._batch_size,
            self.last_timestamp, self._unless_stopped,
        )  # fmt: skip
        while not self._stopping.is_set():
            try:
                applied = await reader.take_in()
            except KafkaUnavailable as error:
                self._consumer_broken(str(error))
                raise
            if self.halted:
                # Not before: what halted the lane may be the next record still.
                self.halted, self.fault = False, None
            if applied is None:
                continue
            self._freshness.progressed()
            if applied.rearmed:
                self._rearm()
            if applied.noticed:
                self._noticed(applied.noticed)
            if applied.dead_letters:
                relay.committed(dead_letters=True)
            if not reader.behind:
                await self._clock.sleep(_TICK - self._clock.monotonic() % _TICK)

    async def _lapse(self, lane: Lane, sweeps: Sweeps, relay: Relay) -> None:
        await self._at_each(lambda: lane.next_fires_at, self._rearmed[0], sweeps.lapse, relay)

    async def _remind(self, lane: Lane, sweeps: Sweeps, relay: Relay) -> None:
        await self._at_each(lambda: lane.next_reminds_at, self._rearmed[1], sweeps.remind, relay)

    async def _at_each(
        self,
        instant: Callable[[], datetime | None],
        rearmed: asyncio.Event,
        sweep: Callable[[Proof], Awaitable[Settled]],
        relay: Relay,
    ) -> None:
        """Sweep whenever the next instant has come and is proven."""
        await self._unless_stopped(relay.tail_known.wait())
        while not self._stopping.is_set():
            at = instant()
            if at is None or at > self._clock.now():
                await self._sleep_until(at, rearmed)
                continue
            proof = await self._unless_stopped(self._freshness.proven(self.number, at))
            if proof is not None:
                async with self._turns.turn():
                    if self._clock.now() - proof.at > _AGED:
                        self._freshness.soon(self.number)
                    settled = await sweep(proof)
                self._tell(relay, settled)

    def _rearm(self) -> None:
        for rearmed in self._rearmed:
            rearmed.set()

    async def _look_again(self, sweeps: Sweeps, relay: Relay) -> None:
        await self._unless_stopped(relay.tail_known.wait())
        while not self._stopping.is_set():
            await self._unless_stopped(self._reconsider.wait())
            self._reconsider.clear()
            more = not self._stopping.is_set()
            while more:
                settled = await sweeps.reconsider()
                self._tell(relay, settled)
                self._rearm()  # an order may have another deadline now
                more = settled.more

    def _tell(self, relay: Relay, settled: Settled) -> None:
        if settled.events or settled.dead_letters:
            relay.committed(settled.events, dead_letters=bool(settled.dead_letters))

    async def _relay(self, relay: Relay) -> None:
        """Publish; a fault of the relay does not keep the lane from reading and deciding."""
        backoff = Backoff()
        while True:
            try:
                await relay.run()
            except (Halted, Fenced):
                raise
            except PlazoError as error:
                wait = backoff.next()
                self._metrics.restarts.labels("relay").inc()
                log.warning("relay_waits", lane=self.number, reason=str(error), seconds=wait)
                await self._clock.sleep(wait)

    async def _sleep_until(self, instant: datetime | None, rearmed: asyncio.Event) -> None:
        """Sleep to the next deadline, or to news of an earlier one.

        At most a while at a time: the wall clock may be set while we sleep.
        """
        rearmed.clear()
        wait = 5.0
        if instant is not None:
            wait = min(wait, (instant - self._clock.now()).total_seconds())
        if wait <= 0:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._unless_stopped(rearmed.wait()), wait)

    async def _unless_stopped(self, work: Awaitable[_T]) -> _T | None:
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stopped.cancel()


async def _all(work: set["asyncio.Task[None]"], guard: "asyncio.Task[None]") -> None:
    """Wait for all of ``work``, or for the first fault, which may be that of ``guard``.

    ``guard`` never ends but by a fault.
    """
    pending = {*work, guard}
    while work & pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
