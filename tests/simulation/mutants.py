"""Planted faults: each is put into a copy of the worker, and the simulation must catch it.

    python -m tests.simulation.mutants [NAME…]

A fault in a statement is planted in the model of it (``statements.py``), and one in a client of
Kafka in the model of that (``kafka.py``); ``tests/integration`` and ``tests/end_to_end`` hold
those parts against the real ones.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import worker

ROOT = Path(worker.__file__).parents[1]
COPIED = ("worker", "tests/simulation", "tests/end_to_end")


@dataclass(frozen=True)
class Mutant:
    """``edits``: file, old text, new text. ``within``: seeds in which it must be caught; 0 for
    one that a second line of defence holds, which must survive ``SURVIVES`` seeds."""

    name: str
    breaks: str
    within: int
    edits: tuple[tuple[str, str, str], ...]


SURVIVES = 300
INTAKE, READER = "worker/ingest/apply.py", "worker/ingest/reader.py"
SWEEP, LAPSE = "worker/decide/sweep.py", "worker/decide/lapse.py"
JUDGE = "worker/decide/judge.py"
RELAY, FRESHNESS = "worker/outbox/relay.py", "worker/freshness/prover.py"
DECIDE, STATEMENTS = "worker/domain/decide.py", "tests/simulation/statements.py"

_RETRY = (
    INTAKE,
    "            except KeyTaken:\n",
    "            except (KeyTaken, __import__('worker.errors').errors.DatabaseUnavailable):\n",
)
_NO_COMPARE = (INTAKE, 'if row["moved"] != len(moves):', "if False:")
_DISARM = """\
                if due:
                    # First of all: later steps may arm others, and before the last of these.
                    last = due[-1]["fires_at"], due[-1]["order_id"]
                    sweep.open_deadlines -= await tx.execute("disarm_deadlines", lane.number, *last)
