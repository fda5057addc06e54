"""Clocks that start and stop by what happens to an order."""

from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.statuses import STATUSES, Meaning
from tests.unit.deadlines.sweep import (
    CLOCK,
    DAY,
    DUE,
    ENTERED,
    FACTS,
    HOUR,
    LIMITS,
    NOW,
    OPEN,
    PAID,
    REVOKED,
    STOP,
    Sweep,
    act,
    an_order,
    at,
    auto_cancelled,
    ours,
)
from worker.decide.deadlines import ClockChange, Deadlines
from worker.domain.acts import Act
from worker.domain.case import Case, Finding
from worker.domain.cycle import cycle_of
from worker.domain.policy import Policies, Policy


class TestClocksThatStartAndStop:
    def paid(self, *acts: Act, **facts: object) -> Case:
        """Its clock is known to have started with the entry."""
        case = Case(an_order(PAID), (act(CLOCK, 0), *acts))
        return case._replace(**facts)  # type: ignore[arg-type]

    def decided(self, *acts: Act) -> Case:
        facts = auto_cancelled()
        return self.paid(*acts, finding=facts.finding, decided=1, standing=facts.standing,
                         auto_cancels=facts.auto_cancels)  # fmt: skip

    def test_a_stopped_clock_waits(self) -> None:
        sweep = Sweep(self.paid(act(STOP, 2)), PAID)
        assert sweep.judgement == OPEN
        assert sweep.clocks == [
            ClockChange("o", None, None, None, None, 0, None, DUE + HOUR, None, "s")
        ]

    def test_a_clock_that_starts_again_has_a_whole_window(self) -> None:
        sweep = Sweep(self.paid(act(STOP, 2), act(CLOCK, 7)), PAID)
        assert sweep.judgement == OPEN
        assert [(clock.started_at, clock.due) for clock in sweep.clocks] == [(at(7), at(31))]

    def test_while_no_verdict_has_fallen_the_first_start_counts(self) -> None:
        order = an_order(PAID, started_at=at(6), due=at(30), fires_at=at(31))
        sweep = Sweep(Case(order, (act(CLOCK, 6), act(CLOCK, 1))), PAID)
        assert [(clock.started_at, clock.due) for clock in sweep.clocks] == [(at(1), at(25))]

    def test_after_the_verdict_no_start_takes_time_away(self) -> None:
        order = an_order(PAID, started_at=at(6), due=at(30), fires_at=at(31))
        case = auto_cancelled(order, acts=(act(CLOCK, 6), act(CLOCK, 1)))
        case = case._replace(auto_cancels=(ours(30),), standing=(ours(30),))
        sweep = Sweep(case, PAID)
        assert sweep.judgement is None
        assert not sweep.clocks

    def test_a_later_start_that_becomes_known_revokes_the_verdict(self) -> None:
        sweep = Sweep(self.decided(act(STOP, 2), act(CLOCK, 7)), PAID)
        assert sweep.judgement == REVOKED
        assert [(clock.started_at, clock.due) for clock in sweep.clocks] == [(at(7), at(31))]

    def test_so_does_a_stop(self) -> None:
        sweep = Sweep(self.decided(act(STOP, 2)), PAID)
        assert sweep.judgement == REVOKED
        assert [clock.due for clock in sweep.clocks] == [None]

    def test_an_order_of_which_nothing_was_told_keeps_its_clock(self) -> None:
        kept = self.paid(act(STOP, 2), act(CLOCK, 7), finding=Finding.VALIDATED)
        assert not Sweep(kept, PAID).clocks

    def test_the_terms_stay_when_their_policy_is_gone(self) -> None:
        assert not Sweep(self.paid(act(STOP, 2)), DAY).writes


class TestOrdersThatWait:
    def start(self, *acts: Act, policy: Policy = PAID) -> Deadlines:
        deadlines = Deadlines(Policies.of(policy), LIMITS, (), NOW)
        deadlines.start("o", ENTERED, FACTS, acts)
        return deadlines

    @pytest.mark.parametrize("acts", [[], [act("start-handling", 2)], [act(STOP, 1)]])
    def test_wait_on_without_their_clock(self, acts: list[Act]) -> None:
        assert self.start(*acts)._clocks == []

    def test_start_with_it(self) -> None:
        (clock,) = self.start(act(CLOCK, 2))._clocks
        assert clock == ClockChange(
            "o", at(2), at(26), at(27), "paid", 0, "auto-cancel", None, None, "s"
        )

    def test_an_act_that_would_start_it_before_the_entry_is_refused(self) -> None:
        early = act(CLOCK, -30)
        deadlines = self.start(early)
        assert [(clock.started_at, clock.due) for clock in deadlines._clocks] == [(ENTERED, DUE)]
        assert deadlines._early == [("o", early)]
        assert deadlines.refused == 1

    def test_a_deadline_beyond_all_time_is_told(self) -> None:
        endless = Policy("endless", timedelta.max, HOUR, clock=CLOCK)
        with pytest.raises(OverflowError):
            self.start(act(CLOCK, 2), policy=endless)


WORDS = ("canceled", "ready-for-handling", "start-handling", CLOCK, STOP)


@given(
    st.lists(st.tuples(st.sampled_from(WORDS), st.integers(-1, 4)), max_size=5),
    st.sampled_from([DAY, PAID]),
    st.randoms(use_true_random=False),
)
def test_one_by_one_in_any_order_acts_start_the_clock_that_all_of_them_start(
    told: list[tuple[str, int]], policy: Policy, random: Random
) -> None:
    acts = [act(word, when, n) for n, (word, when) in enumerate(told)]
    random.shuffle(acts)
    started: datetime | None = ENTERED if policy == DAY else None
    for seen in range(1, len(acts) + 1):
        known = tuple(acts[:seen])
        deadlines = Deadlines(Policies.of(policy), LIMITS, (), NOW)
        if started is None:
            deadlines.start("o", ENTERED, FACTS, known)
        else:
            due = started + 24 * HOUR
            order = an_order(policy, started_at=started, due=due, fires_at=due + HOUR)
            deadlines.settle(Case(order, known), FACTS)
        if deadlines._clocks:
            (clock,) = deadlines._clocks
            started = clock.started_at
    cycle = cycle_of(ENTERED, acts, (), policy.clock, policy.stops)
    assert started == cycle.started_at


def test_the_statuses_of_these_tests_say_nothing_else() -> None:
    assert STATUSES[CLOCK] == STATUSES[STOP] == Meaning.NOTHING
