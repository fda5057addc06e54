"""Reads the records of a lane and applies them, a batch at a time."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NoReturn, Protocol, TypeVar

from worker.clock import Clock
from worker.errors import (
    DatabaseFault,
    DatabaseUnavailable,
    PlazoError,
    RecordFailed,
    RowRejected,
)
from worker.ingest.apply import BatchResult, Intake
from worker.ingest.registry.schemas import SchemasMissing
from worker.ingest.rows import Rows
from worker.kafka.consumer import Consumer, RecordSink
from worker.lanes.fairness import Fairness
from worker.lanes.lane import Lane
from worker.records import Batch, Partition, Record
from worker.registry.wire import SchemaId
from worker.storage.faults import is_outage

_T = TypeVar("_T")

# Seconds to wait for a first record.
_PULL_WAIT = 0.5
# A batch of more records than this means that the lane is behind.
_SMALL = 100
# A reader that comes back to the client after so many seconds was slow, or the process was frozen.
_FROZEN = 3.0


class _OwnFault(Exception):
    """Wraps a fault of our own, which the client would take for one of its own."""


@contextmanager
def _own_code() -> Iterator[None]:
    try:
        yield
    except DatabaseUnavailable as error:
        # Such as a breach of integrity: to wait does not help.
        if is_outage(error):
            raise
        raise _OwnFault from error
    except PlazoError:
        raise
    except Exception as error:
        raise _OwnFault from error


class UnlessStopped(Protocol):
    """Waits for work. If the lane is stopped first, cancels the work and returns ``None``."""

    async def __call__(self, work: Awaitable[_T], /) -> _T | None: ...


class Reader:
    """Reads one lane under one assignment.

    ``reached`` is the timestamp of the last record of each partition, in milliseconds since the
    epoch; the reader keeps it up to date.

    ``recognise`` waits until the logs are known to be those that were read before; it raises
    :class:`Halted` if they are not. A log may be replaced or cut while the worker is frozen, or
    together with its broker. The client would go on at its position, and never read what the new
    log holds below. ``is_another`` says whether the prover found that: its client sees more.
    ``sources`` are those of before the lane was taken over: its logs were checked after that.
    """

    def __init__(
        self,
        lane: Lane,
        intake: Intake,
        consumer: Consumer,
        fairness: Fairness,
        assignment: int,
        batch_size: int,
        reached: dict[Partition, int],
        unless_stopped: UnlessStopped,
        clock: Clock,
        recognise: Callable[[], Awaitable[bool]],
        is_another: Callable[[Partition], bool],
        sources: Mapping[Partition, object],
        fetch_schemas: Callable[[Collection[SchemaId]], Awaitable[bool]] | None = None,
    ) -> None:
        self._lane = lane
        self._intake = intake
        self._consumer = consumer
        self._fairness = fairness
        self._assignment = assignment
        self._batch_size = batch_size
        self._most = batch_size
        self._reached = reached
        self._unless_stopped = unless_stopped
        self._clock = clock
        self._recognise = recognise
        self._is_another = is_another
        self._fetch_schemas = fetch_schemas
        self._sources: dict[Partition, object] = {
            p: (source, False) for p, source in sources.items()
        }
        self._pulled_at = clock.monotonic()
        self._frozen = False

    async def read(self) -> BatchResult | None:
        """Apply the next records, once.

        Returns ``None`` if no record comes for a while, or if the lane is being stopped. A record
        whose row Postgres refuses becomes a dead letter.

        Raises:
            RecordFailed: our own code fails on the next record.
            Others, as :meth:`Consumer.pull` and :meth:`Intake.apply`.
        """
        positions = self._lane.positions
        while limit := await self._unless_stopped(self._fairness.reading(positions, self._most)):
            try:
                batch, applied = await self._read(limit)
            except (RowRejected, _OwnFault) as error:
                if limit == 1:
                    raise (error.__cause__ or error) from None
                # One bad record fails its batch: halve the batch until the record is alone in it.
                self._consumer.seek(positions)
                self._most = limit // 2
                continue
            except SchemasMissing as missing:
                # Outside the turns of the lanes, so that the others go on. Fewer records name fewer
                # schemas: those of the next batch will be kept until it is decoded.
                self._consumer.seek(positions)
                self._most = max(1, limit // 2)
                assert self._fetch_schemas is not None
                if not await self._unless_stopped(self._fetch_schemas(missing.schemas)):
                    return None
                continue
            self._most = min(2 * self._most, self._batch_size)
            if applied is not None:
                self._reached.update((p, mark.timestamp) for p, mark in batch.last.items())
            return applied
        return None

    async def _read(self, limit: int) -> tuple[Batch, BatchResult | None]:
        intake, first = self._intake, list[Record]()
        batch = await self._pull(min(limit, _SMALL + 1), first.extend, wait=_PULL_WAIT)
        if batch is None:
            return Batch(), None
        if not batch.after:
            # An idle lane, too, stops at a log that is not the one that it has read.
            if self._sources_now() != self._sources:
                await self._log_is_known()
            return Batch(), None
        if batch.count <= _SMALL:
            if not await self._log_is_known():
                return Batch(), None
            try:
                return batch, await self._apply_few(batch, first)
            except _OwnFault as fault:
                if batch.count != 1:
                    raise
                return await self._give_up(first[0], fault)
        async with self._fairness.applying():
            rows = intake.new_rows()
            decode = partial(self._decode, rows, pack=True)
            decode(first)
            first.clear()
            # Only now, in this lane's turn: records that arrived meanwhile join the batch.
            more = await self._pull(limit - batch.count, decode, after=batch)
            # Without an answer the rows may hold records of a pull that did not end.
            if more is None or not await self._log_is_known():
                return Batch(), None
            batch += more
            return batch, await self._apply(batch, rows)

    async def _apply_few(self, batch: Batch, records: Sequence[Record]) -> BatchResult:
        try:
            rows = self._intake.new_rows()
            self._decode(rows, records)
            return await self._apply(batch, rows)
        except RowRejected as error:
            if batch.count != 1:
                raise
            with _own_code():
                return await self._intake.refuse(batch, records[0], error)

    def _sources_now(self) -> dict[Partition, object]:
        return {p: (self._consumer.source(p), self._is_another(p)) for p in self._lane.positions}

    async def _log_is_known(self) -> bool:
        """Look again where it may have changed; false if the lane is being stopped."""
        # After the pull and before the look: a connection made meanwhile is for the next batch.
        sources = self._sources_now()
        if sources != self._sources or self._frozen:
            if not await self._unless_stopped(self._recognise()):
                return False
            self._sources, self._frozen = sources, False
        return True

    def _decode(self, rows: Rows, records: Sequence[Record], *, pack: bool = False) -> None:
        with _own_code():
            self._intake.decode(rows, records, pack=pack)

    async def _apply(self, batch: Batch, rows: Rows) -> BatchResult:
        with _own_code():
            return await self._intake.apply(batch, rows)

    async def _give_up(self, record: Record, fault: _OwnFault) -> NoReturn:
        topic, partition, offset = record.topic, record.partition, record.offset
        if self._lane.positions[topic, partition] < offset:
            # Markers of transactions lie before it. The command that skips a record finds it at
            # the stored position.
            await self._apply(Batch(0, {(topic, partition): offset}), self._intake.new_rows())
        cause = fault.__cause__
        error = str(cause) if isinstance(cause, DatabaseFault) else type(cause).__name__
        raise RecordFailed(topic, partition, offset, error) from cause

    async def _pull(
        self,
        limit: int,
        sink: RecordSink,
        *,
        after: Batch | None = None,
        wait: float = 0.0,
    ) -> Batch | None:
        """Pull the lane's records after a batch; ``None`` when the lane is being stopped."""
        after = after or Batch()
        read_to = {p: mark.timestamp for p, mark in after.last.items()}
        pulled = await self._unless_stopped(
            self._consumer.pull(
                {**self._lane.positions, **after.after},
                self._assignment,
                limit,
                wait,
                {**self._reached, **read_to},
                sink,
            )
        )
        before, self._pulled_at = self._pulled_at, self._clock.monotonic()
        self._frozen |= self._pulled_at - before > _FROZEN
        return pulled
