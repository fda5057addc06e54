"""Monitors the worker: gauges, readiness, and the heartbeat in the database."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from schemas.statuses import Meaning
from worker.errors import DatabaseUnavailable, KafkaUnavailable
from worker.observability.health import Health
from worker.observability.labels import Guard, Readiness, Waiting
from worker.observability.logs import logger
from worker.observability.loop_delay import INTERVAL, LoopDelay
from worker.records import Partition
from worker.runtime.lane_runner import LaneRunner
from worker.runtime.membership import Membership
from worker.runtime.services import Services
from worker.runtime.watchdog import Watchdog, standing
from worker.storage.transaction import Transaction

log = logger(__name__)

_INTERVAL = 2.0
# Seconds between two counts of that which costs more than the other questions.
_COUNT_INTERVAL = 60.0
# A difference between two clocks in seconds that the way to Postgres cannot explain.
_MEASURABLE = 1.0


class _Counted(NamedTuple):
    """What waits for a person, by kind, and the time of the oldest escalation."""

    waiting: Mapping[Waiting, int]
    oldest_escalation: datetime | None


class Monitor:
    """Observes one worker until cancelled."""

    def __init__(self, services: Services, health: Health, membership: Membership) -> None:
        self._services = services
        self._clock = services.clock
        self._metrics = services.metrics
        self._health = health
        self._membership = membership
        self._watchdog = Watchdog(membership, services.clock)
        self._loop_delay = LoopDelay(self._metrics)
        # The ends of the logs at the last observation; None while Kafka does not answer.
        self.log_ends: dict[Partition, int] | None = None
        self._waits: dict[Partition, tuple[int, float]] = {}
        # What the group knows of our positions.
        self._committed: Mapping[Partition, int] = {}
        # When they were counted, and for which lanes.
        self._counted: tuple[float, list[int]] | None = None
        for part in Readiness:
            # Computed at each scrape: it must not freeze together with the part that it reports.
            self._metrics.ready.labels(part).set_function(partial(health.at_work, part))

    async def run(self) -> None:
        """Observe until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._observe())
            group.create_task(self._observe_loop())

    async def _observe_loop(self) -> None:
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(INTERVAL)
            now = self._clock.monotonic()
            self._loop_delay.slept(now - before, now)

    async def _observe(self) -> None:
        while True:
            self._health.beat()
            runners = list(self._membership.runners.values())
            self._metrics.loop_tasks.set(len(asyncio.all_tasks()))
            self._services.database.observe()
            # Readiness together with the gauges, and before the queries that may block: a reader
            # that sees a halted lane must not find the worker ready.
            self._lanes(runners)
            self._readiness(runners)
            self._membership.check()
            await self._database(runners)
            await self._kafka(runners)
            await self._clock.sleep(_INTERVAL)

    def _lanes(self, runners: list[LaneRunner]) -> None:
        halted = sum(runner.halted for runner in runners)
        self._metrics.lanes_halted.set(halted)
        self._services.guards.hold(Guard.HALTED, halted)
        failing = sum(runner.failing is not None for runner in runners)
        self._services.guards.hold(Guard.FAILING, failing)
        now = self._clock.now()
        # Verdicts wait for it: the topic may hold more of them than the database.
        unread = sum(
            runner.relay is not None
            and not runner.relay.tail_known.is_set()
            and runner.lane is not None
            and runner.lane.next_fires_at is not None
            and runner.lane.next_fires_at <= now
            for runner in runners
        )
        self._services.guards.hold(Guard.TAIL, unread)
        for runner in runners:
            if runner.lane is not None:
                self._metrics.open_deadlines.labels(runner.number).set(runner.lane.open_deadlines)

    def _outbox(self, backlog: Sequence[Mapping[str, Any]]) -> None:
        """Show the backlog as the tables tell it: a relay that is down shows it, too."""
        oldest = [row["oldest"] for row in backlog if row["oldest"] is not None]
        for row in backlog:
            if row["lane"] not in self._membership.runners:
                continue  # released meanwhile: its new owner shows it
            self._metrics.outbox_pending.labels(row["lane"]).set(row["pending"])
        now = self._clock.now()
        age = (now - min(oldest)).total_seconds() if oldest else 0.0
        self._metrics.outbox_age.set(max(0.0, age))

    async def _database(self, runners: list[LaneRunner]) -> None:
        lanes = [runner.number for runner in runners]
        try:
            await self._services.clocks.measure(self._services.database.now)
            # By the later clock: a worker whose clock is behind is late, and shall show it.
            now = self._services.clocks.latest()
            async with self._services.database.session() as session:
                overdue = await session.row("count_overdue", lanes, now)
                held = await session.row("count_held_orders", lanes)
                waiting = await session.row("count_waiting", lanes)
                astray = await session.row("count_astray", lanes)
                # One of the workers speaks for that which belongs to no lane.
                asked = await session.row("count_waiting_for_person", lanes, 0 in lanes)
                if astray and astray["refusals"]:
                    await session.execute("clear_astray", lanes)
                counted = await self._counted_at_times(session, lanes)
                backlog = await session.rows("outbox_backlog", lanes)
                if (after := self._services.settings.outage_after) is not None:
                    for outage in await session.rows("record_heartbeat", after):
                        log.warning("outage", began=outage["began"], ended=outage["ended"])
        except DatabaseUnavailable as error:
            self._health.set_not_ready(Readiness.DATABASE, str(error))
            return
        self._health.set_ready(Readiness.DATABASE)
        self._clock_skew(runners)
        self._outbox(backlog)
        assert overdue is not None
        assert held is not None
        assert waiting is not None
        assert astray is not None
        assert asked is not None
        if counted is not None:
            oldest = counted.oldest_escalation
            age = (now - oldest).total_seconds() if oldest else 0.0
            self._metrics.escalation_age.set(max(0.0, age))
            for kind, number in counted.waiting.items():
                self._metrics.waiting_for_person.labels(kind).set(number)
        self._metrics.orphan_orders.set(waiting["orphans"])
        self._metrics.astray_refusals.set(astray["refusals"])
        if self._services.settings.astray_refusals == "escalate":
            self._services.guards.hold(Guard.ASTRAY, astray["lanes"])
        self._metrics.orders_waiting_for_clock.set(waiting["waiting"])
        self._metrics.stub_orders.set(waiting["stubs"])
        self._metrics.deadlines_on_hold.set(held["orders"])
        for kind, number in {
            Waiting.DEAD_LETTERS: asked["dead_letters"],
            Waiting.HOLDS: held["orders"],
            Waiting.ORPHANS: waiting["orphans"] if 0 in lanes else 0,
            Waiting.ASTRAY: astray["refusals"],
            Waiting.UNKNOWN: asked["unknown_statuses"],
        }.items():
            self._metrics.waiting_for_person.labels(kind).set(number)
        self._metrics.overdue.set(overdue["overdue"])
        age = (now - overdue["oldest"]).total_seconds() if overdue["oldest"] else 0.0
        self._metrics.overdue_age.set(age)

    async def _counted_at_times(self, session: Transaction, lanes: list[int]) -> _Counted | None:
        """What waits for a person and costs more to count; ``None`` if that was a moment ago.

        In shadow mode nobody waits for anything.
        """
        at, lanes = self._clock.monotonic(), sorted(lanes)
        if self._counted is not None:
            since, counted = self._counted
            if counted == lanes and at - since < _COUNT_INTERVAL:
                return None
        self._counted = (at, lanes)
        settings = self._services.settings
        if settings.mode == "shadow" or not lanes:
            return _Counted({Waiting.ESCALATIONS: 0, Waiting.CLOCKS: 0}, None)
        escalations = await session.row("count_escalations", lanes)
        words = self._services.policies.vocabulary.known
        cancel = [word for word, meaning in words.items() if meaning is Meaning.CANCELED]
        before = self._clock.now() - settings.clock_wait
        clocks = await session.row("count_late_clocks", lanes, before, cancel)
        assert escalations is not None
        assert clocks is not None
        waiting = {Waiting.ESCALATIONS: escalations["orders"], Waiting.CLOCKS: clocks["orders"]}
        return _Counted(waiting, escalations["oldest"])

    def _clock_skew(self, runners: list[LaneRunner]) -> None:
        clocks = self._services.clocks
        self._metrics.clock_skew.set(clocks.skew)
        ours, latest = self._clock.now(), clocks.latest()
        self._services.prover.due_by_database(
            sum(
                runner.lane is not None
                and runner.lane.next_fires_at is not None
                and ours < runner.lane.next_fires_at <= latest
                for runner in runners
            )
        )

    async def _kafka(self, runners: list[LaneRunner]) -> None:
        try:
            self.log_ends = ends = await self._services.offsets.ends()
        except KafkaUnavailable as error:
            self.log_ends = None
            self._health.set_not_ready(Readiness.KAFKA, str(error))
            self._watchdog.reset()  # without a broker no partition can advance
            return
        self._health.set_ready(Readiness.KAFKA)
        lags = {
            partition: (position, max(0, ends.get(partition, 0) - position))
            for runner in runners
            if runner.lane is not None
            for partition, position in runner.lane.positions.items()
        }
        waiting = {partition: position for partition, (position, lag) in lags.items() if lag}
        self._lag(runners, lags, waiting)
        await self._commit({partition: position for partition, (position, _) in lags.items()})
        # A lane that waits for a schema has fetched its records.
        held = self._services.schemas.waiting if self._services.schemas else ()
        await self._watchdog.look({p: at for p, at in waiting.items() if p[1] not in held})

    async def _commit(self, positions: Mapping[Partition, int]) -> None:
        """Show the group where its lanes are: tools for lag know nothing else."""
        consumer = self._membership.consumer
        if consumer is None or not positions or positions == self._committed:
            return
        if await consumer.commit(positions):
            self._committed = positions

    def _lag(
        self,
        runners: list[LaneRunner],
        lags: Mapping[Partition, tuple[int, int]],
        waiting: Mapping[Partition, int],
    ) -> None:
        monotonic, now = self._clock.monotonic(), self._clock.now().timestamp()
        self._waits = standing(self._waits, waiting, monotonic)
        applied = {p: at for runner in runners for p, at in _last_applied(runner).items()}
        for partition, (_, lag) in lags.items():
            age = 0.0
            if lag:
                # The age of the last applied record, but at least the time that we have waited.
                age = max(now - applied.get(partition, now), monotonic - self._waits[partition][1])
            self._metrics.lag_records.labels(*partition).set(lag)
            self._metrics.lag_seconds.labels(*partition).set(age)

    def _readiness(self, runners: list[LaneRunner]) -> None:
        if not self._membership.joined:
            reason = self._membership.waits_for or "not in the consumer group yet"
            self._health.set_not_ready(Readiness.WORKER, reason)
            return
        skew = self._services.clocks.skew
        limit = self._services.settings.max_clock_skew.total_seconds()
        if abs(skew) > max(limit, _MEASURABLE):
            way = "ahead of" if skew > 0 else "behind"
            reason = f"the clock of Postgres is {abs(skew):.0f} s {way} ours"
            self._health.set_not_ready(Readiness.WORKER, reason)
            return
        faults = [f"{runner.number}: {runner.fault}" for runner in runners if runner.fault]
        if faults:
            reason = f"lanes not running: {'; '.join(faults[:5])}"
            self._health.set_not_ready(Readiness.WORKER, reason)
        else:
            self._health.set_ready(Readiness.WORKER)


def _last_applied(runner: LaneRunner) -> dict[Partition, float]:
    """Epoch seconds of the last record applied of each partition, by any worker."""
    marks = runner.lane.marks if runner.lane is not None else {}
    stored = {partition: mark.timestamp for partition, mark in marks.items()}
    return {p: at / 1000 for p, at in {**stored, **runner.last_timestamp}.items()}