"""
_NEXT = '                next_deadline = await tx.row("next_deadline", lane.number)\n'
_UPDATE = (
    '            await tx.execute("update_lane", lane.number, sweep.sequence, open_deadlines)\n'
)
MUTANTS = (
    Mutant(
        "fence removed",
        "a transaction of an older epoch fails whole",
        100,
        (
            (
                STATEMENTS,
                """    row = tx.newest("lanes", lane)
    if row["epoch"] != epoch:
        return []
    return [row.only("sequence", "open_deadlines")]""",
                """    row = tx.newest("lanes", lane)
    return [row.only("sequence", "open_deadlines")]""",
            ),
            (
                STATEMENTS,
                """    row = tx.get("lanes", lane)
    if row is None or row["epoch"] != epoch:
        return []
    yield "lanes", lane""",
                """    row = tx.get("lanes", lane)
    yield "lanes", lane""",
            ),
        ),
    ),
    Mutant(
        "outcome unknown, retried blindly, positions not compared",
        "each record takes effect once",
        200,
        (_RETRY, _NO_COMPARE),
    ),
    Mutant("outcome unknown, retried blindly", "held by the compare-and-set", 0, (_RETRY,)),
    Mutant("positions not compared", "held by the fence", 0, (_NO_COMPARE,)),
    Mutant(
        "position committed before the effect",
        "each record takes effect once",
        200,
        (
            (
                INTAKE,
                "        async with self._lane.database.transaction() as tx:\n"
                "            sequence, open_deadlines = await self._begin(tx, batch)\n",
                "        async with self._lane.database.transaction() as first:\n"
                "            await self._begin(first, batch)\n"
                "        async with self._lane.database.transaction() as tx:\n"
                "            sequence, open_deadlines = await self._lane.fence(tx)\n",
            ),
        ),
    ),
    Mutant(
        "proof replaced by a time-out",
        "no false cancel",
        200,
        (
            (
                FRESHNESS,
                "while queue and _reached(queue[0].ends, positions):",
                "while queue and self._clock.monotonic() - queue[0].started > 1.0:",
            ),
        ),
    ),
    Mutant(
        "last stable offset instead of high watermark",
        "no false cancel",
        600,
        (
            (
                "tests/simulation/kafka.py",
                "return log.end\n\n    async",
                "return log.stable_end\n\n    async",
            ),
        ),
    ),
    Mutant(
        "proof without the other lanes",
        "no false cancel",
        600,
        (
            (
                FRESHNESS,
                "if key is None or p[1] == key}",
                "if p[1] in self._waiting}",
            ),
        ),
    ),
    Mutant(
        "the worker's clock alone",
        "no verdict before due + grace",
        100,
        ((FRESHNESS, "at = min(ours, theirs)", "at = ours"),),
    ),
    Mutant(
        "grace ignored",
        "no verdict before due + grace",
        50,
        (
            (
                "worker/domain/policy.py",
                "return due + self.grace",
                "return due",
            ),
        ),
    ),
    Mutant(
        "< for <= at due",
        "24:00:00 counts as in time",
        100,
        ((DECIDE, "act.occurred_at <= case.order.due", "act.occurred_at < case.order.due"),),
    ),
    Mutant(
        "late evidence revokes nothing",
        "decision-revoked",
        100,
        ((DECIDE, "if finding != case.finding:", "if case.finding is None:"),),
    ),
    Mutant(
        "coverage not checked",
        "evidence-incomplete is never an auto-cancel",
        200,
        (
            (
                DECIDE,
                "if evidence_since is not None and evidence_since > case.order.entered_at:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "shield dropped",
        "a refused record shields its order",
        100,
        (("worker/ingest/rows.py", "list(refusal.order_ids),", "[],"),),
    ),
    Mutant(
        "sequence moved outside the transaction",
        "sequences are dense",
        200,
        (
            (
                SWEEP,
                _UPDATE,
                _UPDATE.removeprefix("    ").replace(
                    "await tx", "async with lane.database.session() as tx:\n            await tx"
                ),
            ),
        ),
    ),
    Mutant(
        "tail not read",
        "a crash publishes no duplicate",
        600,
        ((RELAY, "last = max((_sequence(each) for each in headers), default=0)", "last = 0"),),
    ),
    Mutant(
        "failed publication taken for done",
        "every verdict is published",
        400,
        (
            (
                RELAY,
                "        await append(self._producer, messages)\n",
                "        from contextlib import suppress\n\n"
                "        from worker.errors import PublishFailed\n\n"
                "        with suppress(PublishFailed):\n"
                "            await append(self._producer, messages)\n",
            ),
        ),
    ),
    Mutant(
        "dead letters marked before they are published",
        "nothing is lost",
        1000,
        (
            (
                "worker/outbox/dead_letters.py",
                "        try:\n            await append(self._producer, [self._message(row) for row in rows])",
                '        await self._mark([row["id"] for row in rows])\n'
                "        try:\n            await append(self._producer, [self._message(row) for row in rows])",
            ),
        ),
    ),
    Mutant(
        "hand-over forgotten",
        "an act in a foreign lane takes effect",
        100,
        ((INTAKE, "if to_notice := to_notice | rows.without_clock | rows.changed:", "if False:"),),
    ),
    Mutant(
        "notices taken that came meanwhile",
        "an act in a foreign lane takes effect",
        1000,
        (
            (
                STATEMENTS,
                '    return (yield from _delete(tx, "notices", ids))',
                '    lanes = {tx.get("notices", one)["lane"] for one in ids}\n'
                '    newest = tx.database.tables["notices"].values()\n'
                '    ids = [row["id"] for row in newest if row["lane"] in lanes]\n'
                '    for one in ids:\n        tx.put("notices", one, None)\n    return len(ids)\n    yield',
            ),
        ),
    ),
    Mutant(
        "what was read told from another snapshot",
        "an auto-cancel tells truly what it had read",
        4000,
        ((SWEEP, "transaction(one_snapshot=True)", "transaction()"),),
    ),
    Mutant(
        "a repeated order enters again",
        "each verdict once",
        200,
        (
            (
                STATEMENTS,
                '        if row is None or row["lane"] is not None:\n            continue',
                "        if row is None:\n            continue",
            ),
            (
                STATEMENTS,
                'if row is not None and row["lane"] is None:',
                "if row is not None:",
            ),
            (
                STATEMENTS,
                "        row = old.but(**row)\n",
                "        row = old.but(**row, finding=None)\n",
            ),
        ),
    ),
    Mutant(
        "changed deadlines ignored by the sweep",
        "no verdict before the deadline in force, nor while it is held",
        300,
        ((JUDGE, "if changes.defers(case) or _is_early(", "if _is_early("),),
    ),
    Mutant(
        "deadlines disarmed after the verdicts",
        "a deadline that a sweep arms is not lost with those it found",
        1000,
        ((LAPSE, _DISARM, ""), (LAPSE, _NEXT, _DISARM + _NEXT)),
    ),
    Mutant(
        "an auto-cancel that a correction brings is not watched",
        "an auto-cancel that nobody carries out escalates",
        2000,
        (
            (
                JUDGE,
                "if self._confirm_within is None or not cancelled:",
                "if self._confirm_within is None or not cancelled or len(published) > len(cancelled):",
            ),
        ),
    ),
    Mutant(
        "no look at an order whose deadline was changed",
        "a released verdict falls",
        300,
        ((INTAKE, "self._lane.number, list(rows.changed)", "self._lane.number, []"),),
    ),
    Mutant(
        "an order that waits not looked at when it enters",
        "a clock starts by what came before its order",
        300,
        ((INTAKE, "to_notice | rows.without_clock | rows.changed", "to_notice | rows.changed"),),
    ),
    Mutant(
        "an order that waits not looked at for later acts",
        "a clock starts by what comes after its order",
        300,
        (
            (
                STATEMENTS,
                'settled = row["finding"] is not None or row["due"] is None',
                'settled = row["finding"] is not None',
            ),
        ),
    ),
    Mutant(
        "the latest of several starts counts",
        "of the starts that are known the earliest counts",
        1500,
        (
            (
                "worker/decide/reconsider.py",
                "policy.terms(min(starts))",
                "policy.terms(max(starts))",
            ),
        ),
    ),
    Mutant(
        "two sweeps at the brake at once",
        "the limits hold over all workers",
        4000,
        ((STATEMENTS, 'yield "brake", True', 'yield "brake", tx'),),
    ),
    Mutant(
        "the brake asked, and not heeded",
        "what the limits leave no room for waits",
        100,
        (
            (
                JUDGE,
                "braked=permit is not None and order_id not in permit.orders,",
                "braked=False,",
            ),
        ),
    ),
    Mutant(
        "no reminder planned",
        "a silent seller is reminded",
        600,
        (
            (
                "worker/lanes/timers.py",
                'row = await tx.row("arm_reminders", order_ids, lane, now)',
                'row = {"next": None}',
            ),
        ),
    ),
    Mutant(
        "a reminder not put away",
        "each reminder comes once",
        200,
        (
            (
                "worker/decide/reminders.py",
                "                if due:\n",
                "                if False:\n",
            ),
        ),
    ),
    Mutant(
        "reminded without a look at the acts",
        "only a silent seller is reminded",
        300,
        ((DECIDE, "    if find(case) != Finding.SILENT:\n", "    if False:\n"),),
    ),
    Mutant(
        "reminded of a deadline that has moved",
        "a new deadline has reminders of its own",
        1500,
        ((DECIDE, " or order.due - at not in order.reminders:", ":"),),
    ),
    Mutant(
        "an interrupted pull takes effect",
        "each record takes effect once",
        3000,
        (
            (
                READER,
                "                return Batch(), None\n            batch += more",
                "                more = Batch()\n            batch += more",
            ),
        ),
    ),
    Mutant(
        "a refused batch is not read again",
        "no record is lost",
        300,
        (
            (
                READER,
                "                self._consumer.seek(positions)\n                self._most",
                "                self._most",
            ),
        ),
    ),
    Mutant(
        "packed acts forgotten when a key is taken",
        "each record takes effect once",
        300,
        (
            (
                INTAKE,
                '            await tx.copy_packed("acts", binary_copy.ACT_COLUMNS, rows.packed_acts)\n        result',
                "            pass\n        result",
            ),
        ),
    ),
)

# Real faults whose moment is too short for the seeds that were run: nothing here shows them yet.
# They stay to be caught, by smaller worlds or longer runs, and are not tried by default.
NOT_CAUGHT_YET = (
    Mutant(
        "ends probed before the clock is read",
        "no false cancel",
        600,
        (
            (
                FRESHNESS,
                "        ours, theirs = self._clock.now(), await self._database.now()\n",
                "        ends = await self._probe.ends()\n"
                "        ours, theirs = self._clock.now(), await self._database.now()\n",
            ),
            (
                FRESHNESS,
                "        known = await self._positions()\n        ends = await self._probe.ends()\n",
                "        known = await self._positions()\n",
            ),
        ),
    ),
    Mutant(
        "stub left out",
        "an act that races its order takes effect",
        2000,
        (
            (
                "worker/ingest/rows.py",
                "        return [o for o in self.touched if o not in self.orders and o not in known]\n",
                "        return []\n",
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What the simulation made of a mutant."""

    mutant: Mutant
    seeds: int
    caught: str | None  # the first fault

    @property
    def as_stated(self) -> bool:
        return (self.caught is not None) == (self.mutant.within > 0)


