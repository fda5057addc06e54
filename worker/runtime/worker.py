"""The worker: connects its parts, keeps them alive, and drains on a signal.

Kafka ─▶ membership ─▶ lane runner ─▶ lane tasks ─┬─ read ──▶ ingest ──▶ Postgres
                                                  ├─ lapse ─▶ decide ──▶ Postgres
                                                  └─ publish ◀─ outbox ◀─ Postgres
"""

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

from worker import __version__
from worker.clock import Clock, SystemClock
from worker.durations import written
from worker.ingest.plain import compiled
from worker.lanes.lane import Lane
from worker.observability.health import Health
from worker.observability.http import HttpServer, Page
from worker.observability.labels import Readiness
from worker.observability.logs import logger
from worker.records import Partition
from worker.runtime.integrity import Integrity
from worker.runtime.membership import Membership
from worker.runtime.monitor import Monitor
from worker.runtime.presence import Presence
from worker.runtime.services import Services
from worker.runtime.startup import Startup
from worker.runtime.state import WorkerState
from worker.settings import Settings
from worker.storage.migrations import HEAD

log = logger(__name__)

Pages = Callable[[WorkerState], Mapping[str, Page]]


class Worker:
    """One `plazo run`. It serves ``pages`` in addition to /metrics, /livez and /readyz."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        *,
        pages: Pages = lambda _: {},
        owner: str | None = None,
    ) -> None:
        self.services = Services.of(settings, clock or SystemClock(), owner)
        self.health = Health()
        self.membership = Membership(self.services, self.health)
        self._presence = Presence(self.services, self.membership)
        self._monitor = Monitor(self.services, self.health, self.membership)
        self.http = HttpServer(
            settings.http_host,
            settings.http_port,
            self.services.metrics.registry,
            self.health,
            pages(self),
        )
        self._stopping = asyncio.Event()

    @property
    def log_ends(self) -> Mapping[Partition, int] | None:
        """The last known end of each input log; ``None`` while Kafka does not answer."""
        return self._monitor.log_ends

    def _in_force(self) -> dict[str, Any]:
        """By what this worker decides; for the log."""
        settings, rules = self.services.settings, self.services.policies.rules
        terms = "\n".join(rule.policy.source for rule in rules)
        file = settings.policy_file
        return {
            "version": __version__,
            "schema": HEAD,
            "mode": settings.mode,
            "window": written(settings.stock_window),
            "grace": written(settings.grace),
            "policy_file": str(file) if file else None,
            "policy_version": rules[-1].policy.version if file else None,
            "policy_hash": sha256(terms.encode()).hexdigest()[:12] if file else None,
            "brake": self.services.brake is not None,
            "compiled": settings.compiled and compiled() is not None,
        }

    def stop(self) -> None:
        """Ask the worker to drain and exit."""
        self._stopping.set()

    async def run(self, *, signals: bool = True) -> None:
        """Run until :meth:`stop` or a signal; ``signals=False`` leaves them to the caller.

        Raises:
            SchemaNotCurrent, SessionNotKept, ModeConflict, SeveralDatabases, PolicyConflict,
            CannotListen: waiting does not help.
        """
        if signals:
            self._on_signals()
        services = self.services
        await self.http.start()
        log.info("worker_started", owner=services.owner, port=self.http.port, **self._in_force())
        self.health.set_not_ready(Readiness.WORKER, "starting")
        main = asyncio.create_task(self._main())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if main.done():
                main.result()
        finally:
            self.health.set_not_ready(Readiness.WORKER, "stopping")
            within = services.settings.drain_timeout.total_seconds()
            await self.membership.close(max(0.5, within - 8))
            for task in (main, stopping):
                task.cancel()
            await asyncio.gather(main, stopping, return_exceptions=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await services.close()
            await services.database.close()
            await self.http.stop()
            log.info("worker_stopped")

    async def _main(self) -> None:
        startup = Startup(self.services, self.health)
        await startup.open_database()
        # Before all else: the others wait for a worker that comes back under its name.
        presence = asyncio.create_task(self._presence.run(), name="presence")
        try:
            await startup.await_topics()
            await self._work(presence)
        finally:
            presence.cancel()
            await asyncio.gather(presence, return_exceptions=True)
            await self._presence.release()

    async def _work(self, presence: "asyncio.Task[None]") -> None:
        integrity = Integrity(self.services.database, self.services.clock, self._lanes)
        background = [
            asyncio.create_task(self.services.prover.run(), name="prover"),
            asyncio.create_task(self.membership.watch_notices(), name="notices"),
            asyncio.create_task(self._monitor.run(), name="monitor"),
            presence,
            asyncio.create_task(integrity.run(), name="integrity"),
            asyncio.create_task(self.membership.run(), name="membership"),
        ]
        try:
            # Each of them ends only by a fault of our own; then the process fails, too.
            done, _ = await asyncio.wait(background, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

    def _lanes(self) -> list[Lane]:
        return [runner.lane for runner in self.membership.runners.values() if runner.lane]

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, self.stop)
