"""The deadline of an order after extensions, holds and outages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.domain.acts import EXTENDED, RELEASED, Change


@dataclass(frozen=True, slots=True)
class Outage:
    """A span of time in which no worker read any record."""

    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """The deadline in force, itself still in time, and since when the verdict is held."""

    due: datetime
    held_since: datetime | None = None

    @property
    def held(self) -> bool:
        """Whether the verdict waits for a release."""
        return self.held_since is not None


def schedule(
    first_due: datetime,
    started_at: datetime,
    changes: Iterable[Change] = (),
    outages: Sequence[Outage] = (),
) -> Schedule:
    """The schedule of an order: its first deadline, then all changes and outages.

    ``started_at`` is the start of its clock. The latest due of all extensions counts, so that none
    takes time away. The latest hold or release in event time counts, and of several at one time
    the hold. If the deadline lapsed in an outage, the seller gets back the part of the time that
    lay in the outage.
    """
    due = first_due
    held, held_at = False, None
    for change in changes:
        if change.kind == EXTENDED:
            assert change.due is not None
            due = max(due, change.due)
        elif held_at is None or (change.occurred_at, change.kind != RELEASED) > (held_at, held):
            held, held_at = change.kind != RELEASED, change.occurred_at
    for outage in sorted(outages, key=lambda outage: outage.began):
        if outage.began <= due < outage.ended:
            due = outage.ended + (due - max(outage.began, started_at))
    return Schedule(due, held_at if held else None)
