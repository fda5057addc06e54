"""One run: real workers in simulated processes, a scenario, faults, and the judge at the end."""

import asyncio
import math
import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.end_to_end.oracle import Astray, Published
from tests.simulation import former
from tests.simulation.database import SimPostgres
from tests.simulation.faults.clocks import Clocks
from tests.simulation.faults.losses import Losses
from tests.simulation.faults.outages import Outages
from tests.simulation.faults.plan import plan
from tests.simulation.faults.processes import SESSION_TIMEOUT, Processes
from tests.simulation.faults.steps import Steps
from tests.simulation.judge.commits import Commits
from tests.simulation.judge.lateness import Lateness
from tests.simulation.judge.promises import broken
from tests.simulation.judge.published import contradicted
from tests.simulation.judge.rest import unquiet, untold
from tests.simulation.judge.terms import LONGEST_HOLD
from tests.simulation.kafka import (
    BASE,
    Broker,
    Entry,
    Log,
    Transaction,
)
from tests.simulation.loop import Process, SimLoop
from tests.simulation.scenario.courses import make
from tests.simulation.scenario.records import (
    CREATED,
    DECISIONS,
    STATUS,
    Change,
    Scenario,
    Send,
    Telling,
)
from tests.simulation.scenario.rules import HEAL, LEAST_WINDOW, WINDOW, Rules
from tests.simulation.scenario.words import Words
from worker.records import timestamp_of
from worker.settings import Settings

# Everything must be settled this long after the last fault was mended. It grows with the share of
# slow messages: a lane that reads and decides one record at a time has needed 180 s.
QUIET, QUIET_PER_SLOW = 120.0, 1_200.0
# Longest that work may wait without a guard, and a lane without an owner long after a fault. Both
# grow with the share of slow messages: a sweep of one order takes some thirty of them.
LATEST, LATEST_PER_SLOW = 5.0, 800.0
LONGEST_AWAY, LONGEST_AWAY_PER_SLOW = 30.0, 200.0
# Where a lane halts, the run ends so long after the last fault.
STANDS = 60.0
# So short that in the end everybody gets a verdict.
BRAKE_WINDOW = timedelta(seconds=6)


@dataclass
class Result:
    """What came of a seed."""

    seed: int
    faults: list[str]
    trace: list[tuple[Any, ...]]
    steps: int
    seconds: float
    decisions: int
    happened: dict[str, int] = field(default_factory=dict)


class WatchedLoop(SimLoop):
    """Says how time passes: between two steps in time nothing changes."""

    passed: Callable[[float, float], None]

    def _step(self, until: float) -> bool:
        before = self.now
        more = super()._step(until)
        if self.now > before:
            self.passed(before, self.now)
        return more


