"""The worker: puts the parts together, keeps them alive, and drains on a signal.

consumer ─ lane_runner ─ lane ── one transaction ──▶ Postgres
               │  ▲                                      │
    freshness ─┘  └── what is due                 relay ─┴─▶ decisions topic
"""

import asyncio
import os
import signal
import socket
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import groupby
from uuid import uuid4

from worker.backoff import Backoff
from worker.board import pages as board
from worker.clock import Clock, SystemClock
from worker.decide.brake import Brake
from worker.decide.sweep import Sweeps
from worker.errors import DatabaseUnavailable, KafkaUnavailable, PlazoError, TopicsNotFit
from worker.freshness.evidence import Scope
from worker.freshness.prover import Freshness
from worker.ingest.apply import Intake
from worker.ingest.dead_letter_limit import DeadLetterLimit
from worker.ingest.decoder import Codec
from worker.kafka.consumer import Consumer
from worker.kafka.offsets import KafkaProbe
from worker.kafka.producer import Publisher
from worker.lanes.fairness import Turns
from worker.lanes.lane import Lane
from worker.observability.http import Health, HttpServer
from worker.observability.logs import logger
from worker.observability.metrics import Metrics
from worker.observability.tracing import Traces
from worker.outbox.relay import Relay
from worker.policy import registry
from worker.proof import Partition
from worker.runtime.lane_runner import LaneRunner
from worker.runtime.monitor import Monitor
from worker.settings import Settings
from worker.storage.database import Store
from worker.storage.migrations import HEAD

log = logger(__name__)

# A lane that is taken from us gets this long to finish its transaction and publish; well below
# the time after which the group would throw the whole worker out.
_REVOKE = 8.0
_NOTICES = 1.0


