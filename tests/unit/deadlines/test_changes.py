"""Extensions and holds, before the verdict and after it; without one nothing moves."""

from datetime import UTC, datetime
from itertools import permutations

import pytest

from schemas.events import RefusalClass
from tests.unit.deadlines.sweep import (
    DAY,
    DUE,
    FACTS,
    HOUR,
    LIMITS,
    NOW,
    OPEN,
    REVOKED,
    Sweep,
    act,
    an_order,
    at,
    auto_cancelled,
    change,
)
from worker.decide.deadlines import Deadlines, Settled
from worker.domain.acts import EXTENDED, HELD, RELEASED, Change, Place
from worker.domain.case import Case, Finding, Judgement
from worker.domain.deadline import Outage
from worker.domain.policy import Policies


class TestWithoutAChange:
    def test_the_case_stays_as_it_is(self) -> None:
        case = Case(an_order())
        sweep = Sweep(case)
        assert sweep.settled == Settled(case)
        assert not sweep.writes

    def test_acts_of_the_first_cycle_change_no_clock(self) -> None:
        case = Case(an_order(), acts=(act("start-handling", 2), act("canceled", 3)))
        sweep = Sweep(case)
        assert sweep.settled == Settled(case)
        assert not sweep.writes

    def test_an_outage_of_another_time_gives_nothing(self) -> None:
        case = Case(an_order())
        assert Sweep(case, outages=[Outage(at(30), at(40))]).settled == Settled(case)


class TestExtensions:
    def test_move_the_deadline_and_no_verdict_falls(self) -> None:
        given = change(EXTENDED, 3, 30)
        sweep = Sweep(Case(an_order(), changes=(given,)))
        assert sweep.judgement == OPEN
        assert sweep.moved == [(30, False, 31)]
        assert sweep.counted == [given]

    def test_none_takes_time_away_whatever_their_order(self) -> None:
        longer, shorter = change(EXTENDED, 3, 40), change(EXTENDED, 4, 30)
        for arrived in permutations([longer, shorter]):
            sweep = Sweep(Case(an_order(), changes=arrived))
            assert sweep.moved == [(40, False, 41)]
            assert {*sweep.counted} == {longer, shorter}

    def test_a_shorter_one_that_comes_later_moves_nothing(self) -> None:
        order = an_order(due=at(40), first_due=DUE, fires_at=at(41))
        known, shorter = change(EXTENDED, 3, 40, counted=True), change(EXTENDED, 4, 30)
        sweep = Sweep(Case(order, changes=(known, shorter)))
        assert (sweep.judgement, sweep.moved, sweep.counted) == (None, [], [shorter])

    @pytest.mark.parametrize("due", [12, 24, 124.01])
    def test_out_of_range_are_refused(self, due: float) -> None:
        given = change(EXTENDED, 3, due)
        sweep = Sweep(Case(an_order(), changes=(given,)))
        assert sweep.refused == [(given, RefusalClass.OUT_OF_RANGE)]
        assert (sweep.judgement, sweep.moved, sweep.case.changes) == (None, [], ())

    def test_may_reach_the_limit_exactly(self) -> None:
        assert Sweep(Case(an_order(), changes=(change(EXTENDED, 3, 124),))).moved == [
            (124, False, 125)
        ]

    def test_the_limit_is_measured_from_the_first_deadline(self) -> None:
        order = an_order(due=at(120), first_due=DUE, fires_at=at(121))
        more = change(EXTENDED, 3, 130)
        sweep = Sweep(Case(order, changes=(change(EXTENDED, 2, 120, counted=True), more)))
        assert sweep.refused == [(more, RefusalClass.OUT_OF_RANGE)]

    def test_one_that_counts_stays_when_the_limit_is_lowered(self) -> None:
        order = an_order(due=at(500), first_due=DUE, fires_at=at(501))
        case = Case(order, changes=(change(EXTENDED, 2, 500, counted=True),))
        assert Sweep(case).settled == Settled(case)

    def test_at_the_end_of_all_time_nothing_is_written_down(self) -> None:
        end = datetime.max.replace(tzinfo=UTC)
        order = an_order(due=end - 2 * HOUR, fires_at=end - HOUR)
        given = Change(EXTENDED, at(3), at(3), Place("t", 0, 1), end)
        for case in (Case(order, changes=(given,)), auto_cancelled(order, changes=(given,))):
            deadlines = Deadlines(Policies.of(DAY), LIMITS, (), NOW)
            with pytest.raises(OverflowError):
                deadlines.settle(case, FACTS)
            assert (deadlines._moved, deadlines._counted, deadlines.refused) == ([], [], 0)


