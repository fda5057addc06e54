"""The planted faults still fit the code: `make simulate-mutants` finds every place."""

import pytest

from tests.support.processes import ROOT

from .mutants import MUTANTS, NOT_CAUGHT_YET, Mutant


@pytest.mark.parametrize("mutant", [*MUTANTS, *NOT_CAUGHT_YET], ids=lambda mutant: mutant.name)
def test_it_can_be_planted(mutant: Mutant) -> None:
    for file, old, new in mutant.edits:
        assert (ROOT / file).read_text(encoding="utf-8").count(old) == 1, file
        assert new != old
