"""Looks at the worker from the side: gauges, readiness, and the watchdog over its progress."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from worker.errors import DatabaseUnavailable, KafkaUnavailable
from worker.observability.logs import logger
from worker.observability.metrics import Readiness
from worker.proof import Partition
from worker.runtime.lane_runner import LaneRunner

if TYPE_CHECKING:
    from worker.runtime.worker import Worker

log = logger(__name__)

_INTERVAL = 2.0
_LOOP_INTERVAL = 0.5

# Records stand in the log, the lane is waiting for them, and none came for this long: the client
# may have lost its way after a broker restart, alive but fetching nothing.
_STANDSTILL = 30.0


class Monitor:
    """Observes one worker until cancelled; it changes nothing but the sign of life."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        # Where the logs ended at the last look; None while Kafka does not answer.
        self.ends: dict[Partition, int] | None = None
        self._stood: dict[Partition, tuple[int, float]] = {}
        # The same for the gauges, whatever the watchdog has done about it since.
        self._waits: dict[Partition, tuple[int, float]] = {}
        for part in Readiness:
            # Asked at each scrape: it must not stand still with what it tells of.
            worker.metrics.ready.labels(part).set_function(partial(worker.health.at_work, part))

    async def run(self) -> None:
        """Observe until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._observe())
            group.create_task(self._observe_loop())

    async def _observe_loop(self) -> None:
        clock = self._worker.clock
        while True:
            before = clock.monotonic()
            await clock.sleep(_LOOP_INTERVAL)
            late = clock.monotonic() - before - _LOOP_INTERVAL
            self._worker.metrics.observe_loop_lag(max(0.0, late))
            self._worker.metrics.loop_tasks.set(len(asyncio.all_tasks()))

    async def _observe(self) -> None:
        worker = self._worker
        while True:
            worker.health.beat()
            runners = list(worker.runners.values())
            worker.store.observe()
            # Readiness with the gauges and before the parts that may have to wait: whoever sees a
            # lane halted must not find the worker ready.
            self._lanes(runners)
            self._readiness(runners)
            self._outbox(runners)
            await self._database(runners)
            await self._kafka(runners)
            await worker.clock.sleep(_INTERVAL)

    def _lanes(self, runners: list[LaneRunner]) -> None:
        metrics = self._worker.metrics
        halted = sum(runner.halted for runner in runners)
        metrics.lanes_halted.set(halted)
        metrics.guard.labels("halted").set(halted)
        for runner in runners:
            if runner.lane is not None:
                metrics.open_deadlines.labels(runner.number).set(runner.lane.open_deadlines)

    def _outbox(self, runners: list[LaneRunner]) -> None:
        metrics = self._worker.metrics
        oldest = None
        for runner in runners:
            if runner.lane is None or runner.relay is None:
                continue
            pending = runner.lane.sequence - runner.lane.published
            metrics.outbox_pending.labels(runner.number).set(pending)
            if pending and runner.relay.oldest is not None:
                oldest = min(oldest or runner.relay.oldest, runner.relay.oldest)
        now = self._worker.clock.now().timestamp()
        metrics.outbox_age.set(0 if oldest is None else max(0.0, now - oldest))

    async def _database(self, runners: list[LaneRunner]) -> None:
        worker = self._worker
        now = worker.clock.now()
        lanes = [runner.number for runner in runners]
        try:
            async with worker.store.session() as session:
                row = await session.row("overdue", lanes, now)
                held = await session.row("deadlines_on_hold", lanes)
                if (after := worker.settings.outage_after) is not None:
                    for outage in await session.rows("beat", after):
                        log.warning("outage", began=outage["began"], ended=outage["ended"])
        except DatabaseUnavailable as error:
            worker.health.set_not_ready("database", str(error))
            return
        worker.health.set_ready("database")
        assert row is not None
        assert held is not None
        worker.metrics.deadlines_on_hold.set(held["orders"])
        worker.metrics.overdue.set(row["overdue"])
        age = (now - row["oldest"]).total_seconds() if row["oldest"] else 0.0
        worker.metrics.overdue_age.set(age)

    async def _kafka(self, runners: list[LaneRunner]) -> None:
        worker = self._worker
        try:
            self.ends = ends = await worker.probe.ends()
        except KafkaUnavailable as error:
            self.ends = None
            worker.health.set_not_ready("kafka", str(error))
            self._stood.clear()  # with the broker away nothing can move
            return
        worker.health.set_ready("kafka")
        lags = {
            partition: (position, max(0, ends.get(partition, 0) - position))
            for runner in runners
            if runner.lane is not None
            for partition, position in runner.lane.positions.items()
        }
        waiting = {partition: position for partition, (position, lag) in lags.items() if lag}
        monotonic = worker.clock.monotonic()
        self._stood = _standing(self._stood, waiting, monotonic)
        self._waits = _standing(self._waits, waiting, monotonic)
        applied = {p: at for runner in runners for p, at in _last_applied(runner).items()}
        now = worker.clock.now().timestamp()
        for partition, (_, lag) in lags.items():
            age = 0.0
            if lag:
                # As old as the last record that was applied, or at least as long as we wait.
                age = max(now - applied.get(partition, now), monotonic - self._waits[partition][1])
            worker.metrics.lag_records.labels(*partition).set(lag)
            worker.metrics.lag_seconds.labels(*partition).set(age)
        await self._watchdog(list(waiting))

    async def _watchdog(self, waiting: list[Partition]) -> None:
        worker = self._worker
        now = worker.clock.monotonic()
        still = [p for p in waiting if p in self._stood and now - self._stood[p][1] > _STANDSTILL]
        consumer = worker.consumer
        if not still or consumer is None:
            return
        with suppress(KafkaUnavailable):
            # An open transaction holds everybody back: only what a consumer may read counts.
            ends = await consumer.stable_ends(still)
            if stuck := [p for p in still if ends[p] > self._stood[p][0]]:
                self._stood.clear()
                worker.restart_consumer(f"nothing fetched from {stuck[:5]}")

    def _readiness(self, runners: list[LaneRunner]) -> None:
        health = self._worker.health
        if not self._worker.joined:
            health.set_not_ready("worker", "not in the consumer group yet")
            return
        faults = [f"{runner.number}: {runner.fault}" for runner in runners if runner.fault]
        if faults:
            health.set_not_ready("worker", f"lanes not running: {'; '.join(faults[:5])}")
        else:
            health.set_ready("worker")


def _standing(
    before: Mapping[Partition, tuple[int, float]], waiting: Mapping[Partition, int], now: float
) -> dict[Partition, tuple[int, float]]:
    """Since when each partition that waits has stood at its position."""
    return {
        partition: seen if (seen := before.get(partition)) and seen[0] == position
        else (position, now)
        for partition, position in waiting.items()
    }  # fmt: skip


def _last_applied(runner: LaneRunner) -> dict[Partition, float]:
    """Epoch seconds of the last record applied of each partition, by this worker or one before."""
    marks = runner.lane.marks if runner.lane is not None else {}
    stored = {partition: mark.timestamp for partition, mark in marks.items()}
    return {p: at / 1000 for p, at in {**stored, **runner.last_timestamp}.items()}