class TestHolds:
    def test_hold_the_verdict_as_long_as_a_hold_may_last(self) -> None:
        sweep = Sweep(Case(an_order(), changes=(change(HELD, 3),)))
        assert sweep.judgement == OPEN
        assert sweep.moved == [(24, True, 51)]

    def test_the_deadline_is_never_earlier_for_it(self) -> None:
        changes = change(HELD, 3), change(EXTENDED, 4, 90)
        assert Sweep(Case(an_order(), changes=changes)).moved == [(90, True, 91)]

    @pytest.mark.parametrize(
        ("now", "judgement", "expired"), [(50.9, OPEN, False), (51, None, True), (60, None, True)]
    )
    def test_expire(self, now: float, judgement: Judgement | None, expired: bool) -> None:
        case = Case(an_order(), changes=(change(HELD, 3, counted=True),))
        sweep = Sweep(case, now=at(now))
        assert (sweep.judgement, sweep.case.hold_expired) == (judgement, expired)
        assert not sweep.writes

    def test_a_later_one_begins_anew(self) -> None:
        known, again = change(HELD, 3, counted=True), change(HELD, 40)
        sweep = Sweep(Case(an_order(), changes=(known, again)), now=at(60))
        assert (sweep.judgement, sweep.moved) == (OPEN, [(24, True, 88)])

    def test_a_release_gives_the_deadline_back(self) -> None:
        known, release = change(HELD, 3, counted=True), change(RELEASED, 4)
        sweep = Sweep(Case(an_order(), changes=(known, release)))
        assert (sweep.judgement, sweep.moved) == (OPEN, [(24, False, 25)])

    def test_held_and_released_at_once_changes_nothing(self) -> None:
        changes = change(HELD, 3), change(RELEASED, 4)
        sweep = Sweep(Case(an_order(), changes=changes))
        assert (sweep.judgement, sweep.moved, sweep.counted) == (None, [], [*changes])


class TestAfterTheVerdict:
    @pytest.mark.parametrize(
        ("given", "moved"),
        [
            (change(EXTENDED, 3, 30), (30, False, 31)),
            (change(EXTENDED, 24, 30), (30, False, 31)),  # at the very end
            (change(HELD, 24), (24, True, 72)),
        ],
    )
    def test_a_change_that_was_issued_in_time_revokes_it(
        self, given: Change, moved: tuple[float, bool, float]
    ) -> None:
        sweep = Sweep(auto_cancelled(changes=(given,)))
        assert sweep.judgement == REVOKED
        assert (sweep.moved, sweep.counted, sweep.refused) == ([moved], [given], [])

    def test_one_that_was_issued_too_late_is_refused(self) -> None:
        late = change(EXTENDED, 24.01, 30)
        sweep = Sweep(auto_cancelled(changes=(late,)))
        assert sweep.refused == [(late, RefusalClass.TOO_LATE)]
        assert (sweep.judgement, sweep.moved, sweep.case.changes) == (None, [], ())

    def test_late_ones_beside_one_in_time_are_refused(self) -> None:
        given, late = change(EXTENDED, 3, 30), change(EXTENDED, 25, 60)
        sweep = Sweep(auto_cancelled(changes=(given, late)))
        assert (sweep.moved, sweep.refused) == (
            [(30, False, 31)], [(late, RefusalClass.TOO_LATE)]
        )  # fmt: skip

    @pytest.mark.parametrize("due", [20, 124.01])
    def test_an_extension_out_of_range_revokes_nothing(self, due: float) -> None:
        given = change(EXTENDED, 3, due)
        sweep = Sweep(auto_cancelled(changes=(given,)))
        assert (sweep.judgement, sweep.moved) == (None, [])
        assert [one for one, _ in sweep.refused] == [given]

    def test_an_extension_that_gives_no_more_time_revokes_nothing(self) -> None:
        order = an_order(due=at(40), first_due=DUE, fires_at=at(41))
        known, shorter = change(EXTENDED, 3, 40, counted=True), change(EXTENDED, 4, 30)
        sweep = Sweep(auto_cancelled(order, changes=(known, shorter)))
        assert (sweep.judgement, sweep.moved) == (None, [])
        assert sweep.refused == [(shorter, RefusalClass.TOO_LATE)]

    def test_a_release_revokes_nothing(self) -> None:
        sweep = Sweep(auto_cancelled(changes=(change(HELD, 3), change(RELEASED, 4))))
        assert (sweep.judgement, sweep.moved) == (None, [])

    def test_where_nothing_was_told_there_is_nothing_to_revoke(self) -> None:
        given = change(EXTENDED, 3, 30)
        kept = Case(an_order(), finding=Finding.VALIDATED, changes=(given,))
        sweep = Sweep(kept)
        assert (sweep.judgement, sweep.moved) == (None, [])
        assert sweep.refused == [(given, RefusalClass.TOO_LATE)]

    def test_known_changes_are_not_judged_again(self) -> None:
        case = auto_cancelled(changes=(change(EXTENDED, 3, 24.5, counted=True),))
        assert Sweep(case).settled == Settled(case)


def test_an_order_with_more_new_changes_comes_again() -> None:
    case = Case(an_order(), changes=(change(EXTENDED, 3, 30),), more_changes=True)
    assert Sweep(case).deadlines.unfinished
    assert not Sweep(case._replace(more_changes=False)).deadlines.unfinished
