"""The deadline in force: cycles, stopped clocks, versions, extensions, holds and outages."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import RefusalClass
from schemas.statuses import STATUSES, Meaning
from worker.decide.deadlines import ChangeLimits, ClockChange, Deadlines, Settled
from worker.domain.acts import EXTENDED, HELD, RELEASED, Act, Change, Place
from worker.domain.case import (
    Case,
    Decision,
    Finding,
    Judgement,
    Kind,
    Order,
    PriorDecision,
    Reason,
    Version,
)
from worker.domain.cycle import cycle_of
from worker.domain.deadline import Outage
from worker.domain.policy import AtLapse, Facts, Match, Policies, Policy, Rule

HOUR = timedelta(hours=1)
ENTERED = datetime(2026, 11, 22, 9, tzinfo=UTC)
DUE = ENTERED + 24 * HOUR
NOW = ENTERED + 25 * HOUR
LIMITS = ChangeLimits(extension=100 * HOUR, hold=48 * HOUR)
CLOCK, STOP = "payment-approved", "payment-pending"
KNOWN = 1_000  # the first offset that no verdict knew

DAY = Policy("day", 24 * HOUR, HOUR)
PAID = Policy("paid", 24 * HOUR, HOUR, clock=CLOCK, stops=frozenset({STOP}))
SHORT = Policy("short", 6 * HOUR, HOUR, AtLapse.ESCALATE, version=3)
FACTS = Facts("s", "courier", None, None)
OPEN = Judgement(None, None, ())

_offsets = count(KNOWN)


def at(hours: float) -> datetime:
    return ENTERED + hours * HOUR


def an_order(policy: Policy = DAY, **terms: object) -> Order:
    order = Order(
        "o", "s", "courier", ENTERED, DUE, policy.name, policy.at_lapse, Place("c", 0, 0), ENTERED,
        policy.version, fires_at=DUE + HOUR, grace=HOUR, started_at=ENTERED,
    )  # fmt: skip
    return order._replace(**terms)  # type: ignore[arg-type]


def change(kind: str, when: float, due: float | None = None, *, counted: bool = False) -> Change:
    """``when`` and ``due`` in hours after the entry."""
    until = None if due is None else at(due)
    return Change(kind, at(when), at(when), Place("t", 0, next(_offsets)), until, counted)


def act(status: str, when: float, offset: int | None = None) -> Act:
    place = Place("t", 0, next(_offsets) if offset is None else offset)
    return Act(status, at(when), at(when), place, meaning=STATUSES[status])


def version(entered: float = 0, policy: Policy = DAY, seller_id: str | None = "s") -> Version:
    place = Place("c", 0, next(_offsets))
    due = policy.due(at(entered))
    return Version(place, at(entered), seller_id, at(entered), policy, due)


def ours(due: float = 24, *, ordinal: int = 1, revoked: bool = False) -> PriorDecision:
    return PriorDecision(ordinal, "id", Kind.AUTO_CANCEL, Reason.STOCK_NOT_VALIDATED, ordinal,
                         at(due + 1), at(due), {"t": [KNOWN], "c": [KNOWN]}, revoked)  # fmt: skip


def auto_cancelled(order: Order | None = None, **facts: object) -> Case:
    case = Case(order or an_order(), finding=Finding.SILENT, decided=1, standing=(ours(),),
                auto_cancels=(ours(),))  # fmt: skip
    return case._replace(**facts)  # type: ignore[arg-type]


REVOKED = Judgement(None, None, (Decision(2, Kind.REVOKED, Reason.LATE_EVIDENCE, ours()),))


class Sweep:
    """What settling one case gives, and what there is to store."""

    def __init__(
        self,
        case: Case,
        policies: Policies | Policy = DAY,
        outages: Sequence[Outage] = (),
        now: datetime = NOW,
        facts: Facts = FACTS,
    ) -> None:
        if isinstance(policies, Policy):
            policies = Policies.of(policies)
        self.deadlines = Deadlines(policies, LIMITS, outages, now)
        self.settled: Settled = self.deadlines.settle(case, facts)
        self.case, self.judgement = self.settled

    @property
    def moved(self) -> list[tuple[float, bool, float]]:
        """The due, whether it is held, and the time of the verdict, in hours after the entry."""
        return [
            ((planned.due - ENTERED) / HOUR, planned.held, (fires_at - ENTERED) / HOUR)
            for _, planned, fires_at in self.deadlines._moved
        ]

    @property
    def clocks(self) -> list[ClockChange]:
        return self.deadlines._clocks

    @property
    def counted(self) -> list[Change]:
        return [one for _, one in self.deadlines._counted]

    @property
    def refused(self) -> list[tuple[Change, RefusalClass]]:
        return [(one, error) for _, one, error, _ in self.deadlines._refused]

    @property
    def writes(self) -> bool:
        return bool(self.moved or self.clocks or self.counted or self.deadlines.refused)


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


class TestOutages:
    OUTAGE = Outage(at(20), at(30))

    def test_give_back_what_they_took(self) -> None:
        sweep = Sweep(Case(an_order()), outages=[self.OUTAGE])
        assert (sweep.judgement, sweep.moved) == (OPEN, [(34, False, 35)])

    def test_are_given_back_once(self) -> None:
        order = an_order(due=at(34), first_due=DUE, fires_at=at(35))
        assert Sweep(Case(order), outages=[self.OUTAGE]).settled == Settled(Case(order))

    def test_do_not_touch_a_verdict(self) -> None:
        assert not Sweep(auto_cancelled(), outages=[self.OUTAGE]).writes


class TestVersions:
    """An order that was told otherwise, while no verdict has fallen."""

    def test_the_one_with_the_most_time_counts(self) -> None:
        sweep = Sweep(Case(an_order(), versions=(version(2), version(5), version(1))))
        assert (sweep.judgement, sweep.moved) == (OPEN, [(29, False, 30)])

    @pytest.mark.parametrize("other", [version(-3), version(0, SHORT), version(0)])
    def test_none_takes_time_away(self, other: Version) -> None:
        case = Case(an_order(), versions=(other,))
        assert Sweep(case).settled == Settled(case)

    def test_extensions_go_on_from_there(self) -> None:
        changes = change(EXTENDED, 3, 28), change(EXTENDED, 3, 127)
        sweep = Sweep(Case(an_order(), versions=(version(5),), changes=changes))
        assert (sweep.moved, sweep.counted) == ([(127, False, 128)], [changes[1]])
        assert sweep.refused == [(changes[0], RefusalClass.OUT_OF_RANGE)]

    def test_after_the_verdict_they_change_no_deadline(self) -> None:
        case = auto_cancelled(versions=(version(0, PAID),))
        assert Sweep(case).settled == Settled(case)


class TestAnotherCycle:
    READY = act("ready-for-handling", 26)

    def test_a_cancelled_order_that_lives_on_has_a_new_deadline(self) -> None:
        case = Case(an_order(), (act("canceled", 3), act("ready-for-handling", 5)))
        sweep = Sweep(case)
        assert sweep.judgement == OPEN
        assert sweep.clocks == [
            ClockChange("o", at(5), at(29), at(30), "day", 0, "auto-cancel", DUE + HOUR, None, "s")
        ]
        assert (sweep.case.order.due, sweep.case.order.started_at) == (at(29), at(5))
        assert [one.status for one in sweep.case.acts] == ["ready-for-handling"]

    def test_so_has_one_whose_verdict_was_that_it_is_closed(self) -> None:
        case = Case(an_order(), (act("canceled", 3), self.READY), finding=Finding.CANCELLED)
        sweep = Sweep(case)
        assert (sweep.judgement, sweep.case.finding) == (OPEN, None)
        assert [clock.due for clock in sweep.clocks] == [at(50)]

    def test_so_has_one_that_we_cancelled_and_nothing_is_revoked(self) -> None:
        sweep = Sweep(auto_cancelled(acts=(self.READY,)))
        assert sweep.judgement == OPEN
        assert [clock.due for clock in sweep.clocks] == [at(50)]
        assert (sweep.case.standing, sweep.case.auto_cancels) == ((), ())
        assert sweep.case.cancelled_before

    def test_handling_of_an_order_that_we_had_cancelled_is_told_at_once(self) -> None:
        sweep = Sweep(auto_cancelled(acts=(self.READY, act("start-handling", 27))))
        assert sweep.judgement == Judgement(
            None, None, (Decision(2, Kind.ESCALATION, Reason.HANDLED_AFTER_DEADLINE),)
        )

    def again(self, **facts: object) -> Case:
        """The case of the order once its new clock is stored."""
        order = an_order(started_at=at(26), due=at(50), fires_at=at(51))
        case = auto_cancelled(order, acts=(self.READY,), finding=None)
        return case._replace(**facts)  # type: ignore[arg-type]

    def test_once_its_clock_is_set_nothing_more_is(self) -> None:
        sweep = Sweep(self.again())
        assert not sweep.writes
        assert sweep.judgement is None
        assert sweep.case.cancelled_before

    def test_changes_from_before_are_refused_and_later_ones_count(self) -> None:
        before, since = change(EXTENDED, 3, 90), change(EXTENDED, 27, 60)
        sweep = Sweep(self.again(changes=(before, since)))
        assert sweep.refused == [(before, RefusalClass.TOO_LATE)]
        assert (sweep.counted, sweep.moved) == ([since], [(60, False, 61)])

    def test_evidence_of_the_first_cycle_brings_it_back(self) -> None:
        """Our auto-cancel was wrong and ended nothing: its verdict is judged again."""
        sweep = Sweep(self.again(acts=(act("start-handling", 5), self.READY)))
        assert sweep.judgement == OPEN
        assert [(clock.started_at, clock.due) for clock in sweep.clocks] == [(ENTERED, DUE)]
        assert sweep.case.standing == (ours(),), "still to be revoked"
        assert not sweep.case.cancelled_before

    def test_an_order_created_that_opens_it_tells_seller_and_policy(self) -> None:
        told = version(26, SHORT, "other")
        sweep = Sweep(auto_cancelled(versions=(told,)), Policies((Rule(Match(), DAY),)))
        (clock,) = sweep.clocks
        assert clock.seller_id == sweep.case.order.seller_id == "other"
        assert (clock.due, clock.policy, clock.policy_version) == (at(32), "short", 3)
        assert clock.at_lapse == sweep.case.order.at_lapse == "escalate"
        assert sweep.case.versions == (), "it tells nothing otherwise"

    def test_two_that_open_it_at_one_time_tell_it_differently(self) -> None:
        first, second = version(26, DAY, "other"), version(26, SHORT, "third")
        sweep = Sweep(auto_cancelled(versions=(first, second)), Policies((Rule(Match(), DAY),)))
        assert len(sweep.case.versions) == 1
        assert sweep.case.versions[0].seller_id != sweep.case.order.seller_id

    def test_a_status_opens_it_with_all_that_was_told_of_it(self) -> None:
        """The order was told of another seller before. Whose silence would it be?"""
        told = version(0, SHORT, "other"), version(-2, DAY, "third")
        assert Sweep(self.again(versions=told)).case.versions == told

    def test_the_policy_of_the_order_counts_for_its_next_cycle(self) -> None:
        both = Policies((Rule(Match(), SHORT), Rule(Match(), DAY)))
        assert [clock.policy for clock in Sweep(auto_cancelled(acts=(self.READY,)), both).clocks] \
            == ["day"]  # fmt: skip

    def test_if_that_is_gone_one_is_chosen(self) -> None:
        (clock,) = Sweep(auto_cancelled(acts=(self.READY,)), SHORT).clocks
        assert (clock.policy, clock.due) == ("short", at(32))

    def test_a_fact_that_is_missing_is_a_doubt(self) -> None:
        rules = Rule(Match(at_least=Decimal(500)), SHORT), Rule(Match(), DAY)
        (clock,) = Sweep(auto_cancelled(acts=(self.READY,)), Policies(rules)).clocks
        assert clock.doubt == Reason.FACTS_MISSING
        rich = replace(FACTS, total=Decimal(120))
        (clock,) = Sweep(auto_cancelled(acts=(self.READY,)), Policies(rules), facts=rich).clocks
        assert clock.doubt is None


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


def test_an_order_with_more_new_changes_comes_again() -> None:
    case = Case(an_order(), changes=(change(EXTENDED, 3, 30),), more_changes=True)
    assert Sweep(case).deadlines.unfinished
    assert not Sweep(case._replace(more_changes=False)).deadlines.unfinished


def test_the_statuses_of_these_tests_say_nothing_else() -> None:
    assert STATUSES[CLOCK] == STATUSES[STOP] == Meaning.NOTHING
