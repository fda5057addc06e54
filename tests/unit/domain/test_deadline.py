"""The deadline after extensions, holds and outages, and its reminders."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from schemas.statuses import STATUSES
from worker.domain.acts import EXTENDED, HELD, RELEASED, Act, Change, Place, RefusedRecord
from worker.domain.case import Case, Finding, Order
from worker.domain.deadline import Outage, Schedule, schedule
from worker.domain.decide import remind
from worker.domain.policy import AtLapse

ENTERED = datetime(2026, 11, 22, 9, tzinfo=UTC)
DUE = ENTERED + timedelta(hours=24)
HOUR = timedelta(hours=1)


def change(kind: str, at: float, due: float | None = None) -> Change:
    """``at`` and ``due`` in hours after the entry."""
    when = ENTERED + at * HOUR
    return Change(kind, when, when, Place("t", 0, int(at * 100)),
                  None if due is None else ENTERED + due * HOUR)  # fmt: skip


def planned(*changes: Change, outages: tuple[Outage, ...] = ()) -> Schedule:
    return schedule(DUE, ENTERED, changes, outages)


def test_without_changes_the_clock_decides() -> None:
    assert planned() == Schedule(DUE)


@pytest.mark.parametrize(
    ("changes", "due", "held"),
    [
        ([change(EXTENDED, 3, 30)], 30, False),
        # Overlapping extensions: the latest due, so that none takes time away.
        ([change(EXTENDED, 3, 40), change(EXTENDED, 4, 30)], 40, False),
        ([change(EXTENDED, 3, 40), change(EXTENDED, 3, 30)], 40, False),
        ([change(EXTENDED, 3, 12)], 24, False),
        ([change(EXTENDED, 3, 24)], 24, False),
        ([change(EXTENDED, 3, 30), change(EXTENDED, 4, 20)], 30, False),
        ([change(HELD, 3)], 24, True),
        ([change(HELD, 3), change(RELEASED, 4)], 24, False),
        ([change(RELEASED, 3), change(HELD, 4)], 24, True),
        ([change(HELD, 3), change(RELEASED, 3)], 24, True),
        ([change(HELD, 3), change(EXTENDED, 4, 30)], 30, True),
    ],
)
def test_the_order_of_arrival_does_not_matter(
    changes: list[Change], due: float, held: bool
) -> None:
    for arrived in permutations(changes):
        found = planned(*arrived)
        assert (found.due, found.held) == (ENTERED + due * HOUR, held)


@pytest.mark.parametrize(
    ("began", "ended", "due"),
    [
        (20, 30, 34),  # four of its hours fell into the outage
        (-5, 30, 54),  # it entered in the outage and gets all of its time
        (24, 30, 30),  # nothing of its time fell into it
        (10, 24, 24),  # over when the deadline came: there was time to see the portal's acts
        (25, 30, 24),  # began when all was over
    ],
)
def test_an_outage_gives_back_what_it_took(began: float, ended: float, due: float) -> None:
    outage = Outage(ENTERED + began * HOUR, ENTERED + ended * HOUR)
    assert planned(outages=(outage,)) == Schedule(ENTERED + due * HOUR)


def test_outages_follow_one_another() -> None:
    first = Outage(ENTERED + 20 * HOUR, ENTERED + 30 * HOUR)
    second = Outage(ENTERED + 33 * HOUR, ENTERED + 40 * HOUR)
    assert planned(outages=(second, first)) == Schedule(ENTERED + 41 * HOUR)


def case(*acts: Act, **more: Any) -> Case:
    order = Order(
        "o", "s", "courier", ENTERED, DUE, "p", AtLapse.AUTO_CANCEL, Place("c", 0, 0), ENTERED,
        reminders=(6 * HOUR, HOUR),
    )  # fmt: skip
    return Case(order, acts, **more)


def act(status: str, at: float = 1) -> Act:
    when = ENTERED + at * HOUR
    return Act(status, when, when, Place("t", 0, 1), meaning=STATUSES[status])


PLANNED = {DUE - 6 * HOUR, DUE - HOUR}


@pytest.mark.parametrize("before", [6, 1])
def test_a_silent_seller_is_reminded(before: int) -> None:
    (sent,) = remind(case(act("ready-for-handling"), decided=1), DUE - before * HOUR, PLANNED)
    assert (sent.ordinal, sent.kind, sent.reason) == (2, "deadline-reminder", "deadline-approaches")


@pytest.mark.parametrize(
    "known",
    [
        case(act("start-handling")),
        case(act("canceled")),
        case(act("dispute-opened")),
        case(finding=Finding.SILENT),
        case(refusals=(RefusedRecord(Place("t", 0, 1), ENTERED, "time"),)),
    ],
)
def test_whoever_did_something_is_not_reminded(known: Case) -> None:
    assert remind(known, DUE - HOUR, PLANNED) == ()


def test_a_reminder_of_a_deadline_that_has_moved_is_not_sent() -> None:
    assert remind(case(), DUE - 2 * HOUR, PLANNED) == ()
