"""Runs many seeds, in one process or several, and goes on where an earlier run stopped."""

import gc
import hashlib
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from pathlib import Path

from tests.simulation.stand_ins import simulated
from tests.simulation.world import Result, run

ROOT = Path(__file__).parents[2]
# What the result of a seed depends on.
CODE = ("worker", "schemas", "tests/simulation", "tests/end_to_end")
# Seeds that a process runs at a time. An interruption waits for them.
_CHUNK = 5


def run_all(first: int, number: int, most_failed: int = 10) -> list[Result]:
    """Run ``number`` seeds; stop after some that fail."""
    results, failed = [], 0
    gc.collect()
    gc.freeze()
    with simulated():
        for seed in range(first, first + number):
            result = run(seed)
            results.append(result)
            failed += bool(result.faults)
            if failed >= most_failed:
                break
            if len(results) % 100 == 0:
                gc.collect()
    gc.unfreeze()
    return results


def run_parallel(first: int, number: int, jobs: int, most_failed: int = 10) -> list[Result]:
    """The same in several processes."""
    chunks = run_chunks([range(first, first + number)], jobs, most_failed)
    results = [result for chunk in chunks for result in chunk]
    return sorted(results, key=lambda result: result.seed)


def run_chunks(
    seeds: Sequence[range],
    jobs: int,
    most_failed: int,
    tick: float | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[list[Result]]:
    """Yield results as they come, and an empty list after each ``tick`` seconds without any.

    Once ``stopping``, no more seeds begin.
    """
    chunks = (
        range(first, min(first + _CHUNK, part.stop))
        for part in seeds
        for first in range(part.start, part.stop, _CHUNK)
    )
    failed = 0
    pending: set[Future[list[Result]]] = set()
    with ProcessPoolExecutor(jobs, get_context("spawn"), live_no_longer_than_parent) as pool:
        while True:
            if failed < most_failed and not stopping():
                for chunk in islice(chunks, jobs - len(pending)):
                    pending.add(pool.submit(run_all, chunk.start, len(chunk), most_failed))
            if not pending:
                return
            done, pending = wait(pending, tick, return_when=FIRST_COMPLETED)
            results = [result for future in done for result in future.result()]
            failed += sum(bool(result.faults) for result in results)
            yield results


def live_no_longer_than_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@dataclass
class Tally:
    """The sum of several results."""

    seeds: int = 0
    steps: int = 0
    decisions: int = 0
    seconds: float = 0.0
    happened: Counter[str] = field(default_factory=Counter)
    # The first faults of each failing seed.
    failed: dict[int, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Sequence[Result], seconds: float) -> "Tally":
        tally = cls(
            len(results),
            sum(result.steps for result in results),
            sum(result.decisions for result in results),
            seconds,
        )
        for result in results:
            tally.happened.update(result.happened)
            if result.faults:
                tally.failed[result.seed] = [_short(fault) for fault in result.faults[:4]]
        return tally

    def add(self, other: "Tally") -> None:
        self.seeds += other.seeds
        self.steps += other.steps
        self.decisions += other.decisions
        self.seconds += other.seconds
        self.happened.update(other.happened)
        self.failed.update(other.failed)


def _short(fault: str) -> str:
    lines = fault.strip().splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1]}"


class Campaign:
    """A range of seeds that may take several runs.

    A file holds what is done. It counts only for the code that it was made with.
    """

    def __init__(self, seeds: range, folder: Path) -> None:
        self.seeds = seeds
        self.tally = Tally()
        self._done: set[int] = set()
        self._file = folder / f"{seeds.start}-{seeds.stop - 1}.jsonl"
        self._code = fingerprint()
        self._load()
        self.resumed = self.tally.seeds

    @property
    def complete(self) -> bool:
        return len(self._done) == len(self.seeds)

    def unbroken(self) -> range:
        """The seeds that are done, up to the first that is not."""
        stop = next((seed for seed in self.seeds if seed not in self._done), self.seeds.stop)
        return range(self.seeds.start, stop)

    def run(
        self, jobs: int, most_failed: int, tick: float, stopping: Callable[[], bool]
    ) -> Iterator[None]:
        """Run what is left; yields after each chunk, and at least each ``tick`` seconds."""
        since = time.perf_counter()
        for results in run_chunks(list(self._left()), jobs, most_failed, tick, stopping):
            if results:
                now = time.perf_counter()
                self._note([result.seed for result in results], Tally.of(results, now - since))
                since = now
            yield

    def forget(self) -> None:
        """Start anew next time."""
        self._file.unlink(missing_ok=True)

    def _left(self) -> Iterator[range]:
        first = None
        for seed in (*self.seeds, self.seeds.stop):
            left = seed != self.seeds.stop and seed not in self._done
            if left and first is None:
                first = seed
            if not left and first is not None:
                yield range(first, seed)
                first = None

    def _load(self) -> None:
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            lines = []
        if not lines or lines[0] != self._code:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(self._code, encoding="utf-8")
            return
        for line in lines[1:]:
            try:
                done, tally = json.loads(line)
            except ValueError:
                continue  # cut off when the run was killed
            tally["happened"] = Counter(tally["happened"])
            tally["failed"] = {int(seed): faults for seed, faults in tally["failed"].items()}
            self._done.update(done)
            self.tally.add(Tally(**tally))

    def _note(self, done: list[int], tally: Tally) -> None:
        self._done.update(done)
        self.tally.add(tally)
        with self._file.open("a", encoding="utf-8") as file:
            # The break comes first, so that a line that was cut off spoils no other.
            file.write("\n" + json.dumps([done, vars(tally)]))


def fingerprint() -> str:
    """A hash of the code that a seed runs."""
    content = hashlib.sha256()
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            content.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return content.hexdigest()
