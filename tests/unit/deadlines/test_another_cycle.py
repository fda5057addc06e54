"""A cancelled order that lives on has a deadline of its own."""

from dataclasses import replace
from decimal import Decimal

from schemas.events import RefusalClass
from tests.unit.deadlines.sweep import (
    DAY,
    DUE,
    ENTERED,
    FACTS,
    HOUR,
    OPEN,
    SHORT,
    Sweep,
    act,
    an_order,
    at,
    auto_cancelled,
    change,
    ours,
    version,
)
from worker.decide.deadlines import ClockChange
from worker.domain.acts import EXTENDED
from worker.domain.case import Case, Decision, Finding, Judgement, Kind, Reason
from worker.domain.policy import Match, Policies, Rule


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
