"""Runs the specification: the protocol holds, and no safeguard of it can be left out.

``python -m tests.specification.run`` prints what the README tells.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
_MODULES = HERE / "node_modules"
_QUINT = _MODULES / "@informalsystems" / "quint" / "dist" / "src" / "cli.js"

INVARIANTS = ("noFalseCancel", "dense", "oneMeaning", "published", "notAstray", "noneSwallowed")


class Walk(NamedTuple):
    """Random walks through one variant. The same seed takes the same way each time."""

    variant: str
    invariants: Sequence[str]
    begin: str  # an action of plazo.qnt
    step: str  # another
    walks: int
    steps: int = 12
    seed: int = 5


class Outcome(NamedTuple):
    """The invariant that was violated, if one was, and the steps that led there."""

    violated: bool
    steps: int
    told: str


HOLDS = (
    Walk("protocol", INVARIANTS, "init", "step", 300, steps=20),
    Walk("protocol", INVARIANTS, "init", "calm", 200, steps=16),
    Walk("protocol", INVARIANTS, "init", "cutting", 200, steps=16),
    Walk("protocol", INVARIANTS, "silent", "failing", 250),
    Walk("protocol", INVARIANTS, "silent", "correcting", 250),
    Walk("protocol", INVARIANTS, "unread", "failing", 250),
    # Of the invariants SAME_DATABASE alone keeps the last.
    Walk("without_same_database", INVARIANTS[:-1], "silent", "failing", 400),
)

BREAKS = (
    Walk("without_fence", ["oneMeaning"], "silent", "calm", 1000),
    Walk("without_same_row", ["published"], "silent", "failing", 1000),
    Walk("without_same_database", ["noneSwallowed"], "silent", "correcting", 3000),
    Walk("without_tail", ["dense"], "silent", "calm", 1000),
    Walk("without_tail", ["published"], "silent", "calm", 1000),
    Walk("without_tail_id", ["published"], "silent", "failing", 1000),
    Walk("without_look", ["oneMeaning"], "silent", "failing", 2000),
    Walk("without_same_log", ["noFalseCancel"], "init", "cutting", 3000),
    Walk("without_same_log", ["notAstray"], "init", "cutting", 1000),
    Walk("without_proof", ["noFalseCancel"], "init", "calm", 1000),
    Walk("without_still", ["noFalseCancel"], "unread", "failing", 1000, seed=6),
)


def missing() -> str | None:
    """What has to be installed before anything can run."""
    absent = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"no {' and no '.join(absent)} here" if absent else None


def install() -> None:
    """Install the checker as it is locked, unless that was done."""
    installed, lock = _MODULES / ".package-lock.json", HERE / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    subprocess.run(["npm", "ci", "--no-progress"], cwd=HERE, check=True, timeout=150)


def run(walk: Walk) -> Outcome:
    """Walk until an invariant is violated or the budget is spent."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        done = subprocess.run(
            [
                "node", str(_QUINT), "run", "variants.qnt", "--backend=typescript", "--verbosity=1",
                f"--main={walk.variant}", f"--init={walk.begin}", f"--step={walk.step}",
                f"--max-samples={walk.walks}", f"--max-steps={walk.steps}", f"--seed={walk.seed}",
                f"--out-itf={trace}", "--invariants", *walk.invariants,
            ],
            cwd=HERE, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
        told = done.stdout + done.stderr
        if "[violation]" in told:
            return Outcome(True, len(json.loads(trace.read_text())["states"]) - 1, told)
    if "[ok]" not in told or done.returncode:
        raise RuntimeError(told)
    return Outcome(False, walk.steps, told)


def main() -> int:
    """Print what each walk found; returns how many found something else than they should."""
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    install()
    wrong = 0
    for walks, breaks in ((HOLDS, False), (BREAKS, True)):
        for walk in walks:
            outcome = run(walk)
            wrong += outcome.violated != breaks
            found = f"violated in {outcome.steps} steps" if outcome.violated else "hold"
            print(f"{walk.variant:22} {walk.step:11} {' '.join(walk.invariants)}: {found}")
    return wrong


if __name__ == "__main__":
    os.nice(5)
    sys.exit(main())
