"""Every planted fault is caught by the seed that is known to catch it."""

import pytest

from .mutants.fault import PlantedFault
from .mutants.planted import NOT_CAUGHT_YET, PLANTED
from .mutants.planting import edited
from .mutants.trial import try_known_seed


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.name)
def test_its_seed_catches_the_planted_fault(fault: PlantedFault) -> None:
    trial = try_known_seed(fault)
    assert trial.as_stated, trial.advice


@pytest.mark.parametrize("fault", NOT_CAUGHT_YET, ids=lambda fault: fault.name)
def test_it_can_be_planted(fault: PlantedFault) -> None:
    edited(fault)
