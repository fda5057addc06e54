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
    _moved: list[tuple[Case, Schedule]] = field(default_factory=list)
    _counted: list[tuple[str, Change]] = field(default_factory=list)
    _refused: list[tuple[str, Change, RefusalClass, str]] = field(default_factory=list)

    @classmethod
    async def load(cls, tx: Transaction) -> "DeadlineChanges":
        """With all recorded outages."""
        return cls([Outage(row["began"], row["ended"]) for row in await tx.rows("outages")])

    def defers(self, case: Case) -> bool:
        """Whether an order must not be judged yet: it is on hold, or has another deadline now."""
        order = case.order
        if not case.changes and not self.outages:
            return False
        if case.finding is not None:
            self._refuse(case, case.changes, RefusalClass.TOO_LATE, "the verdict has been issued")
            return False
        first_due = order.first_due or order.due
        ineffective = [
            c for c in case.changes if c.kind == EXTENDED and (c.due or first_due) <= first_due
        ]
        self._refuse(
            case, ineffective, RefusalClass.OUT_OF_RANGE, "due: not after the first deadline"
        )
        valid = [change for change in case.changes if change not in ineffective]
        known = [change for change in valid if change.counted]
        self._counted += [(order.order_id, change) for change in valid if not change.counted]
        planned = schedule(first_due, order.entered_at, valid, self.outages)
        if planned != Schedule(order.due, schedule(first_due, order.entered_at, known).held):
            self._moved.append((case, planned))
            return True
        return planned.held

    @property
    def refused(self) -> int:
        """Number of changes that become dead letters."""
        return len(self._refused)

    def _refuse(
        self, case: Case, changes: Sequence[Change], error: RefusalClass, message: str
    ) -> None:
        self._refused += [
            (case.order.order_id, change, error, message)
            for change in changes
            if not change.counted
        ]

    async def store(self, tx: Transaction, lane: int, now: datetime) -> TimerChange:
        """Write the changes; the caller's transaction has passed the fence."""
        counted = [(*_key(order_id, change), True) for order_id, change in self._counted]
        counted += [(*_key(order_id, change), False) for order_id, change, _, _ in self._refused]
        if counted:
            await tx.execute("mark_changes_counted", *columns(counted))
        if self._refused:
            letters = [(*_key(o, change), e.value, m) for o, change, e, m in self._refused]
            await tx.execute("refuse_changes", lane, *columns(letters))
        if not self._moved:
            return TimerChange()
        rows = []
        for case, planned in self._moved:
            order = case.order
            fires_at = planned.due + order.grace
            rows.append((order.order_id, planned.due, fires_at, order.fires_at, planned.held))
        found = await tx.row("move_deadlines", lane, *columns(rows))
        assert found is not None
        reminded = [case.order.order_id for case, _ in self._moved if case.order.reminders]
        first = await arm_reminders(tx, lane, reminded, now) if reminded else None
        return TimerChange(
            found["armed"] - found["disarmed"],
            found["first_fires_at"],
            first,
        )


def _key(order_id: str, change: Change) -> tuple[str, str, int, int]:
    place = change.place
    return order_id, place.topic, place.partition, place.offset