class World:
    """Everything outside the worker's code."""

    def __init__(self, seed: int, *, tracing: bool = False) -> None:
        self.seed = seed
        self.tracing = tracing
        self.trace: list[tuple[Any, ...]] = []
        self.violations: list[str] = []
        self.happened: dict[str, int] = {}
        self.rng = Random(seed)
        random.seed(seed)  # the worker's backoff
        self.scenario: Scenario = make(self.rng, Rules.of(seed))
        self.words = Words.of(seed, self.scenario.widths[CREATED])
        self.loop = WatchedLoop(self.rng)
        self.servers = Process("servers")
        self.loop.add(self.servers)
        self.settings = Settings.model_construct(
            stock_window=timedelta(seconds=WINDOW),
            grace=timedelta(seconds=self.scenario.grace),
            confirm_within=None
            if self.scenario.confirm_within is None
            else timedelta(seconds=self.scenario.confirm_within),
            max_clock_skew=timedelta(seconds=5),
            batch_size=self.scenario.batch_size,
            proof=self.scenario.proof,
            session_timeout=timedelta(seconds=SESSION_TIMEOUT),
            brake_cancels=self.scenario.rules.brake,
            brake_window=BRAKE_WINDOW,
            before_adoption=self.scenario.rules.before_adoption,
            least_window=LEAST_WINDOW,
            astray_refusals="escalate" if self.scenario.rules.astray else "ignore",
            max_extension=timedelta(days=30),
            max_hold=LONGEST_HOLD,
            # Whole: the value that Postgres refuses stands in a field of no contract.
            keep_bodies=True,
            # Faults are planted in Python; tests/unit/test_plain.py holds the compiled code equal.
            compiled=False,
            dead_letter_limit=1.0,
        )
        self.database = SimPostgres(self.later, self._database_now)
        self.commits = Commits(self)
        self.database.committing = self.commits.judge
        if self.scenario.rules.adopted is not None:
            self.database.adopted_at = BASE + timedelta(seconds=self.scenario.rules.adopted)
        self.broker = Broker(self, self.scenario.widths)
        self.transactions = [Transaction() for _ in self.scenario.transactions]
        self.consumers = 0
        self.largest_letter = 500
        self.refused: dict[tuple[str, int, int], Entry] = {}
        self.changes: set[tuple[str, int, int]] = set()
        self.processes = Processes(self, self.scenario.workers)
        self.clocks = Clocks(self)
        self.outages = Outages(self)
        self.losses = Losses(self)
        # Lanes that had to halt, and did.
        self.must_halt: set[int] = set()
        self.halted: set[int] = set()
        # Partitions of acts with records that nobody read before retention removed them.
        self.found_lost: set[int] = set()
        self.odd = Random(seed ^ 0x0DD_71E)
        self.formers = {
            lane: former.begin(self, lane, left) for lane, left in self.words.formers.items()
        }
        self.lateness = Lateness(self)
        self.slow = 0.0  # the share of messages that take long
        self.steps: Steps
        plan(self)
        self.lateness.allow(
            LATEST + LATEST_PER_SLOW * self.slow,
            LONGEST_AWAY + LONGEST_AWAY_PER_SLOW * self.slow,
        )
        self.loop.passed = self.lateness.passed

    # Time and the network.

    def instant(self, seconds: float | None = None) -> datetime:
        """The true time."""
        return BASE + timedelta(seconds=self.loop.now if seconds is None else seconds)

    def _database_now(self) -> datetime:
        return self.instant() + timedelta(seconds=self.clocks.database_ahead + self.clocks.ahead)

    def later(self, delay: float, callback: Any, *args: Any) -> Any:
        """Have the servers do something."""
        return self.loop.call_later(delay, callback, *args, context=self.servers.context)

    def latency(self) -> float:
        chance = self.rng.random()
        if chance < self.slow:
            return self.rng.uniform(0.05, 1.5)
        return 0.0005 + 0.004 * chance

    async def travel(self) -> None:
        await asyncio.sleep(self.latency())

    async def at_server(self, do: Any, *args: Any) -> None:
        done = self.loop.create_future()

        def there() -> None:
            do(*args)
            if not done.done():
                done.set_result(None)

        self.later(self.latency(), there)
        await done

    def note(self, process: Process | None, kind: str, what: Any, detail: Any) -> None:
        if self.tracing:
            name = process.name if process else "-"
            self.trace.append((round(self.loop.now, 6), name, kind, str(what), str(detail)))

    def largest(self, topic: str) -> int:
        """The size of the largest value that a topic takes."""
        if topic == DECISIONS:
            return self.words.largest_decision or 1_000_000
        return self.largest_letter

    def count(self, what: str) -> None:
        self.happened[what] = self.happened.get(what, 0) + 1
        self.lateness.disturbed()

    @property
    def healed(self) -> bool:
        return self.loop.now >= HEAL

    def may_halt(self, lane: int) -> bool:
        """Whether a log contradicts the database: then a lane must not go on."""
        return lane in self.must_halt or lane in self.losses.went_back or contradicted(self, lane)

    # What is published.

    def send(self, send: Send) -> None:
        if self.losses.added is not None and send.topic == STATUS and self.odd.random() < 0.3:
            send = replace(send, partition=self.losses.added)
        transaction = None if send.transaction is None else self.transactions[send.transaction]
        log = self.broker.logs[send.topic, send.partition]
        now = min(send.at, self.loop.now)
        odd = None
        # Not of what retention left: its time says how far back the log reaches.
        if self.words.odd_times and send.at >= 0 and self.odd.random() < 0.3:
            odd = self.odd.choice(self.words.odd_times)
            self.count("odd timestamp")
        offset = log.append(now, send.key, send.value, send.headers, transaction, odd)
        self.note(None, "send", f"{send.topic}/{send.partition}/{offset}", send.value)
        if transaction is not None and not self.scenario.transactions[send.transaction].commits:
            return
        if send.refused:
            self.refused[send.topic, send.partition, offset] = log.entries[-1]
        for order_id, fact in send.facts:
            moment = self.instant()
            told = Published(fact, moment, moment, send.topic, send.partition, offset)
            self.scenario.orders[order_id].facts.append(told)
        if send.astray:
            told_at = self.instant(math.floor(now * 1000) / 1000)
            if odd is not None:
                told_at = timestamp_of(odd)
            for order in self.scenario.orders.values():
                if order.home == send.partition and self.instant(order.entered) <= told_at:
                    moment = self.instant()
                    told = Published(Astray(), moment, moment, send.topic, send.partition, offset)
                    order.facts.append(told)
        if send.change is not None:
            order_id, kind, due, occurred = send.change
            moment, issued = self.instant(), self.instant(occurred)
            place = send.topic, send.partition, offset
            change = Change(kind, due, issued, moment, moment, place)
            self.scenario.orders[order_id].changes.append(change)
            self.changes.add(place)
        if send.order is not None:
            place = send.topic, send.partition, offset
            self.scenario.orders[send.order].tell(place, Telling(self.instant(), send.seller))

    def appended(self, process: Process, log: Log, offset: int) -> None:
        self.note(process, "published", f"{log.topic}/{log.partition}/{offset}", None)
        record = log.entries[-1].record
        if log.topic == DECISIONS and record is not None:
            self.lateness.published(log.partition, int(dict(record.headers)["ce_sequence"]))

    # The run.

    def run(self) -> Result:
        try:
            self.loop.run(HEAL)
            self._heal()
            # Those that the brake holds come one after the other.
            patience = QUIET + QUIET_PER_SLOW * self.slow
            patience *= 1 if self.scenario.rules.brake is None else 2
            while self.loop.now < HEAL + patience:
                self.loop.run(self.loop.now + 1.0)
                if not unquiet(self):
                    # A lane may be taken over just now, and what else comes would be too much.
                    self.loop.run(self.loop.now + 3.0)
                    if not unquiet(self):
                        break
                # A lane that halts holds up the others, too.
                stands = {*self.must_halt, *self.halted}
                late = self.loop.now > HEAL + STANDS
                if stands and late and stands.issuperset(untold(self)):
                    break
            else:
                self.violations.append("never quiet: " + unquiet(self))
            faults = self.violations + self.loop.errors + self._broken()
            for process in self.loop.processes:
                if process.alive and getattr(process, "task", None) and process.task.done():
                    faults.append(f"{process} ended by itself")
            decisions = sum(
                len(log.entries)
                for (topic, _), log in self.broker.logs.items()
                if topic == DECISIONS
            )
            return Result(
                self.seed, faults, self.trace, self.loop.steps, self.loop.now, decisions,
                self.happened,
            )  # fmt: skip
        finally:
            self.loop.close()

    def _broken(self) -> list[str]:
        try:
            return [*broken(self)]
        except Exception:
            # It must not end a campaign, nor go unseen.
            return [f"the judge failed: {traceback.format_exc()}"]

    def _heal(self) -> None:
        self.note(None, "heal", None, None)
        self.lateness.clock_stepped()
        self.outages.end()
        self.clocks.database_ahead = 0.0
        self.processes.wake()
        for log in self.broker.logs.values():
            log.stalled_until = 0.0
        for number, process in enumerate(self.processes.workers):
            if process is None:
                self.processes.start(number)


def run(seed: int, *, tracing: bool = False) -> Result:
    """Run one seed. Call within :func:`.stand_ins.simulated`."""
    return World(seed, tracing=tracing).run()
