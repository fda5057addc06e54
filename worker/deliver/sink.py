"""Delivers the decisions topic to one receiver: in order for each order id, at least once."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from worker.backoff import Backoff
from worker.deliver.answers import Meaning
from worker.deliver.dead_letters import DeadLetterFile, Failure, FileNotWritable
from worker.deliver.decisions import DecisionNotReadable, Decisions
from worker.deliver.gate import Gate
from worker.deliver.receivers import Receiver
from worker.deliver.sender import Sender
from worker.deliver.webhook import Webhook, type_of, webhook
from worker.deliver.window import Window
from worker.errors import KafkaUnavailable
from worker.kafka.subscription import Lost, NotMember, Subscription
from worker.observability.health import Health
from worker.observability.logs import logger
from worker.observability.metrics import DeliverMetrics
from worker.records import Record
from worker.settings import Settings

log = logger(__name__)

# What may be under way at one time. A restart delivers at most so many decisions again.
_MOST_RECORDS = 500
_MOST_BYTES = 16_777_216
# Seconds.
_BETWEEN_COMMITS = 1.0
_PULL = 0.5
_LONGEST_WAIT = 60.0
_MARGIN = timedelta(seconds=2)  # beyond the time-out of a request, for those under way
# A receiver that fails twice in a row may be away for long: more lines would say the same.
_LOGGED_ATTEMPTS = 2


class Sink:
    """Reads in a group of its own; :meth:`stop` finishes the requests under way."""

    def __init__(
        self,
        receiver: Receiver,
        sender: Sender,
        decisions: Decisions,
        file: DeadLetterFile,
        settings: Settings,
        metrics: DeliverMetrics,
        health: Health,
    ) -> None:
        self._receiver = receiver
        self._sender = sender
        self._decisions = decisions
        self._file = file
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._part = f"receiver {receiver.name}"
        self._stopping = asyncio.Event()
        self._health.set_not_ready(self._part, "starting")

    def stop(self) -> None:
        """Ask it to finish the requests under way and to end."""
        self._stopping.set()

    async def run(self) -> None:
        """Deliver until :meth:`stop`; after a fault of Kafka begin anew."""
        backoff = Backoff()
        while not self._stopping.is_set():
            self._subscription = Subscription(
                self._settings,
                self._receiver.group(self._settings.deliver_group_id),
                self._let_go,
                self._lost,
            )
            self._begin()
            try:
                await self._subscription.start()
                await self._deliver(backoff)
            except KafkaUnavailable as error:
                self._health.set_not_ready(self._part, str(error))
                wait = backoff.next()
                log.warning("waiting", part=self._part, reason=str(error), seconds=round(wait, 2))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait)
            finally:
                await self._let_go()
                await self._subscription.stop()

    def _begin(self) -> None:
        """Nothing is under way."""
        self._window = Window()
        self._room = asyncio.Event()
        self._newest: dict[bytes, asyncio.Task[None]] = {}  # by order
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        subscription = self._subscription
        self._gate = Gate(self._settings.deliver_in_flight, lambda: subscription.confirmed)

    async def _let_go(self) -> None:
        """Finish the requests under way, give up what waits, and commit."""
        limit = self._settings.deliver_timeout + _MARGIN
        await self._gate.close(min(limit, self._settings.drain_timeout).total_seconds())
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if positions := self._window.positions():
            with suppress(NotMember, KafkaUnavailable):
                await self._subscription.commit(positions)
        self._begin()

    async def _deliver(self, backoff: Backoff) -> None:
        committing = asyncio.create_task(self._commit_often(backoff))
        try:
            while not self._stopping.is_set():
                self._health.beat()
                self._show_age()
                if self._fault is not None:
                    raise self._fault
                if committing.done():
                    committing.result()
                room = _MOST_RECORDS - self._window.records
                if room > 0 and self._window.bytes < _MOST_BYTES:
                    for record in await self._subscription.pull(room, _PULL):
                        self._take(record)
                else:
                    self._room.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._room.wait(), _PULL)
        finally:
            committing.cancel()
            await asyncio.gather(committing, return_exceptions=True)

    async def _commit_often(self, backoff: Backoff) -> None:
        """Commit what is finished; each success confirms that the partitions are still ours."""
        while True:
            if self._subscription.assigned:
                try:
                    await self._subscription.commit(self._window.positions())
                except NotMember:
                    pass  # the group tells us next
                except KafkaUnavailable as error:
                    self._health.set_not_ready(self._part, str(error))
                else:
                    if self._decisions.waits_for:
                        self._health.set_not_ready(self._part, self._decisions.waits_for)
                    else:
                        self._health.set_ready(self._part)
                    self._gate.look()
                    backoff.reset()
            await asyncio.sleep(_BETWEEN_COMMITS)

    def _take(self, record: Record) -> None:
        """Begin a delivery behind the one before of the same order."""
        ce_type = type_of(record)
        self._window.add(record)
        if ce_type is not None and not self._receiver.wants(ce_type):
            self._window.finish(record)
            return
        order = record.key or b""
        task = asyncio.create_task(self._finish(record, self._newest.get(order)))
        self._newest[order] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._note_fault)

    def _note_fault(self, task: "asyncio.Task[None]") -> None:
        """A fault of our own ends the process; the record stays uncommitted."""
        if not task.cancelled() and task.exception() is not None:
            self._fault = task.exception()

    async def _finish(self, record: Record, before: "asyncio.Task[None] | None") -> None:
        window, order = self._window, record.key or b""
        if before is not None:
            await asyncio.wait({before})
        try:
            plain = await self._decisions.plain(record)
        except DecisionNotReadable as error:
            await self._keep(record, Failure(self._receiver.name, str(error), 0))
        else:
            if (one := webhook(plain)) is None:
                await self._keep(record, Failure(self._receiver.name, "not-a-decision", 0))
            else:
                await self._send(plain, one)
        window.finish(record)
        self._room.set()
        if self._newest.get(order) is asyncio.current_task():
            del self._newest[order]

    async def _send(self, record: Record, one: Webhook) -> None:
        """Send until the receiver took it, or it stands in the dead-letter file."""
        name, backoff, attempts = self._receiver.name, Backoff(0.5, _LONGEST_WAIT), 0
        while True:
            await asyncio.sleep(self._sender.asked_pause)
            async with self._gate.passed():
                if self._sender.asked_pause:
                    continue  # asked for in the meantime
                attempts += 1
                answer = await self._sender.attempt(one)
                if answer.meaning is Meaning.TAKEN:
                    self._metrics.delivered.labels(name).inc()
                    return
                if answer.meaning is Meaning.REFUSED:
                    await self._keep(record, Failure(name, answer.error, attempts))
                    return
                if attempts >= self._settings.deliver_attempts:
                    error = f"attempts, the last with {answer.error}"
                    await self._keep(record, Failure(name, error, attempts))
                    return
            self._metrics.retries.labels(name).inc()
            if attempts <= _LOGGED_ATTEMPTS:
                log.warning(
                    "webhook_not_taken", receiver=name, id=one.id, error=answer.error,
                    attempts=attempts,
                )  # fmt: skip
            await asyncio.sleep(max(answer.wait, backoff.next()))

    async def _keep(self, record: Record, failure: Failure) -> None:
        """Write it to the dead-letter file, however long that takes: else it would be lost."""
        backoff = Backoff(0.5, _LONGEST_WAIT)
        while True:
            try:
                await self._file.write(record, failure, datetime.now(UTC))
            except FileNotWritable as error:
                self._health.set_not_ready(self._part, str(error))
                log.error("dead_letter_not_written", part=self._part, reason=str(error))
                await asyncio.sleep(backoff.next())
            else:
                break
        self._metrics.failed.labels(failure.receiver).inc()
        log.error(
            "webhook_failed", receiver=failure.receiver, error=failure.error,
            attempts=failure.attempts, partition=record.partition, offset=record.offset,
        )  # fmt: skip

    def _lost(self, lost: Lost) -> None:
        """Decisions that nobody can deliver any more."""
        count = max(0, lost.begin - lost.position)
        self._metrics.lost.labels(self._receiver.name).inc(count)
        log.error("decisions_lost", receiver=self._receiver.name, **lost._asdict())

    def _show_age(self) -> None:
        oldest = self._window.oldest()
        age = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
        self._metrics.oldest_age.labels(self._receiver.name).set(age)
