"""The frame of a sweep: one transaction that decides, from the lane's fence to the lane's row.

Time is the input of a sweep, as records are the input of the intake. Deadlines, the sequence and
the decisions move in one transaction, so a sweep takes effect whole or not at all. The reasons to
open one are in :mod:`worker.decide.lapse`, :mod:`worker.decide.reconsider` and
:mod:`worker.decide.reminders`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worker.clock import Clock, Clocks
from worker.lanes.lane import Lane
from worker.lanes.timers import TimerChange
from worker.observability.labels import Purpose
from worker.observability.logs import logger
from worker.observability.metrics import Metrics
from worker.outbox.events import Event
from worker.storage.decision_copy import DECISION_COLUMNS, decisions
from worker.storage.transaction import Transaction

log = logger(__name__)

# An order that our own code failed on waits this long for its next attempt.
RETRY = timedelta(minutes=1)
# Wait of an order that the brake holds: the orders after it may not be held.
HELD = timedelta(seconds=5)


@dataclass(slots=True)
class Sweep:
    """An open sweep: its transaction, and the state of the lane that its frame writes."""

    tx: Transaction
    lane: int
    # The time of all its decisions.
    now: datetime
    # The last sequence in use.
    sequence: int
    open_deadlines: int
    timers: TimerChange = field(default=TimerChange())
    # By sequence.
    events: dict[int, Event] = field(default_factory=dict)
    # Deadline changes that became dead letters.
    refused_changes: int = 0

    async def publish(self, events: Sequence[Event]) -> None:
        """Append events to the outbox, under the next sequences of the lane."""
        if events:
            first = self.sequence + 1
            packed = decisions(self.lane, first, events)
            await self.tx.copy_packed("decisions", DECISION_COLUMNS, packed)
            self.events.update(enumerate(events, first))
            self.sequence += len(events)


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The work of one sweep: ``events`` by sequence. ``more``: the batch size cut it short."""

    orders: int
    events: Mapping[int, Event]
    more: bool
    dead_letters: int

    @classmethod
    def of(cls, sweep: Sweep, *, orders: int, more: bool) -> "SweepResult":
        """The result of a sweep that was committed."""
        return cls(orders, sweep.events, more, sweep.refused_changes)


class SweepFrame:
    """Opens the sweeps of one lane. The caller holds :attr:`Lane.lock`.

    ``batch_size`` is the most orders in one sweep. All sweeps of a worker share ``places``, which
    are fewer than its connections: an open sweep may ask the brake over another one.
    """

    def __init__(
        self,
        lane: Lane,
        clock: Clock,
        clocks: Clocks,
        metrics: Metrics,
        batch_size: int,
        places: asyncio.Semaphore,
    ) -> None:
        self.lane = lane
        self.clock = clock
        self.metrics = metrics
        self.batch_size = batch_size
        self._clocks = clocks
        self._places = places

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Sweep]:
        """A sweep, committed when the block ends well.

        Raises: as :meth:`Lane.fence`.
        """
        lane, started = self.lane, self.clock.monotonic()
        async with self._places, lane.database.transaction(one_snapshot=True) as tx:
            before = self.clock.now()
            sequence, open_deadlines, told_at = await lane.fence(tx)
            # A clock may have been set since the proof.
            self._clocks.compare(before, told_at)
            sweep = Sweep(tx, lane.number, self.clock.now(), sequence, open_deadlines)
            yield sweep
            open_deadlines = sweep.open_deadlines + sweep.timers.armed
            await tx.execute("update_lane", lane.number, sweep.sequence, open_deadlines)
        lane.sequence, lane.open_deadlines = sweep.sequence, open_deadlines
        lane.rearm(sweep.timers)
        self._report(sweep, self.clock.monotonic() - started)

    def time(self) -> tuple[datetime, float]:
        """The time by the slower of our clock and the database's, and then the monotonic one."""
        return self._clocks.earliest(), self.clock.monotonic()

    def _report(self, sweep: Sweep, seconds: float) -> None:
        # One line for a batch: a line for each order would cost as much as its verdict, and every
        # verdict is in the decisions topic and in `plazo explain`. Only debug names the orders.
        kinds = Counter((event.kind, event.reason) for event in sweep.events.values())
        debug = log.bind(lane=sweep.lane).debug  # once: a logger is made at each use of `log`
        for event in sweep.events.values():
            debug("verdict", order_id=event.order_id, kind=event.kind, reason=event.reason)
        for (kind, reason), orders in kinds.items():
            self.metrics.decisions.labels(kind, reason).inc(orders)
            log.info("verdicts", lane=sweep.lane, kind=kind, reason=reason, orders=orders)
        self.metrics.transaction_seconds.labels(Purpose.DECIDE).observe(seconds)
        if sweep.refused_changes:
            log.warning("deadline_changes_refused", lane=sweep.lane, changes=sweep.refused_changes)
