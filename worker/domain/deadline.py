"""When the deadline of an order is, after all that was done to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.domain.acts import EXTENDED, RELEASED, Change


@dataclass(frozen=True, slots=True)
class Outage:
    """A span in which no worker read anything."""

    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """The last instant that counts as in time, and whether the verdict is held."""

    due: datetime
    held: bool = False


def schedule(
    first_due: datetime,
    started_at: datetime,
    changes: Iterable[Change] = (),
    outages: Sequence[Outage] = (),
) -> Schedule:
    """The schedule of an order whose clock, started then, first gave it that deadline.

    The latest extension in event time counts, and so does the latest hold or release; of several
    at one instant the kinder one. No change brings a deadline forward. An outage in which the
    deadline lapsed gives the seller that part of the time back which fell into it.
    """
    due, extended_at = first_due, None
    held, held_at = False, None
    for change in changes:
        if change.kind == EXTENDED:
            assert change.due is not None
            if change.due <= first_due:
                continue
            if extended_at is None or (change.occurred_at, change.due) > (extended_at, due):
                due, extended_at = change.due, change.occurred_at
        elif held_at is None or (change.occurred_at, change.kind != RELEASED) > (held_at, held):
            held, held_at = change.kind != RELEASED, change.occurred_at
    for outage in sorted(outages, key=lambda outage: outage.began):
        if outage.began <= due < outage.ended:
            due = outage.ended + (due - max(outage.began, started_at))
    return Schedule(due, held)