def try_out(mutant: Mutant, python: str = sys.executable) -> Verdict:
    """Plant a fault in a temporary copy, and run seeds until one fails."""
    with tempfile.TemporaryDirectory(prefix="plazo-mutant-") as name:
        copy = Path(name)
        for folder in COPIED:
            shutil.copytree(
                ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__")
            )
        (copy / "tests/__init__.py").touch()
        (copy / "schemas").symlink_to((ROOT / "schemas").resolve())
        for file, old, new in mutant.edits:
            path = copy / file
            text = path.read_text(encoding="utf-8")
            if text.count(old) != 1:
                raise LookupError(f"{mutant.name}: {text.count(old)} places in {file}")
            path.write_text(text.replace(old, new), encoding="utf-8")
        seeds = mutant.within or SURVIVES
        done = subprocess.run(
            [python, "-m", "tests.simulation", str(seeds), "--jobs", "1", "--stop-after", "1"],
            cwd=copy,
            env={"PYTHONPATH": str(copy), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
    lines = done.stdout.splitlines()
    if not lines or " seeds," not in lines[0]:
        raise RuntimeError(f"{mutant.name}: {done.stderr[-2000:]}")
    failed = [number for number, line in enumerate(lines) if line.startswith("seed ")]
    caught = lines[failed[0] + 1].strip() if failed else None
    return Verdict(mutant, int(lines[0].split()[0]), caught)


def main(names: Sequence[str]) -> int:
    """Try all mutants, or those named."""
    chosen = [one for one in MUTANTS if not names or one.name in names]
    started = time.perf_counter()
    wrong = 0
    with ThreadPoolExecutor(2) as pool:
        for verdict in pool.map(try_out, chosen):
            mutant = verdict.mutant
            wrong += not verdict.as_stated
            how = f"caught in {verdict.seeds}" if verdict.caught else f"survives {verdict.seeds}"
            stated = f"of {mutant.within}" if mutant.within else "as stated"
            mark = "ok  " if verdict.as_stated else "FAIL"
            print(f"{mark} {mutant.name}: {how} {stated} ({mutant.breaks})", flush=True)
            if verdict.caught:
                print(f"         {verdict.caught[:160]}", flush=True)
    print(f"{len(chosen)} mutants, {wrong} not as stated, {time.perf_counter() - started:.0f} s")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
