"""Writes the seeds that were found into the files of the planted faults."""

import re
from pathlib import Path

from tests.simulation.mutants.trial import Trial

_PLANTED = Path(__file__).parent / "planted"


def renew(trial: Trial) -> None:
    """Write the seed that caught a fault into the file that plants it."""
    place = rf'(PlantedFault\(\s*"{re.escape(trial.fault.name)}",\s*"[^"]*",\s*\d+,\s*)\w+'
    for file in _PLANTED.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        if (changed := re.sub(place, rf"\g<1>{trial.seed}", text)) != text:
            # In one step: the process of another fault may import this file just now.
            renewed = file.with_suffix(".renewed")
            renewed.write_text(changed, encoding="utf-8")
            renewed.replace(file)
