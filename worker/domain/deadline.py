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
    """The deadline in force, itself still in time, and whether the verdict is held."""

    due: datetime
    held: bool = False


def schedule(
    first_due: datetime,
    started_at: datetime,
    changes: Iterable[Change] = (),
    outages: Sequence[Outage] = (),
) -> Schedule:
    """The schedule of an order: its first deadline, then all changes and outages.

    ``started_at`` is the start of its clock. The latest extension in event time counts, and so
    does the latest hold or release. Of several at one time, the one kinder to the seller counts.
    No change brings a deadline forward. If the deadline lapsed in an outage, the seller gets back
    the part of the time that lay in the outage.
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
