"""One run: real workers in simulated processes, a scenario, faults, and the judge at the end."""

import asyncio
import math
import random
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import worker.decide.brake
import worker.decide.judge
import worker.decide.sweep
import worker.decide.waiting
import worker.freshness.prover
import worker.ingest.reader
import worker.ingest.refusal_log
import worker.ingest.writer
import worker.runtime.lane_runner
import worker.runtime.lane_tasks
import worker.runtime.membership
import worker.runtime.services
import worker.runtime.startup
import worker.runtime.take_over
import worker.runtime.worker
from tests.end_to_end.oracle import Astray, Published
from tests.simulation import former
from tests.simulation.database import ERRORS, IDLE_IN_TRANSACTION, SimPostgres
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
    handled,
)
from tests.simulation.scenario.rules import HEAL, LEAST_WINDOW, WINDOW, Rules
from tests.simulation.scenario.words import Loss, Words
from worker.records import Record, timestamp_of
from worker.settings import Settings

SESSION_TIMEOUT = 4.0
# Everything must be settled this long after the last fault was mended: a lane that reads a record
# at a time, over links that take most of a second each way, needs 125 s for twelve orders.
QUIET = 180.0
# Longest that work may wait without a guard, and a lane without an owner long after a fault. Both
# grow with the share of slow messages: a sweep of one order takes some thirty of them.
LATEST, LATEST_PER_SLOW = 5.0, 800.0
LONGEST_AWAY, LONGEST_AWAY_PER_SLOW = 30.0, 200.0
# A process that wakes, or a message on its way, may still repeat what was published meanwhile.
LINGERS = 10.0
# A sweep that began before the clocks were set right has ended after so long.
SETTLES = 3.0
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


