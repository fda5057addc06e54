"""Runs seeds: ``python -m tests.simulation 2000``, or one with its trace: ``--seed 123``.

Ctrl-C stops a run. The same command goes on where it stopped.
"""

import argparse
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.simulation.runs import CODE, ROOT, Campaign, Tally
from tests.simulation.stand_ins import simulated
from tests.simulation.world import run

STATE = ROOT / ".cache" / "simulation"
LEDGER = Path(__file__).with_name("LEDGER.md")
# Seconds between two lines of progress where no terminal shows a bar.
_LINES = 30.0
_BAR = 40


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


class Progress:
    """Tells how far a campaign is: as a bar on a terminal, else as a line now and then."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._started = self._told = time.perf_counter()
        self._bar = sys.stderr.isatty()

    def show(self) -> None:
        now = time.perf_counter()
        if not self._bar and now - self._told < _LINES:
            return
        self._told = now
        tally, all_seeds = self._campaign.tally, len(self._campaign.seeds)
        rate = (tally.seeds - self._campaign.resumed) / (now - self._started)
        told = f"{tally.seeds} of {all_seeds} seeds, {rate:.1f} seeds/s, {len(tally.failed)} failed"
        if self._bar:
            full = _BAR * tally.seeds // all_seeds
            told = f"\r\033[K[{'#' * full}{'.' * (_BAR - full)}] {told}"
        print(told, end="" if self._bar else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._bar:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Interrupted:
    """Whether a signal asks the run to stop."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        before = {one: signal.signal(one, self._ask) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _ask(self, number: int, _frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def run_campaign(campaign: Campaign, jobs: int, most_failed: int) -> bool:
    """Run what is left of a campaign; false when a signal interrupted it."""
    progress, interrupted = Progress(campaign), Interrupted()
    if campaign.resumed:
        print(f"goes on after {campaign.resumed} seeds", file=sys.stderr)
    with interrupted.watching():
        try:
            for _ in campaign.run(jobs, most_failed, 1.0, lambda: interrupted.asked):
                progress.show()
        except BrokenProcessPool:
            if not interrupted.asked:  # else the signal went to all processes
                raise
        finally:
            progress.end()
    return not interrupted.asked or campaign.complete


def report(tally: Tally) -> None:
    """Print what came of a campaign."""
    print(
        f"{tally.seeds} seeds, {tally.seeds / max(tally.seconds, 0.1):.1f} seeds/s, "
        f"{tally.steps} steps, {tally.decisions} decisions, {len(tally.failed)} failed"
    )
    print(", ".join(f"{what} {number}" for what, number in sorted(tally.happened.items())))
    for seed, faults in sorted(tally.failed.items()):
        print(f"seed {seed} (replay: make simulate SEED={seed})")
        for fault in faults:
            print(f"    {fault}")


@dataclass
class Entry:
    """A line of the ledger."""

    date: str
    first: int
    last: int
    commit: str
    steps: int
    decisions: int
    failed: int
    minutes: float

    @classmethod
    def of(cls, seeds: range, tally: Tally) -> "Entry":
        return cls(
            f"{datetime.now(UTC):%Y-%m-%d}", seeds.start, seeds.stop - 1, commit(), tally.steps,
            tally.decisions, len(tally.failed), round(tally.seconds / 60, 1),
        )  # fmt: skip

    @classmethod
    def read(cls, line: str) -> "Entry | None":
        found = re.fullmatch(r"\| ([\d-]+) \| ([\d,]+) to ([\d,]+) \| ([^|]+) \|(.*)\|", line)
        if found is None:
            return None
        date, first, last, code, numbers = found.groups()
        *counts, minutes = (first, last, *numbers.split("|"))
        first, last, *rest = (int(each.replace(",", "")) for each in counts)
        return cls(date, first, last, code, *rest, float(minutes.replace(",", "")))

    def __str__(self) -> str:
        date, first, last, code, *numbers = astuple(self)
        rest = " | ".join(f"{number:,}" for number in numbers)
        return f"| {date} | {first:,} to {last:,} | {code} | {rest} |"

    def continues(self, other: "Entry") -> bool:
        """Whether both are of the same code, and this range begins where the other ends."""
        same = self.commit == other.commit and not self.commit.endswith("dirty")
        return same and self.first == other.last + 1

    def joined(self, other: "Entry") -> "Entry":
        return Entry(
            max(self.date, other.date), min(self.first, other.first), max(self.last, other.last),
            self.commit, self.steps + other.steps, self.decisions + other.decisions,
            self.failed + other.failed, round(self.minutes + other.minutes, 1),
        )  # fmt: skip


def enter(ledger: Path, entry: Entry) -> None:
    """Append an entry to the ledger, in one line with those that it continues."""
    kept = []
    for line in ledger.read_text(encoding="utf-8").splitlines():
        other = Entry.read(line)
        if other is not None and (entry.continues(other) or other.continues(entry)):
            entry = entry.joined(other)
        else:
            kept.append(line)
    ledger.write_text("\n".join([*kept, str(entry)]) + "\n", encoding="utf-8")


def commit() -> str:
    """The last commit that changed the code of a seed; marked when files differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments, "--", *(f"{folder}/*.py" for folder in CODE)],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    name = git("log", "-1", "--format=%h")
    return f"{name} dirty" if git("status", "--porcelain") else name


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("seeds", nargs="?", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone and print its trace")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--stop-after", type=int, default=10, help="failing seeds")
    parser.add_argument("--ledger", action="store_true", help=f"add a line to {LEDGER.name}")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        return replay(chosen.seed)
    campaign = Campaign(range(chosen.first, chosen.first + chosen.seeds), STATE)
    ended = run_campaign(campaign, chosen.jobs, chosen.stop_after)
    report(campaign.tally)
    if not ended:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        return 130
    if chosen.ledger and (done := campaign.unbroken()):
        enter(LEDGER, Entry.of(done, campaign.tally))
    campaign.forget()
    return bool(campaign.tally.failed)


if __name__ == "__main__":
    sys.exit(main())