class Worker:
    """One `plazo run`."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.metrics = Metrics(settings)
        self.health = Health()
        self.store = Store(settings, self.metrics)
        self.scope = Scope.of(settings)
        self.probe = KafkaProbe(settings)
        self.publisher = Publisher(settings)
        # A probe of its own: no other question may keep a proof waiting.
        self._proof_probe = KafkaProbe(settings)
        self.freshness = Freshness(
            self._proof_probe,
            self.store,
            self.scope,
            self.clock,
            self.metrics,
        )
        self.turns = Turns(self.freshness, self.clock)
        self.book = registry.book_of(settings)
        self._traces = Traces.of(settings)
        self.brake = Brake.of(settings, self.store, self.metrics)
        self.codec = Codec.of(settings, self.book.longest)
        self.owner = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self.runners: dict[int, LaneRunner] = {}
        self._leaving: list[LaneRunner] = []
        self.joined = False
        self.consumer: Consumer | None = None
        self.monitor = Monitor(self)
        self.http = HttpServer(
            settings.http_host,
            settings.http_port,
            self.metrics.registry,
            self.health,
            board.pages(self),
        )
        self._broken = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask the worker to drain and end."""
        self._stopping.set()

    async def run(self, *, signals: bool = True) -> None:
        """Run until :meth:`stop` or a signal; ``signals=False`` leaves those to the caller.

        Raises:
            SchemaNotCurrent, ModeConflict, SeveralDatabases, PolicyConflict, CannotListen:
                nothing that waiting would mend.
        """
        if signals:
            self._on_signals()
        await self.http.start()
        log.info("worker_started", owner=self.owner, port=self.http.port)
        self.health.set_not_ready("worker", "starting")
        main = asyncio.create_task(self._main())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if main.done():
                main.result()
        finally:
            self.health.set_not_ready("worker", "stopping")
            within = self.settings.drain_timeout.total_seconds()
            await self._stop_lanes(max(0.5, within - 8))
            for task in (main, stopping):
                task.cancel()
            await asyncio.gather(main, stopping, return_exceptions=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await self.publisher.close()
                    await self.probe.close()
                    await self._proof_probe.close()
                    if self._traces:
                        await self._traces.close()
            await self.store.close()
            await self.http.stop()
            log.info("worker_stopped")

    async def _main(self) -> None:
        await self._open_store()
        await self._await_topics()
        background = [
            asyncio.create_task(self.freshness.run(), name="freshness"),
            asyncio.create_task(self._watch_notices(), name="notices"),
            asyncio.create_task(self.monitor.run(), name="monitor"),
            asyncio.create_task(self._consume(), name="consume"),
        ]
        try:
            # None of them ends but by a fault of ours: then the process ends too, loudly.
            done, _ = await asyncio.wait(background, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

    async def _open_store(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self.store.open()
                await self.store.claim(self.settings.mode)
                await registry.keep(self.store, self.book)
            except DatabaseUnavailable as error:
                await self._not_ready_yet("database", error, backoff)
            else:
                self.health.set_ready("database")
                self.metrics.set_schema(HEAD)
                return

    async def _await_topics(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self.check_topics()
            except (KafkaUnavailable, TopicsNotFit) as error:
                await self._not_ready_yet("kafka", error, backoff)
            else:
                self.health.set_ready("kafka")
                return

    async def check_topics(self) -> dict[str, int]:
        """Number of partitions of each of our topics.

        Raises:
            KafkaUnavailable: cannot tell now.
            TopicsNotFit: one is missing, or the decisions topic is too narrow.
        """
        settings = self.settings
        wanted = [*settings.input_topics, settings.output_topic, settings.dead_letters_topic]
        widths = await self.probe.widths(wanted)
        if missing := [topic for topic in wanted if topic not in widths]:
            raise TopicsNotFit(
                f"missing: {', '.join(missing)}; make them or run `plazo topics create`"
            )
        orders, decisions = settings.order_created_topic, settings.output_topic
        if widths[decisions] < widths[orders]:
            raise TopicsNotFit(
                f"{decisions} has {widths[decisions]} partitions, fewer than {orders} with "
                f"{widths[orders]}: add partitions to it"
            )
        return widths

    async def _not_ready_yet(self, part: str, error: PlazoError, backoff: Backoff) -> None:
        self.health.set_not_ready(part, str(error))
        wait = backoff.next()
        log.warning("waiting", part=part, reason=str(error), seconds=round(wait, 2))
        await self.clock.sleep(wait)

    async def _consume(self) -> None:
        backoff = Backoff()
        while True:
            self._broken.clear()
            consumer = None
            started = self.clock.monotonic()
            try:
                consumer = self.consumer = Consumer(self.settings, self._assigned, self._revoked)
                await consumer.start()
                await self._broken.wait()
            except KafkaUnavailable as error:
                await self._not_ready_yet("kafka", error, backoff)
            finally:
                self.joined = False
                await self._stop_lanes(_REVOKE)
                if consumer is not None:
                    await consumer.stop()
            if self.clock.monotonic() - started > 30:
                backoff.reset()
            await self.clock.sleep(backoff.next())

    def restart_consumer(self, reason: str) -> None:
        """Make a new consumer: this one reports a fault, or stands still."""
        if not self._broken.is_set():
            log.warning("consumer_restarts", reason=reason)
            self.metrics.restarts.labels("consumer").inc()
            self._broken.set()

    def _assigned(self, partitions: Sequence[Partition]) -> None:
        assert self.consumer is not None
        self.metrics.rebalances.inc()
        self.joined = True
        log.info("lanes_assigned", lanes=sorted({number for _, number in partitions}))
        if self._stopping.is_set():
            return  # about to leave the group
        ordered = sorted(partitions, key=lambda partition: (partition[1], partition[0]))
        for number, own in groupby(ordered, key=lambda partition: partition[1]):
            self.runners[number] = LaneRunner(
                number,
                list(own),
                make_lane=self._make_lane,
                make_intake=self._make_intake,
                make_sweeps=self._make_sweeps,
                make_relay=self._make_relay,
                consumer=self.consumer,
                probe=self.probe,
                freshness=self.freshness,
                turns=self.turns,
                clock=self.clock,
                metrics=self.metrics,
                owner=self.owner,
                batch_size=self.settings.batch_size,
                noticed=self._on_notice,
                consumer_broken=self.restart_consumer,
            )
        self.metrics.lanes.set(len(self.runners))

    async def _revoked(self) -> None:
        self.joined = False
        await self._stop_lanes(_REVOKE)

    async def _stop_lanes(self, within: float) -> None:
        # With those that somebody else is stopping already: a lane must not be given away, or
        # started again here, while one of its runners may still publish.
        self._leaving += self.runners.values()
        self.runners.clear()
        self.metrics.lanes.set(0)
        leaving = [*self._leaving]
        await asyncio.gather(*(runner.stop(within) for runner in leaving))
        self._leaving = [runner for runner in self._leaving if runner not in leaving]

    def _make_lane(self, number: int) -> Lane:
        return Lane(number, self.store, self.metrics)

    def _make_intake(self, lane: Lane) -> Intake:
        return Intake(
            lane,
            self.codec,
            self.book,
            self.clock,
            self.metrics,
            DeadLetterLimit.of(self.settings),
            self._traces,
        )

    def _make_sweeps(self, lane: Lane) -> Sweeps:
        return Sweeps(
            lane,
            self.scope,
            self.book,
            self.clock,
            self.metrics,
            # A verdict is more than an event: the records that it rests on wait meanwhile.
            max(1, self.settings.batch_size // 2),
            self.brake,
            self.settings.confirm_within,
            self.settings.outage_after,
        )

    def _make_relay(self, lane: Lane) -> Relay:
        return Relay(
            lane,
            self.settings,
            lane.store,
            self.publisher,
            self.probe,
            self.clock,
            self.metrics,
            self._traces,
        )

    def _on_notice(self, lanes: Collection[int]) -> None:
        for number in lanes:
            if runner := self.runners.get(number):
                runner.notice()

    async def _watch_notices(self) -> None:
        """Find what other workers have left for our lanes."""
        while True:
            await self.clock.sleep(_NOTICES)
            if self.runners:
                with suppress(DatabaseUnavailable):
                    rows = await self.store.rows("lanes_with_notices", list(self.runners))
                    self._on_notice([row["lane"] for row in rows])

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, self.stop)