class SimClock:
    """As worker.clock.SystemClock; ahead of the truth by what its process says."""

    def __init__(self, world: "World", process: Process) -> None:
        self._world = world
        self._process: Any = process

    def now(self) -> datetime:
        return self._world.instant() + timedelta(seconds=self._process.ahead + self._world.ahead)

    def monotonic(self) -> float:
        return self._world.loop.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


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
        self.database.committing = Commits(self).judge
        if self.scenario.rules.adopted is not None:
            self.database.adopted_at = BASE + timedelta(seconds=self.scenario.rules.adopted)
        self.broker = Broker(self, self.scenario.widths)
        self.transactions = [Transaction() for _ in self.scenario.transactions]
        self.consumers = 0
        self.largest_letter = 500
        self.database_ahead = 0.0
        self.refused: dict[tuple[str, int, int], Entry] = {}
        self.changes: set[tuple[str, int, int]] = set()
        # Lane, and the time in which it may publish something twice.
        self._repeats: list[tuple[int, float, float]] = []
        self.workers: list[Any] = [None] * self.scenario.workers
        self.first_start = float("inf")
        self.calm = True
        self._down_until = 0.0
        self._operations = self._commits = self._publishes = 0
        # Of all clocks at once.
        self.ahead = 0.0
        # Lanes that had to halt, and did.
        self.must_halt: set[int] = set()
        self.halted: set[int] = set()
        # Lanes with a log that went back, and those whose position then lay behind its end.
        self.went_back: set[int] = set()
        self.must_notice: set[int] = set()
        # Partitions of acts with records that nobody read before retention removed them.
        self.found_lost: set[int] = set()
        self._remembered: list[Any] = []
        # The partition of acts that was added.
        self._added: int | None = None
        self._odd = Random(seed ^ 0x0DD_71E)
        self.formers = {
            lane: former.begin(self, lane, left) for lane, left in self.words.formers.items()
        }
        self.lateness = Lateness(self)
        self._plan()
        self.lateness.allow(
            LATEST + LATEST_PER_SLOW * self._slow,
            LONGEST_AWAY + LONGEST_AWAY_PER_SLOW * self._slow,
        )
        self.loop.passed = self.lateness.passed

    # Time and the network.

    def instant(self, seconds: float | None = None) -> datetime:
        """The true time."""
        return BASE + timedelta(seconds=self.loop.now if seconds is None else seconds)

    def _database_now(self) -> datetime:
        return self.instant() + timedelta(seconds=self.database_ahead + self.ahead)

    def later(self, delay: float, callback: Any, *args: Any) -> Any:
        """Have the servers do something."""
        return self.loop.call_later(delay, callback, *args, context=self.servers.context)

    def latency(self) -> float:
        chance = self.rng.random()
        if chance < self._slow:
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

    # The plan of faults.

    def _plan(self) -> None:
        rng = self.rng
        self._slow = rng.choice([0.0, 0.01, 0.05, 0.15])
        moments = [order.due + self.scenario.grace for order in self.scenario.orders.values()]

        def moment() -> float:
            """Half of all faults fall about a deadline."""
            if rng.random() < 0.5 and moments:
                return min(max(0.5, rng.choice(moments) + rng.uniform(-2, 3)), HEAL - 1)
            return rng.uniform(0.5, HEAL - 1)

        skew = rng.randrange(4)
        self._least, self._most = [(0, 0), (0, 0), (-4, 15), (-4, 0)][skew]
        if skew == 3:
            self.database_ahead = rng.uniform(-2, 5)
        elif skew == 2:
            self.database_ahead = rng.uniform(-2, 0)
        if skew >= 2:
            for _ in range(rng.randint(0, 3)):
                self.later(moment(), self._step_clock)
        for log in self.broker.logs.values():
            if log.topic not in self.settings.input_topics:
                continue
            if rng.random() < 0.25:
                log.lag = rng.choice([0.3, 1.5, 6.0])
            if rng.random() < 0.2:
                self.later(moment(), self._stall, log, rng.uniform(1, 12))
        for partition, begin in self.scenario.begins.items():
            self.broker.logs[STATUS, partition].begin = begin
        amount = rng.choice([0, 0, 1, 2, 4])
        for _ in range(amount):
            fault = rng.choice([
                self._crash_one, self._crash_one, self._freeze_one, self._freeze_one,
                self._stop_one, self._shuffle, self._database_away, self._kafka_away,
            ])  # fmt: skip
            self.later(moment(), fault)
        some = rng.choice([0, 0, 1, 2, 4])
        kinds = ["crash", "crash", "freeze", "freeze", "error"]
        self._at_operation = {rng.randint(1, 500): rng.choice(kinds) for _ in range(some)}
        self._at_commit = {
            rng.randint(1, 30): rng.choice(["applied", "not applied", "crash", "freeze"])
            for _ in range(some)
        }
        kinds = ["none", "some", "all", "late", "crash", "freeze"]
        self._at_publish = {rng.randint(1, 6): rng.choice(kinds) for _ in range(some // 2)}
        self._at_probe = {rng.randint(1, 60) for _ in range(some)}
        self._at_pull = {rng.randint(1, 200) for _ in range(some // 2)}
        self._probes = self._pulls = 0
        for number in range(self.scenario.workers):
            self.later(rng.uniform(0, 3), self._start, number)
        for send in self.scenario.sends:
            if send.at < 0:
                self._send(send)
            else:
                self.later(send.at, self._send, send)
        for plan, transaction in zip(self.scenario.transactions, self.transactions, strict=True):
            state = "committed" if plan.commits else "aborted"
            self.later(plan.ends, self.broker.end_transaction, transaction, state)

        for at, lost in self.words.lost_commits:
            self.later(at - lost, self._remember)
            self.later(at, self._fail_over)
        if self.words.widened is not None and self.scenario.proof == "all":
            self.later(self.words.widened, self._widen)
        for loss in self.words.losses:
            self.later(self._when(loss), self._lose, loss)
        if self.words.clocks_ahead is not None:
            since, until, seconds = self.words.clocks_ahead
            self.later(since, self._set_all_clocks, seconds)
            self.later(until, self._set_all_clocks, 0.0)

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

    @property
    def times_are_true(self) -> bool:
        """Whether all clocks and all times of records show the true time."""
        return not (self._least or self._most or self.words.odd_times or self.words.clocks_ahead)

    def _step_clock(self) -> None:
        process = self.rng.choice(self.workers)
        if process is not None:
            process.ahead = self.rng.uniform(self._least, self._most)
            self.lateness.clock_stepped()
            self.count("clock step")
            self.note(process, "fault", "clock", process.ahead)

    def _set_all_clocks(self, ahead: float) -> None:
        self.ahead = ahead
        self.lateness.clock_stepped()
        self.count("step of all clocks")
        self.note(None, "fault", "all clocks", ahead)

    def most_ahead(self, process: Any) -> float:
        """Most seconds by which the clock of a process was ahead; it may have been set since."""
        ahead: float = self._most if "clock step" in self.happened else process.ahead
        return ahead + (self.words.clocks_ahead[2] if self.words.clocks_ahead else 0.0)

    def clocks_were_ahead(self, at: float) -> bool:
        """Whether a verdict then may have come from clocks that were all ahead."""
        if self.words.clocks_ahead is None:
            return False
        since, until, seconds = self.words.clocks_ahead
        # By these clocks it was later.
        return since <= at <= until + max(seconds, SETTLES)

    def _remember(self) -> None:
        self._remembered.append(self.database.state())

    def _fail_over(self) -> None:
        self.count("failover")
        self.note(None, "fault", "failover", None)
        self.database.fail_over(self._remembered.pop())
        self.lateness.failed_over()

    def may_halt(self, lane: int) -> bool:
        """Whether a log contradicts the database: then a lane must not go on."""
        return lane in self.must_halt or lane in self.went_back or contradicted(self, lane)

    def _lose(self, loss: Loss) -> None:
        """A log loses records, as :class:`Loss` says."""
        number = loss.partition % self.scenario.widths[loss.topic]
        log = self.broker.logs[loss.topic, number]
        count = round(loss.share * len(log.entries)) or min(loss.acts, len(log.entries))
        # With a record at least: the loss of markers alone shows in no mark.
        while 0 < count < len(log.entries) and all(not e.record for e in log.entries[-count:]):
            count += 1
        self.count(f"loss by {loss.kind}")
        self.note(None, "fault", f"loss by {loss.kind}", f"{loss.topic}/{number} {count}")
        if loss.kind == "retention":
            log.forget_first(count)
        elif loss.kind == "compaction":
            log.compact(count)
        elif loss.kind == "election":
            self._went_back(log, log.forget_last(count))
            self.later(0.01, self._act_late, loss, number)
        else:
            for number in range(self.scenario.widths[loss.topic]):
                log = self.broker.logs[loss.topic, number]
                self._went_back(log, log.begin_anew())
            # The group sees other metadata.
            self.broker.group.rebalance()

    def _widen(self) -> None:
        """The topic of acts gets another partition; some publishers write to it."""
        self.count("partition added")
        number = self.broker.widths[STATUS]
        self.note(None, "fault", "partition added", number)
        self.broker.logs[STATUS, number] = Log(STATUS, number)
        self.broker.widths[STATUS] = number + 1
        self.broker.group.rebalance()
        self._added = number

    def _when(self, loss: Loss) -> float:
        """Its time; for a log that is to end where it did, shortly before a deadline."""
        orders = [*self.scenario.orders.values()]
        if not loss.acts or not orders:
            return loss.at
        return min(max(2.0, orders[loss.partition % len(orders)].due - 0.3), HEAL - 4)

    def _act_late(self, loss: Loss, partition: int) -> None:
        """Sellers whose time is not over yet take up orders of theirs."""
        now = self.loop.now
        width = self.scenario.widths[STATUS]
        orders = [
            one
            for one in self.scenario.orders.values()
            if one.entered < now < one.due
            # The narrow proof is for publishers that partition alike.
            and (self.scenario.proof == "all" or one.home % width == partition)
        ]
        for order in self._odd.sample(orders, min(loss.acts, len(orders))):
            self._send(handled(order, round(now, 6), partition))

    def _went_back(self, log: Log, lost: list[Record]) -> None:
        self.went_back.add(log.partition)
        row = self.database.tables["positions"].get((log.topic, log.partition))
        if row is not None and row["next_offset"] > log.end:
            self.must_notice.add(log.partition)
        self.forget(log, lost)

    def forget(self, log: Log, lost: Iterable[Record]) -> None:
        """Records that nobody has read and nobody will: they tell of nothing."""
        places = {(log.topic, log.partition, record.offset) for record in lost}
        for place in places:
            self.refused.pop(place, None)
            self.changes.discard(place)
        for order in self.scenario.orders.values():
            order.forget(places)

    def _stall(self, log: Log, seconds: float) -> None:
        log.stalled_until = min(self.loop.now + seconds, HEAL)
        self.note(None, "fault", "stall", f"{log.topic}/{log.partition} {seconds:.1f}")
        self.count("stall")

    def _crash_one(self) -> None:
        self._crash(self.rng.choice(self.workers))

    def _freeze_one(self) -> None:
        self._freeze(self.rng.choice(self.workers))

    def _stop_one(self) -> None:
        process = self.rng.choice(self.workers)
        if process is not None and process.alive and not process.frozen:
            self.count("stop")
            self.note(process, "fault", "stop", None)
            self.loop.call_soon(process.worker.stop, context=process.context)

    def _shuffle(self) -> None:
        self.count("rebalance")
        self.note(None, "fault", "rebalance", None)
        self.broker.group.rebalance()

    def _database_away(self) -> None:
        seconds = self.rng.choice([0.01, self.rng.uniform(0.1, 6)])
        self.count("database outage")
        self.note(None, "fault", "database", seconds)
        self._down_until = self.loop.now + seconds
        self.lateness.disturbed(self._down_until)
        for tx in list(self.database.open):
            self.database.end(tx, "aborted")

    def _kafka_away(self) -> None:
        seconds = self.rng.uniform(0.1, 6)
        self.count("kafka outage")
        self.note(None, "fault", "kafka", seconds)
        self.broker.down_until = self.loop.now + seconds
        self.lateness.disturbed(self.broker.down_until)
        # What was acknowledged and what not is unknown to a client that is cut off.

    def _crash(self, process: Any) -> None:
        if process is None or not process.alive or self.healed:
            return
        process.alive = False
        self.count("crash")
        self.note(process, "fault", "crash", None)
        self._gone(process, self.rng.uniform(0.2, 6))

    def _gone(self, process: Any, restart: float) -> None:
        self.later(0.01 + self.latency(), self._drop_connections, process)
        self.later(SESSION_TIMEOUT, self.broker.group.silent, process)
        self.workers[process.number] = None
        # Also one that was told to stop before the world was healed, and is gone only after it.
        self.later(restart, self._start, process.number)

    def _drop_connections(self, process: Process) -> None:
        for tx in [one for one in self.database.open if one.owner is process]:
            self.database.end(tx, "aborted")

    def _freeze(self, process: Any) -> None:
        if process is None or not process.alive or process.frozen or self.healed:
            return
        process.frozen = True
        self.count("freeze")
        seconds = self.rng.choice([self.rng.uniform(0.05, 2), self.rng.uniform(3, 16)])
        self.note(process, "fault", "freeze", seconds)
        process.freezes += 1
        process.given = set()  # the lanes that the group assigns to it meanwhile
        membership = process.worker.membership
        held = [*membership.runners, *(runner.number for runner in membership._leaving)]
        self.may_repeat(held, self.loop.now + seconds)
        self.later(SESSION_TIMEOUT, self._session_over, process, process.freezes)
        self.later(IDLE_IN_TRANSACTION + 0.5, self._idle, process, process.freezes)
        self.later(min(seconds, HEAL - self.loop.now), self._thaw, process, process.freezes)

    def _session_over(self, process: Any, number: int) -> None:
        if process.frozen and process.freezes == number:
            self.broker.group.silent(process)

    def _idle(self, process: Any, number: int) -> None:
        if process.frozen and process.freezes == number:
            waiting = {id(tx) for tx in self.database.waiting()}
            for tx in [one for one in self.database.open if one.owner is process]:
                if id(tx) not in waiting:
                    self.database.end(tx, "idle")

    def _thaw(self, process: Any, number: int) -> None:
        if process.frozen and process.freezes == number:
            process.frozen = False
            self.lateness.disturbed()
            self.note(process, "fault", "thaw", None)
            # It takes them from their owner, and learns only then that it has lost them since.
            self.may_repeat(process.given, self.loop.now)
            consumer = process.worker.membership.consumer
            if consumer is not None:
                consumer.thawed()

    def _start(self, number: int) -> None:
        if self.workers[number] is not None:
            return
        process: Any = Process(f"w{number}.{len(self.loop.processes)}")
        process.world = self
        process.number = number
        process.freezes = 0
        process.ahead = 0.0 if self.healed else self.rng.uniform(self._least, self._most)
        self.loop.add(process)
        self.workers[number] = process
        self.first_start = min(self.first_start, self.loop.now)
        self.lateness.disturbed()
        self.note(process, "start", None, None)
        process.context.run(self._work, process)

    def _work(self, process: Any) -> None:
        process.worker = worker.runtime.worker.Worker(
            self.settings, SimClock(self, process), owner=process.name
        )

        async def work() -> None:
            try:
                await process.worker.run(signals=False)
            except Exception:
                self.violations.append(f"worker died: {traceback.format_exc()}")
            self.later(0.0, self._ended, process)

        process.task = self.loop.create_task(work(), context=process.context)

    def _ended(self, process: Any) -> None:
        if process.alive:
            process.alive = False
            self.note(process, "ended", None, None)
            self._gone(process, self.rng.uniform(0.1, 4))

    # Repeats.

    def may_repeat(self, lanes: Iterable[int], until: float) -> None:
        """What these lanes publish from now on may come twice."""
        self._repeats += [(lane, self.loop.now, until + LINGERS) for lane in lanes]

    def is_excused(self, lane: int, stored_at: float) -> bool:
        """Whether a repeat of this lane has an excuse then."""
        return any(
            lane == one and since <= stored_at <= until for one, since, until in self._repeats
        )

    # Faults at the worker's own steps.

    def database_down(self) -> bool:
        return self.loop.now < self._down_until

    async def reach_database(self) -> None:
        await self.travel()
        if self.database_down():
            from worker.errors import DatabaseUnavailable

            raise DatabaseUnavailable("SimulatedError", "08006")

    def database_operation(self, process: Process, name: str) -> None:
        self._operations += 1
        kind = self._at_operation.get(self._operations)
        if kind == "crash":
            self._crash(process)
        elif kind == "freeze":
            self._freeze(process)

    def statement_error(self) -> str | None:
        """The SQLSTATE with which a statement fails now."""
        if self._at_operation.get(self._operations) != "error" or self.healed:
            return None
        del self._at_operation[self._operations]
        self.count("statement error")
        return ERRORS[self._operations % len(ERRORS)]

    def commit_fault(self, process: Process) -> str | None:
        self._commits += 1
        kind = self._at_commit.get(self._commits)
        if kind in ("applied", "not applied") and not self.healed:
            self.count(f"commit {kind}, outcome unknown")
            return kind
        return None

    def after_commit(self, process: Process) -> None:
        kind = self._at_commit.pop(self._commits, None)
        if kind == "crash":
            self._crash(process)
        elif kind == "freeze":
            self._freeze(process)

    def publish_fault(self, process: Process) -> str | None:
        self._publishes += 1
        kind = self._at_publish.get(self._publishes)
        if self.healed or kind is None:
            return None
        if kind == "crash":
            self.later(self.latency(), self._crash, process)
        elif kind == "freeze":
            self.later(self.latency(), self._freeze, process)
        else:
            self.count(f"publish {kind}, outcome unknown")
            return kind
        return None

    def probe_fault(self, process: Process) -> bool:
        self._probes += 1
        return self._disturbs(self._probes in self._at_probe)

    def pull_fault(self, process: Process) -> bool:
        self._pulls += 1
        return self._disturbs(self._pulls in self._at_pull)

    def _disturbs(self, fault: bool) -> bool:
        if fault and not self.healed:
            self.lateness.disturbed()
            return True
        return False

    # What is published.

    def _send(self, send: Send) -> None:
        if self._added is not None and send.topic == STATUS and self._odd.random() < 0.3:
            send = replace(send, partition=self._added)
        transaction = None if send.transaction is None else self.transactions[send.transaction]
        log = self.broker.logs[send.topic, send.partition]
        now = min(send.at, self.loop.now)
        odd = None
        # Not of what retention left: its time says how far back the log reaches.
        if self.words.odd_times and send.at >= 0 and self._odd.random() < 0.3:
            odd = self._odd.choice(self.words.odd_times)
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
            told = self.scenario.orders[send.order].told
            told[send.topic, send.partition, offset] = self.instant()

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
            patience = QUIET if self.scenario.rules.brake is None else 2 * QUIET
            while self.loop.now < HEAL + patience:
                self.loop.run(self.loop.now + 1.0)
                if not unquiet(self):
                    # Whatever still comes would be too much.
                    self.loop.run(self.loop.now + 3.0)
                    break
                # A lane that halts holds up the others, too.
                stands = {*self.must_halt, *self.halted}
                late = self.loop.now > HEAL + STANDS
                if stands and late and stands.issuperset(untold(self)):
                    break
            else:
                self.violations.append("never quiet: " + unquiet(self))
            faults = self.violations + self.loop.errors + list(broken(self))
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

    def _heal(self) -> None:
        self.note(None, "heal", None, None)
        self.lateness.clock_stepped()
        self._down_until = 0.0
        self.broker.down_until = 0.0
        self.database_ahead = 0.0
        for process in self.loop.processes:
            if process.frozen:
                self._thaw(process, process.freezes)  # type: ignore[attr-defined]
            process.ahead = 0.0  # type: ignore[attr-defined]
        for log in self.broker.logs.values():
            log.stalled_until = 0.0
        for number, process in enumerate(self.workers):
            if process is None:
                self._start(number)


def run(seed: int, *, tracing: bool = False) -> Result:
    """Run one seed. Call within :func:`.stand_ins.simulated`."""
    return World(seed, tracing=tracing).run()
