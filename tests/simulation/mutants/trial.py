"""Tries a planted fault out, in a process of its own."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from tests.simulation.mutants.fault import PlantedFault
from tests.simulation.mutants.planting import Finder, edited

# Takes long to import, and is not ours.
_HEAVY = ["aiohttp", "aiokafka", "asyncpg", "jsonschema", "pydantic_settings", "structlog", "yaml"]


@dataclass(frozen=True)
class Trial:
    """What the simulation made of a planted fault."""

    fault: PlantedFault
    seeds: int
    seed: int | None  # the one that caught it
    caught: str | None  # the first broken promise

    @property
    def as_stated(self) -> bool:
        return (self.caught is not None) == (self.fault.within > 0)

    @property
    def advice(self) -> str:
        """What to do when the known seed says otherwise than the fault states."""
        fault = self.fault
        if not fault.within:
            return f"{self}\nThe second line of defence does not hold."
        return (
            f"{self}\nThe order of events may have changed, so that another seed catches it. This "
            f"looks for one and writes it beside the fault:\n"
            f"    make simulate-mutants ARGS='--renew \"{fault.name}\"'"
        )

    def __str__(self) -> str:
        fault = self.fault
        stated = f"within {fault.within} seeds" if fault.within else "held"
        how = f"caught by seed {self.seed}" if self.caught else f"not caught, seeds: {self.seeds}"
        mark = "ok  " if self.as_stated else "FAIL"
        told = f"\n         {self.caught[:160]}" if self.caught else ""
        return f"{mark} {fault.name}: {how}, stated: {stated} ({fault.breaks}){told}"


def try_out(fault: PlantedFault, seeds: range) -> Trial:
    """Plant a fault in a process of its own, and run seeds until one fails.

    Raises:
        LookupError: the fault does not fit the code any more.
    """
    texts = edited(fault)
    context = get_context("forkserver")
    context.set_forkserver_preload(_HEAVY)
    ours, theirs = context.Pipe()
    process = context.Process(target=_try_out, args=(theirs, texts, seeds), daemon=True)
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        answer = "its process died"
    finally:
        process.kill()
        process.join()
        ours.close()
    if isinstance(answer, str):
        raise RuntimeError(f"{fault.name}: {answer}")
    return Trial(fault, *answer)


def _try_out(answer: Connection, texts: Mapping[Path, str], seeds: range) -> None:
    try:
        Finder(texts).install()
        from tests.simulation.runs import live_no_longer_than_parent, run_all

        live_no_longer_than_parent()
        results = run_all(seeds.start, len(seeds), most_failed=1)
        last = results[-1]
        if last.faults:
            answer.send((len(results), last.seed, last.faults[0].strip().splitlines()[0]))
        else:
            answer.send((len(results), None, None))
    except BaseException:
        answer.send(traceback.format_exc())


def try_known_seed(fault: PlantedFault) -> Trial:
    """Run only the seed that is known to catch the fault.

    Raises: as :func:`try_out`.
    """
    assert fault.seed is not None, f"no seed is known to catch: {fault.name}"
    return try_out(fault, range(fault.seed, fault.seed + 1))
