"""An order that was told otherwise: the version with the most time counts."""

import pytest

from schemas.events import RefusalClass
from tests.unit.deadlines.sweep import (
    OPEN,
    PAID,
    SHORT,
    Sweep,
    an_order,
    auto_cancelled,
    change,
    version,
)
from worker.decide.deadlines import Settled
from worker.domain.acts import EXTENDED
from worker.domain.case import Case, Version


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
