"""One run of `plazo dev`: puts the parts together, waits for the end, and takes the totals."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe

from pydantic import SecretStr

from worker.board.pages import pages
from worker.dev import totals
from worker.dev.audit import Audit, Finding
from worker.dev.broker import EmbeddedBroker
from worker.dev.ledger import Ledger, Message
from worker.dev.marketplace import Marketplace, publisher
from worker.dev.postgres import EmbeddedPostgres
from worker.dev.scrape import Samples, scrape, total
from worker.dev.topics import create_topics
from worker.runtime.worker import Worker
from worker.settings import Settings
from worker.storage.migrate import migrate

LANES = 3

# After so many seconds without any progress the run ends, decided or not.
_STANDSTILL = 20.0
_POLL = 0.1
_CHECK_EVERY = 2.0
_PUBLISH_AT_ONCE = 1000
_LET_GO = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run. ``lasting`` ``None``: until it is stopped, or all is decided."""

    lasting: timedelta | None
    rate: float
    events: Sequence[Message] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The totals, and a line for each order with a broken promise."""

    totals: totals.Totals
    problems: list[str]


class Session:
    """Worker, Postgres, broker, marketplace and audit in one event loop.

    ``show`` is called repeatedly with this session while the marketplace is open.
    """

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        stopping: asyncio.Event,
        show: Callable[["Session"], None] | None = None,
    ) -> None:
        self.settings = settings
        self.plan = plan
        self.ledger = Ledger()
        self.worker: Worker | None = None
        self.audit: Audit | None = None
        self._stopping = stopping
        self._show = show
        self._checked_at = float("-inf")
        self._broken: dict[Finding, int] = {}

    async def run(self) -> Result | None:
        """Run to the end; ``None`` if it was stopped before it had begun.

        All that was started is stopped again, whatever happens.
        """
        async with AsyncExitStack() as stack:
            postgres, broker = EmbeddedPostgres(fsync=False), EmbeddedBroker()
            # Before the start: a part that starts only halfway has to go as well.
            stack.push_async_callback(_undisturbed, postgres.stop)
            stack.push_async_callback(_undisturbed, broker.stop)
            started = await asyncio.gather(postgres.start(), broker.start(), return_exceptions=True)
            for one in started:
                if isinstance(one, BaseException):
                    raise one
            self.settings = settings = self._settings_for(postgres, broker)
            widths = dict.fromkeys((*settings.input_topics, settings.output_topic), LANES)
            widths[settings.dead_letters_topic] = 1
            url = settings.database_url.get_secret_value()
            await migrate(url, cell=settings.database_schema)
            await create_topics(settings.kafka_bootstrap_servers, widths)
            if self._stopping.is_set():
                return None
            self.audit = audit = Audit(settings, self.ledger)
            async with audit.following(settings.kafka_bootstrap_servers, widths):
                return await self._play(audit)

    @property
    def board(self) -> str:
        """The address of the worker's board, with its token."""
        assert self.worker is not None
        assert self.settings.board_token is not None
        address = f"http://{self.settings.http_host}:{self.worker.http.port}"
        return f"{address}/#token={self.settings.board_token.get_secret_value()}"

    def totals(self, samples: Samples) -> totals.Totals:
        """The totals as they stand now."""
        assert self.audit is not None
        if time.monotonic() - self._checked_at > _CHECK_EVERY:
            self._check(everything=False)
        return totals.take(
            self.ledger,
            self.audit,
            samples,
            self._broken.get(Finding.FALSE_CANCEL, 0),
            self._broken.get(Finding.MISSED_DEADLINE, 0),
        )

    async def _play(self, audit: Audit) -> Result | None:
        if self.plan.events is not None:
            # Publish all of it before the worker starts: then each verdict rests on the whole file.
            await self._publish(self.plan.events)
        audit.worker_starts()
        self.worker = worker = Worker(self.settings, pages=pages)
        async with _running(worker) as working:
            finished = await self._first(self._flow(audit, worker), working)
        async with asyncio.timeout(_LET_GO):
            await audit.catch_up()
        problems = self._check(everything=finished)
        return Result(self.totals(scrape(worker.services.metrics.registry)), problems)

    async def _flow(self, audit: Audit, worker: Worker) -> None:
        began = time.monotonic()
        if self.plan.events is None:
            market = Marketplace(
                self.settings,
                self.ledger,
                rate=self.plan.rate,
                partitions=LANES,
                lasting=self.plan.lasting,
            )
            await market.run(self.settings.kafka_bootstrap_servers)
        await self._all_decided(audit, worker, began)

    async def _publish(self, messages: Sequence[Message]) -> None:
        async with publisher(self.settings.kafka_bootstrap_servers, self.ledger) as publish:
            for start in range(0, len(messages), _PUBLISH_AT_ONCE):
                if self._stopping.is_set():
                    return
                await publish(messages[start : start + _PUBLISH_AT_ONCE])

    async def _all_decided(self, audit: Audit, worker: Worker, began: float) -> None:
        """Wait until every order that lapses has come to its end, or nothing moves any more."""
        recorded = self.plan.events is not None
        before, moved_at = None, time.monotonic()
        while True:
            lapsed = audit.lapsed(datetime.now(UTC))
            samples = scrape(worker.services.metrics.registry)
            decided = total(samples, "plazo_outcomes_total")
            # The deadlines that a recording leaves open may lie hours ahead.
            all_lapsed = recorded or lapsed == self.ledger.created
            all_published = decided >= lapsed and audit.dead_letters >= self.ledger.unreadable
            if all_lapsed and all_published and not any(audit.check(everything=True)):
                return
            now = time.monotonic()
            progress = (
                lapsed, decided, audit.dead_letters, audit.verdicts.total(),
                total(samples, "plazo_records_total"),
            )  # fmt: skip
            if progress != before or not all_lapsed:
                before, moved_at = progress, now
            elif now - moved_at > _STANDSTILL:
                return
            if recorded and self.plan.lasting and now - began > self.plan.lasting.total_seconds():
                return
            await asyncio.sleep(_POLL)

    async def _first(self, flow: Awaitable[None], working: "asyncio.Task[None]") -> bool:
        """Return whether the flow reached its end before it was stopped.

        Raises:
            Exception: the error that ended the worker, the flow, the audit or the view.
        """
        assert self.audit is not None
        flowing = asyncio.ensure_future(flow)
        stopped = asyncio.ensure_future(self._stopping.wait())
        showing = asyncio.ensure_future(self._keep_showing())
        tasks = {flowing, stopped, showing, working, self.audit.task}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
            if working in done:
                raise RuntimeError("the worker ended by itself")
            return flowing in done
        finally:
            for task in (flowing, stopped, showing):
                task.cancel()
            await asyncio.gather(flowing, stopped, showing, return_exceptions=True)

    async def _keep_showing(self) -> None:
        while True:
            if self._show is not None:
                self._show(self)
            await asyncio.sleep(0.5)

    def _check(self, *, everything: bool) -> list[str]:
        assert self.audit is not None
        self._checked_at = time.monotonic()
        self._broken = {}
        problems = []
        for account, finding, detail in self.audit.check(everything=everything):
            self._broken[finding] = self._broken.get(finding, 0) + 1
            problems.append(f"{finding}: {account.order_id} ({account.did}): {detail}")
        return problems

    def _settings_for(self, postgres: EmbeddedPostgres, broker: EmbeddedBroker) -> Settings:
        return self.settings.model_copy(
            update={
                "kafka_bootstrap_servers": broker.bootstrap_servers,
                "kafka_idempotence": broker.idempotence,
                "database_url": SecretStr(postgres.url),
                "group_id": "plazo-dev",
                "proof": "all",  # some sellers partition unlike others
                "http_port": _port(self.settings),
                "board_token": self.settings.board_token or SecretStr(token_urlsafe(16)),
            }
        )


@asynccontextmanager
async def _running(worker: Worker) -> AsyncIterator["asyncio.Task[None]"]:
    """The worker, which drains at the end of the context."""
    working = asyncio.create_task(worker.run(signals=False), name="worker")
    try:
        yield working
    finally:
        worker.stop()
        await asyncio.gather(working, return_exceptions=True)
    working.result()


async def _undisturbed(stop: Callable[[], Coroutine[None, None, None]]) -> None:
    """Stop a part. An impatient signal must not leave its data behind; it takes seconds at most."""
    stopping = asyncio.create_task(stop())
    while not stopping.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(stopping)
    stopping.result()


def _port(settings: Settings) -> int:
    """The port of the settings, or any if it is taken: by another worker, perhaps."""
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((settings.http_host, settings.http_port))
        return settings.http_port
    return 0
