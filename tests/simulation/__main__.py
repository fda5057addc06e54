"""Runs seeds: ``python -m tests.simulation 2000``, or one with its trace: ``--seed 123``."""

import argparse
import sys
import time

from tests.simulation.runs import run_parallel
from tests.simulation.world import run, simulated


def replay(seed: int) -> int:
    """Run one seed again and print everything that happened."""
    with simulated():
        result = run(seed, tracing=True)
    for now, *rest in result.trace:
        print(f"{now:10.4f}  {'  '.join(rest)}")
    for fault in result.faults:
        print("FAULT", fault)
    print(f"seed {seed}: {len(result.faults)} faults, {result.steps} steps")
    return bool(result.faults)


def _short(fault: str) -> str:
    lines = fault.strip().splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1]}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("seeds", nargs="?", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone and print its trace")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--stop-after", type=int, default=10, help="failing seeds, per job")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        return replay(chosen.seed)
    started = time.perf_counter()
    results = run_parallel(chosen.first, chosen.seeds, chosen.jobs, chosen.stop_after)
    elapsed = time.perf_counter() - started
    happened: dict[str, int] = {}
    for result in results:
        for what, number in result.happened.items():
            happened[what] = happened.get(what, 0) + number
    failed = [result for result in results if result.faults]
    print(
        f"{len(results)} seeds, {len(results) / elapsed:.1f} seeds/s, "
        f"{sum(r.steps for r in results)} steps, {sum(r.decisions for r in results)} decisions, "
        f"{len(failed)} failed"
    )
    print(", ".join(f"{what} {number}" for what, number in sorted(happened.items())))
    for result in failed:
        print(f"seed {result.seed} (replay: make simulate SEED={result.seed})")
        for fault in result.faults[:4]:
            print(f"    {_short(fault)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
