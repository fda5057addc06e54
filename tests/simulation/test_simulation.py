"""The promises hold in every course of events that a seed makes."""

import os

import pytest

from tests.simulation.runs import run_all, run_parallel
from tests.simulation.stand_ins import simulated
from tests.simulation.world import run

SEEDS = int(os.environ.get("PLAZO_TEST_SEEDS", "400"))


@pytest.mark.timeout(60 + SEEDS)  # two seeds a second are few
def test_every_seed_keeps_the_promises() -> None:
    results = run_parallel(0, SEEDS, 2)
    failed = {result.seed: result.faults for result in results if result.faults}
    assert not failed, f"replay with: make simulate SEED={min(failed)}\n{failed}"
    happened = {what for result in results for what in result.happened}
    if SEEDS >= 200:
        assert {"crash", "freeze", "rebalance", "stop", "clock step", "database outage"} <= happened


def test_a_seed_runs_the_same_each_time() -> None:
    with simulated():
        for seed in range(20):
            first, second = run(seed, tracing=True), run(seed, tracing=True)
            assert first.trace == second.trace
            assert (first.steps, first.seconds) == (second.steps, second.seconds)


def test_seeds_differ() -> None:
    assert len({(result.steps, result.decisions) for result in run_all(0, 10)}) > 5
