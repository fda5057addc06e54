"""Runs many seeds, in one process or several."""

import gc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.world import Result, run, simulated


def run_all(first: int, number: int, step: int = 1, most_faults: int = 10) -> list[Result]:
    """Run every ``step``-th of ``number`` seeds; stops after some that fail."""
    results, failed = [], 0
    gc.collect()
    gc.freeze()
    with simulated():
        for seed in range(first, first + number, step):
            result = run(seed)
            results.append(result)
            failed += bool(result.faults)
            if failed >= most_faults:
                break
            if len(results) % 100 == 0:
                gc.collect()
    gc.unfreeze()
    return results


def run_parallel(first: int, number: int, jobs: int, most_faults: int = 10) -> list[Result]:
    """The same in several processes."""
    if jobs == 1:
        return run_all(first, number, most_faults=most_faults)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        parts = [
            pool.submit(run_all, first + job, number - job, jobs, most_faults)
            for job in range(jobs)
        ]
        results = [result for part in parts for result in part.result()]
    return sorted(results, key=lambda result: result.seed)
