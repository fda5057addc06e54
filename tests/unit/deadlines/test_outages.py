"""An outage gives back the time that it took."""

from tests.unit.deadlines.sweep import DUE, OPEN, Sweep, an_order, at, auto_cancelled
from worker.decide.deadlines import Settled
from worker.domain.case import Case
from worker.domain.deadline import Outage


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
