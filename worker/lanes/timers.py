"""The timers of a lane: its next deadline and its next reminder, and changes to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.domain.policy import Policies
from worker.storage.transaction import Transaction, columns


@dataclass(frozen=True, slots=True)
class TimerChange:
    """A change to the timers of a lane.

    ``armed`` is the difference in the number of open deadlines. The others are the first new
    deadline plus its grace, and the first new reminder.
    """

    armed: int = 0
    first_fires_at: datetime | None = None
    first_reminds_at: datetime | None = None

    def __add__(self, other: "TimerChange") -> "TimerChange":
        return TimerChange(
            self.armed + other.armed,
            earlier(self.first_fires_at, other.first_fires_at),
            earlier(self.first_reminds_at, other.first_reminds_at),
        )


async def arm_reminders(
    tx: Transaction, lane: int, order_ids: Sequence[str], now: datetime, policies: Policies
) -> datetime | None:
    """Plan the reminders of these orders that lie ahead; returns the first of them."""
    rows = [
        (at, order["order_id"])
        for order in await tx.rows("reminded_orders", order_ids, lane)
        for at in policies.reminds_at(
            order["policy"], order["policy_version"], order["due"], order["reminders"]
        )
        if at > now
    ]
    if not rows:
        return None
    await tx.execute("arm_reminders", lane, *columns(rows))
    return min(rows)[0]


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two times, either of which may be missing."""
    return min(filter(None, (one, other)), default=None)
