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


@pytest.mark.parametrize(
    ("acts", "starts"),
    [
        ([act(CLOCK, 1), act(STOP, 1)], 1),  # stopped and started
        ([act(CLOCK, 1), act("start-handling", 2), act(STOP, 2)], 1),  # handled, so not stopped
        ([act(CLOCK, 1), act("dispute-opened", 2), act(STOP, 2)], 1),
        ([act(CLOCK, 1), act("canceled", 1)], 1),  # cancelled, not opened again
        ([act(CLOCK, 1), act(STOP, 2), act("canceled", 2)], None),
    ],
)
def test_at_one_time_what_the_acts_say_decides(acts: list[Act], starts: float | None) -> None:
    for arrived in permutations(acts):
        assert start(cycle_of(ENTERED, arrived, (), CLOCK, {STOP})) == starts


def test_of_several_openings_at_one_time_the_order_created_tells_the_terms() -> None:
    ready, told = act("ready-for-handling", 3), act(ORDER_CREATED, 3, 1)
    for arrived in permutations([act("canceled", 2), ready, told]):
        assert cycle_of(ENTERED, arrived).opened == told


def test_what_was_handled_at_its_opening_is_handled() -> None:
    """Our auto-cancel of that cycle was wrong then, and ended nothing."""
    acts = [act("canceled", 2), act("ready-for-handling", 3), act("start-handling", 3, KNOWN),
            act("ready-for-handling", 28, KNOWN + 1)]  # fmt: skip
    for arrived in permutations(acts):
        assert start(cycle_of(ENTERED, arrived, [ours(27)])) == 3


def test_a_revoked_auto_cancel_ends_nothing() -> None:
    again = act("ready-for-handling", 26, KNOWN)
    assert start(cycle_of(ENTERED, [again], [ours()._replace(revoked=True)])) == 0


def test_each_cycle_has_its_own_acts_and_decisions() -> None:
    opened = act("ready-for-handling", 26, KNOWN)
    cycle, due = Cycle(opened.occurred_at, opened), ENTERED + 50 * HOUR
    assert not cycle.covers(act("start-handling", 25, KNOWN + 1))
    assert cycle.covers(act("start-handling", 26, KNOWN + 1))
    # What did not know the opening was decided before it, whatever the clocks say.
    assert not cycle.issued(ours(), due)
    assert cycle.issued(ours(50)._replace(read_to={"status": [KNOWN + 1]}), due)
    # Nor was it made here if it knew the opening, and not yet the cancellation before.
    assert not cycle.issued(ours()._replace(read_to={"status": [KNOWN + 1]}), due)
    assert Cycle(ENTERED).covers(opened)
    assert Cycle(ENTERED).issued(ours(), due)


def test_a_decision_before_the_cancellation_was_known_is_of_the_cycle_before() -> None:
    cancel, opened = act("canceled", 10, KNOWN + 1), act("ready-for-handling", 20, KNOWN)
    cycle, due = cycle_of(ENTERED, [opened, cancel]), ENTERED + 44 * HOUR
    assert cycle.opened == opened
    # It was due after the opening and knew it; that it opened anything, it could not know.
    before = ours()._replace(read_to={"status": [KNOWN + 1]})
    assert before.knew(opened.place)
    assert not cycle.issued(before, due)
    assert cycle.issued(before._replace(read_to={"status": [KNOWN + 2]}), due)
    # Unless it is of the same deadline: then it has told already what there is to tell.
    assert cycle.issued(before, before.due)


WORDS = ("canceled", "ready-for-handling", "start-handling", "dispute-opened", CLOCK, STOP,
         ORDER_CREATED)  # fmt: skip
# Few times, so that ties are the rule.
TIMES = (-1, 0, 1, 2, 24, 26, 28)


@given(
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(TIMES), st.booleans()), max_size=5),
    st.sampled_from([(), (ours(),), (ours(), ours(27)), (ours()._replace(revoked=True),)]),
    st.sampled_from([(ORDER_CREATED, ()), (CLOCK, (STOP,))]),
)
def test_any_order_of_arrival_gives_the_same_cycle(
    told: list[tuple[str, int, bool]],
    auto_cancels: tuple[PriorDecision, ...],
    policy: tuple[str, tuple[str, ...]],
) -> None:
    acts = [act(word, at, n + KNOWN * known) for n, (word, at, known) in enumerate(told)]
    found = {cycle_of(ENTERED, arrived, auto_cancels, *policy) for arrived in permutations(acts)}
    (cycle,) = found
    assert cycle.started_at is None or cycle.started_at >= ENTERED
    # A repeat changes nothing.
    assert {cycle_of(ENTERED, [*acts, *acts[::-1]], auto_cancels, *policy)} == found
