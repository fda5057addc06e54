"""Planted faults: the simulation must catch each fault that is planted in the worker.

    python -m tests.simulation.mutants [--short | --renew] [NAME…]

A fault in a statement is planted in the model of it (``statements/``), and one in a client of
Kafka in the model of that (``kafka.py``). ``tests/integration`` and ``tests/end_to_end`` hold
those parts against the real ones.

No file changes: a process of its own for each fault loads the edited text in place of the module.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.simulation.mutants.fault import SURVIVES, PlantedFault
from tests.simulation.mutants.planted import NOT_CAUGHT_YET, PLANTED
from tests.simulation.mutants.renewal import renew
from tests.simulation.mutants.trial import Trial, try_known_seed, try_out


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulate-mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="planted faults, by a part of their names")
    parser.add_argument("--short", action="store_true", help="run only the known seeds")
    parser.add_argument("--renew", action="store_true", help="write the seeds found into this file")
    parser.add_argument("--seeds", type=int, help="look in more seeds than a fault states")
    chosen = parser.parse_args()
    faults = chosen_faults(chosen.names)
    started, wrong = time.perf_counter(), 0

    def attempt(fault: PlantedFault) -> Trial | Exception:
        try:
            if chosen.short:
                return try_known_seed(fault)
            return try_out(fault, range(chosen.seeds or fault.within or SURVIVES))
        except (AssertionError, LookupError, RuntimeError) as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        for trial in pool.map(attempt, faults):
            if isinstance(trial, Exception):
                wrong += 1
                print(f"FAIL {trial}", flush=True)
                continue
            wrong += not trial.as_stated
            print(trial.advice if chosen.short and not trial.as_stated else trial, flush=True)
            if chosen.renew and trial.as_stated and trial.seed is not None:
                renew(trial)
    seconds = time.perf_counter() - started
    print(f"{len(faults)} planted faults, {wrong} not as stated, {seconds:.0f} s")
    return bool(wrong)


def chosen_faults(names: Sequence[str]) -> list[PlantedFault]:
    """All planted faults, or those that are named; also those not caught yet, if they are."""
    if not names:
        return list(PLANTED)
    known = (*PLANTED, *NOT_CAUGHT_YET)
    for name in names:
        if not any(name in fault.name for fault in known):
            raise SystemExit(f"no planted fault has {name!r} in its name")
    return [fault for fault in known if any(name in fault.name for name in names)]


if __name__ == "__main__":
    sys.exit(main())
