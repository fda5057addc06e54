"""The cycle in force follows from the set of what is known, never from the order of arrival."""

from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.statuses import STATUSES, Meaning
from worker.domain.acts import ORDER_CREATED, Act, Place
from worker.domain.case import Kind, PriorDecision, Reason
from worker.domain.cycle import Cycle, cycle_of

from .words import ENTERED

HOUR = timedelta(hours=1)
KNOWN = 100  # the first offset that our auto-cancel did not know
CLOCK, STOP = "payment-approved", "payment-pending"


def act(status: str, at: float, offset: int = 0) -> Act:
    """``at`` in hours after the entry."""
    when = ENTERED + at * HOUR
    meaning = Meaning.NOTHING if status == ORDER_CREATED else STATUSES[status]
    return Act(status, when, when, Place("status", 0, offset), meaning=meaning)


def ours(due: float = 24) -> PriorDecision:
    """An auto-cancel that knew the first records of the log."""
    at = ENTERED + due * HOUR
    return PriorDecision(1, "id", Kind.AUTO_CANCEL, Reason.STOCK_NOT_VALIDATED, 1,
                         at + timedelta(minutes=1), at, {"status": [KNOWN]})  # fmt: skip


def start(cycle: Cycle) -> float | None:
    """In hours after the entry."""
    at: datetime | None = cycle.started_at
    return None if at is None else (at - ENTERED) / HOUR


@pytest.mark.parametrize(
    ("acts", "starts"),
    [
        ([], 0),
        ([act("canceled", 2)], 0),
        ([act("canceled", 2), act("ready-for-handling", 3)], 3),
        ([act("canceled", 2), act(ORDER_CREATED, 3)], 3),
        ([act("ready-for-handling", 1), act("canceled", 2)], 0),
        ([act("canceled", 2), act("ready-for-handling", 2)], 0),  # at one instant
        ([act("canceled", -1), act("ready-for-handling", 3)], 0),  # of before the entry
        ([act("canceled", 2), act("start-handling", 3)], 0),  # a contradiction, no opening
        ([act("canceled", 2), act("ready-for-handling", 3), act("canceled", 4)], 3),
        ([act("canceled", 2), act("ready-for-handling", 3), act("canceled", 4),
          act("ready-for-handling", 6)], 6),
        ([act("staging", 0), act("waiting-acceptance", 5)], 5),
        ([act("staging", 0)], None),
        ([act("start-handling", 1), act("staging", 2)], 0),  # handled already
    ],
)  # fmt: skip
def test_a_cancelled_order_that_lives_on_begins_another_cycle(
    acts: list[Act], starts: float | None
) -> None:
    for arrived in permutations(acts):
        assert start(cycle_of(ENTERED, arrived)) == starts


def test_the_order_is_alive_again_after_our_auto_cancel() -> None:
    again = act("ready-for-handling", 26, KNOWN)
    assert cycle_of(ENTERED, [again], [ours()]) == Cycle(again.occurred_at, again)


@pytest.mark.parametrize(
    "acts",
    [
        [act("ready-for-handling", 26, KNOWN - 1)],  # the verdict knew it
        [act("ready-for-handling", 3, KNOWN)],  # of before the deadline
        # Late evidence: the auto-cancel was wrong, and ended nothing.
        [act("start-handling", 5, KNOWN), act("ready-for-handling", 26, KNOWN + 1)],
    ],
)
def test_our_auto_cancel_is_no_opening_by_itself(acts: list[Act]) -> None:
    for arrived in permutations(acts):
        assert start(cycle_of(ENTERED, arrived, [ours()])) == 0


def test_the_execution_of_our_auto_cancel_is_no_cancellation_of_before() -> None:
    """Stamped by a slow clock, it lies before an act that would then open the order again."""
    acts = [act("canceled", 20, KNOWN), act("ready-for-handling", 21, 1)]
    assert start(cycle_of(ENTERED, acts, [ours()])) == 0


@pytest.mark.parametrize(
    ("acts", "starts"),
    [
        ([], None),
        ([act(CLOCK, 6), act(CLOCK, 1)], 1),
        ([act(CLOCK, 1), act(STOP, 2)], None),
        ([act(CLOCK, 1), act(STOP, 2), act(CLOCK, 5)], 5),
        ([act(CLOCK, 1), act("start-handling", 2), act(STOP, 3), act(CLOCK, 5)], 1),
        ([act("canceled", 2), act(CLOCK, 1)], 1),
        ([act("canceled", 2), act(CLOCK, 3)], 3),
    ],
)
def test_a_clock_of_its_own_starts_and_stops(acts: list[Act], starts: float | None) -> None:
    for arrived in permutations(acts):
        assert start(cycle_of(ENTERED, arrived, (), CLOCK, {STOP})) == starts


def test_a_clock_never_starts_before_the_order_entered() -> None:
    early = act(CLOCK, -30)
    assert cycle_of(ENTERED, [early], (), CLOCK) == Cycle(ENTERED, None, early)


WORDS = ("canceled", "ready-for-handling", "start-handling", "dispute-opened", CLOCK, STOP,
         ORDER_CREATED)  # fmt: skip


@given(
    st.lists(
        st.builds(act, st.sampled_from(WORDS), st.integers(-1, 30), st.sampled_from([1, KNOWN])),
        max_size=5,
    ),
    st.sampled_from([(), (ours(),)]),
    st.sampled_from([(ORDER_CREATED, ()), (CLOCK, (STOP,))]),
)
def test_any_order_of_arrival_gives_the_same_cycle(
    acts: list[Act],
    auto_cancels: tuple[PriorDecision, ...],
    policy: tuple[str, tuple[str, ...]],
) -> None:
    found = {
        (cycle.started_at, cycle.opened and cycle.opened.occurred_at)
        for arrived in permutations(acts)
        for cycle in [cycle_of(ENTERED, arrived, auto_cancels, *policy)]
    }
    assert len(found) == 1
