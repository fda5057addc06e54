"""Reads the records of a lane and applies them, a batch at a time."""

from collections.abc import Awaitable
from functools import partial
from typing import Protocol, TypeVar

from worker.errors import RowRejected
from worker.ingest.apply import BatchResult, Intake
from worker.kafka.consumer import Consumer, RecordSink
from worker.lanes.fairness import Fairness
from worker.lanes.lane import Lane
from worker.records import Batch, Partition, Record

_T = TypeVar("_T")

# Seconds to wait for a first record.
_PULL_WAIT = 0.5
# A batch of more records than this means that the lane is behind.
_SMALL = 100
# Seconds to wait, after a small batch, for records that came since the client's last fetch: about
# one request and its answer.
_LINGER = 0.008


class UnlessStopped(Protocol):
    """Waits for work. If the lane is stopped first, cancels the work and returns ``None``."""

    async def __call__(self, work: Awaitable[_T], /) -> _T | None: ...


class Reader:
    """Reads one lane under one assignment.

    ``reached`` is the timestamp of the last record of each partition, in milliseconds since the
    epoch; the reader keeps it up to date.
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
    ) -> None:
        # Whether the last batch was so large that more records are waiting.
        self.behind = False
        self._lane = lane
        self._intake = intake
        self._consumer = consumer
        self._fairness = fairness
        self._assignment = assignment
        self._batch_size = batch_size
        self._most = batch_size
        self._linger = 0.0
        self._reached = reached
        self._unless_stopped = unless_stopped

    async def read(self) -> BatchResult | None:
        """Apply the next records, once.

        Returns ``None`` if no record comes for a while, or if the lane is being stopped. A record
        whose row Postgres refuses becomes a dead letter.

        Raises: as :meth:`Consumer.pull` and :meth:`Intake.apply`.
        """
        positions = self._lane.positions
        while limit := await self._unless_stopped(self._fairness.reading(positions, self._most)):
            try:
                batch, applied = await self._read(limit)
            except RowRejected:
                if limit == 1:
                    raise
                # One bad row fails its batch: halve the batch until the row is alone in it.
                self._consumer.seek(positions)
                self._most = limit // 2
                continue
            self._most = min(2 * self._most, self._batch_size)
            self.behind = batch.count > _SMALL
            self._linger = _LINGER if 0 < batch.count <= _SMALL else 0.0
            if applied is not None:
                self._reached.update((p, mark.timestamp) for p, mark in batch.last.items())
            return applied
        return None

    async def _read(self, limit: int) -> tuple[Batch, BatchResult | None]:
        intake, first = self._intake, list[Record]()
        batch = await self._pull(
            min(limit, _SMALL + 1), first.extend, wait=_PULL_WAIT, linger=self._linger
        )
        if batch is None or not batch.after:
            return Batch(), None
        if batch.count <= _SMALL:
            rows = intake.new_rows()
            intake.decode(rows, first)
            try:
                return batch, await intake.apply(batch, rows)
            except RowRejected as error:
                if batch.count != 1:
                    raise
                return batch, await intake.refuse(batch, first[0], error)
        async with self._fairness.applying():
            rows = intake.new_rows()
            decode = partial(intake.decode, rows, pack=True)
            decode(first)
            first.clear()
            # Only now, in this lane's turn: records that arrived meanwhile join the batch.
            more = await self._pull(limit - batch.count, decode, after=batch)
            if more is None:  # the rows may hold records of a pull that did not end
                return Batch(), None
            batch += more
            return batch, await intake.apply(batch, rows)

    async def _pull(
        self,
        limit: int,
        sink: RecordSink,
        *,
        after: Batch | None = None,
        wait: float = 0.0,
        linger: float = 0.0,
    ) -> Batch | None:
        """Pull the lane's records after a batch; ``None`` when the lane is being stopped."""
        after = after or Batch()
        read_to = {p: mark.timestamp for p, mark in after.last.items()}
        return await self._unless_stopped(
            self._consumer.pull(
                {**self._lane.positions, **after.after},
                self._assignment,
                limit,
                wait,
                {**self._reached, **read_to},
                sink,
                linger,
            )
        )
