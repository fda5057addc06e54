"""Changes of deadlines: extensions, holds and outages, considered before any verdict.

Each change either counts, or becomes a dead letter for its publisher.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.events import RefusalClass
from worker.domain.acts import EXTENDED, Change
from worker.domain.case import Case
from worker.domain.deadline import Outage, Schedule, schedule
from worker.lanes.timers import TimerChange, arm_reminders
from worker.storage.transaction import Transaction, columns


@dataclass(slots=True)
class DeadlineChanges:
    """The changes of deadlines that one sweep finds."""

    outages: Sequence[Outage]
    _moved: list[tuple[Case, Schedule, datetime]] = field(default_factory=list)
    _counted: list[tuple[str, Change]] = field(default_factory=list)
    _refused: list[tuple[str, Change, RefusalClass, str]] = field(default_factory=list)
    # Orders with more new changes than this sweep has read.
    _unfinished: list[str] = field(default_factory=list)

    @classmethod
    async def load(cls, tx: Transaction) -> "DeadlineChanges":
        """With all recorded outages."""
        return cls([Outage(row["began"], row["ended"]) for row in await tx.rows("outages")])

    def consider(self, case: Case) -> Case | None:
        """The case with the changes that count; ``None`` if the order must not be judged yet.

        An order on hold must not, nor one that has another deadline now.
        """
        if not case.changes and not self.outages:
            return case
        order = case.order
        if case.more_changes:
            self._unfinished.append(order.order_id)
        if case.finding is not None:
            new = [change for change in case.changes if not change.counted]
            self._refuse(case, new, RefusalClass.TOO_LATE, "the verdict has been issued")
            return case._replace(changes=tuple(c for c in case.changes if c.counted))
        first_due = order.first_due or order.due
        valid: list[Change] = []
        vain: list[Change] = []
        for change in case.changes:
            extends = change.kind != EXTENDED or (change.due or first_due) > first_due
            (valid if extends else vain).append(change)
        known = [change for change in valid if change.counted]
        planned = schedule(first_due, order.entered_at, valid, self.outages)
        moves = planned != Schedule(order.due, schedule(first_due, order.entered_at, known).held)
        # Raises for a deadline at the end of all time, before anything is written down.
        fires_at = planned.due + order.grace
        vain = [change for change in vain if not change.counted]
        self._refuse(case, vain, RefusalClass.OUT_OF_RANGE, "due: not after the first deadline")
        self._counted += [(order.order_id, change) for change in valid if not change.counted]
        if moves:
            self._moved.append((case, planned, fires_at))
        return None if moves or planned.held else case._replace(changes=tuple(valid))

    @property
    def refused(self) -> int:
        """Number of changes that become dead letters."""
        return len(self._refused)

    @property
    def unfinished(self) -> bool:
        """Whether an order has more new changes: :meth:`store` has left a notice for it."""
        return bool(self._unfinished)

    def _refuse(
        self, case: Case, changes: Sequence[Change], error: RefusalClass, message: str
    ) -> None:
        self._refused += [(case.order.order_id, change, error, message) for change in changes]

    async def store(self, tx: Transaction, lane: int, now: datetime) -> TimerChange:
        """Write the changes; the caller's transaction has passed the fence."""
        counted = [(*_key(order_id, change), True) for order_id, change in self._counted]
        counted += [(*_key(order_id, change), False) for order_id, change, _, _ in self._refused]
        if counted:
            await tx.execute("mark_changes_counted", *columns(counted))
        if self._refused:
            letters = [(*change.place, e.value, m) for _, change, e, m in self._refused]
            await tx.execute("refuse_changes", lane, *columns(letters))
        if self._unfinished:
            await tx.execute("leave_notices", lane, self._unfinished)
        if not self._moved:
            return TimerChange()
        rows = []
        for case, planned, fires_at in self._moved:
            order = case.order
            rows.append((order.order_id, planned.due, fires_at, order.fires_at, planned.held))
        found = await tx.row("move_deadlines", lane, *columns(rows))
        assert found is not None
        reminded = [case.order.order_id for case, _, _ in self._moved if case.order.reminders]
        first = await arm_reminders(tx, lane, reminded, now) if reminded else None
        return TimerChange(
            found["armed"] - found["disarmed"],
            found["first_fires_at"],
            first,
        )


def _key(order_id: str, change: Change) -> tuple[str, str, int, int]:
    place = change.place
    return order_id, place.topic, place.partition, place.offset
