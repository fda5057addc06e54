"""Reads the records of a lane and lets them take effect, a batch at a time."""

from collections.abc import Awaitable
from functools import partial
from typing import Protocol, TypeVar

from worker.errors import RowRefused
from worker.ingest.apply import Applied, Intake
from worker.ingest.rows import Batch
from worker.kafka.consumer import Consumer, Into
from worker.lanes.fairness import Turns
from worker.lanes.lane import Lane
from worker.proof import Partition
from worker.records import Record

_T = TypeVar("_T")

_PULL_WAIT = 0.5
# A batch of more than so many records means that we are behind.
_SMALL = 100
# After a small one, what came since the client last fetched is waited for: a request and its
# answer.
_LINGER = 0.008


class UnlessStopped(Protocol):
    """Waits for work; ``None`` when the lane is to be stopped first, and the work is cancelled."""

    async def __call__(self, work: Awaitable[_T], /) -> _T | None: ...


class Reader:
    """One lane under one assignment.

    ``reached`` is the timestamp of the last record of each partition, in milliseconds; it is kept
    up.
    """

    def __init__(
        self,
        lane: Lane,
        intake: Intake,
        consumer: Consumer,
        turns: Turns,
        assignment: int,
        batch_size: int,
        reached: dict[Partition, int],
        unless_stopped: UnlessStopped,
    ) -> None:
        # Whether the last batch was so large that more stands behind it.
        self.behind = False
        self._lane = lane
        self._intake = intake
        self._consumer = consumer
        self._turns = turns
        self._assignment = assignment
        self._batch_size = batch_size
        self._most = batch_size
        self._linger = 0.0
        self._reached = reached
        self._unless_stopped = unless_stopped

    async def take_in(self) -> Applied | None:
        """Let the next records take effect, once; ``None`` when none come in a while.

        Also when the lane is being stopped. A record whose row Postgres refuses becomes a dead
        letter.

        Raises: as :meth:`Consumer.pull` and :meth:`Intake.apply`.
        """
        positions = self._lane.positions
        while limit := await self._unless_stopped(self._turns.reading(positions, self._most)):
            try:
                batch, applied = await self._read(limit)
            except RowRefused:
                if limit == 1:
                    raise
                # One bad row spoils its batch: read half of it, until the row stands alone.
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

    async def _read(self, limit: int) -> tuple[Batch, Applied | None]:
        intake, first = self._intake, list[Record]()
        batch = await self._pull(
            min(limit, _SMALL + 1), first.extend, wait=_PULL_WAIT, linger=self._linger
        )
        if batch is None or not batch.after:
            return Batch(), None
        if batch.count <= _SMALL:
            rows = intake.rows()
            intake.sort_out(rows, first)
            try:
                return batch, await intake.apply(batch, rows)
            except RowRefused as error:
                if batch.count != 1:
                    raise
                return batch, await intake.refuse(batch, first[0], error)
        async with self._turns.applying():
            rows = intake.rows()
            sort_out = partial(intake.sort_out, rows, pack=True)
            sort_out(first)
            first.clear()
            # The rest not before: until its turn comes more has arrived, and is one batch with it.
            more = await self._pull(limit - batch.count, sort_out, behind=batch)
            if more is None:  # the rows may hold records that it has not told of
                return Batch(), None
            batch += more
            return batch, await intake.apply(batch, rows)

    async def _pull(
        self,
        limit: int,
        into: Into,
        *,
        behind: Batch | None = None,
        wait: float = 0.0,
        linger: float = 0.0,
    ) -> Batch | None:
        """Records of the lane behind a batch; ``None`` when it is being stopped."""
        behind = behind or Batch()
        read_to = {p: mark.timestamp for p, mark in behind.last.items()}
        return await self._unless_stopped(
            self._consumer.pull(
                {**self._lane.positions, **behind.after},
                self._assignment,
                limit,
                wait,
                {**self._reached, **read_to},
                into,
                linger,
            )
        )
