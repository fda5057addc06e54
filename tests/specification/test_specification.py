"""The specification holds, and breaks where a safeguard is left out."""

import os

import pytest

from tests.specification import run


def _name(walk: run.Walk) -> str:
    return f"{walk.variant}-{walk.step}-{'-'.join(walk.invariants)}"


@pytest.fixture(scope="module", autouse=True)
def checker() -> None:
    reason = run.missing()
    if reason and not os.environ.get("CI"):
        pytest.skip(f"the specification was not run: {reason}")
    assert reason is None
    run.install()


@pytest.mark.parametrize("walk", run.HOLDS, ids=_name)
def test_the_protocol_keeps_its_invariants(walk: run.Walk) -> None:
    outcome = run.run(walk)
    assert not outcome.violated, outcome.told


@pytest.mark.parametrize("walk", run.BREAKS, ids=_name)
def test_no_safeguard_can_be_left_out(walk: run.Walk) -> None:
    assert run.run(walk).violated


def test_every_safeguard_is_left_out_once() -> None:
    text = (run.HERE / "plazo.qnt").read_text()
    safeguards = [line.split()[1] for line in text.splitlines() if line.startswith("  const ")]
    left_out = {walk.variant for walk in run.BREAKS}
    assert left_out == {f"without_{name.rstrip(':').lower()}" for name in safeguards}


def test_every_invariant_is_violated_somewhere() -> None:
    assert {name for walk in run.BREAKS for name in walk.invariants} == set(run.INVARIANTS)
