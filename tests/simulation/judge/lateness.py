"""Judges lateness: work that is due may wait only under a named guard or a known fault.

Deadlines, reminders and notices are the work. Each waits from the moment it is due by the true
clock, or from the commit that planned it if that is later. The commit that removes it ends the
wait. A decision waits from its commit until it stands in its topic. Time counts unless something
of this list justifies it:

- the lane has no owner at work: crash, freeze, rebalance, outage, take-over;
- a guard of the owner holds the lane, and what the guard names is so;
- a clock is behind: the worker's own, or that of the database;
- a transaction of a process that is gone or hangs holds a row;
- of a decision: Kafka is away, or a publication failed shortly before.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.kafka import BASE
from worker.observability.labels import Guard

if TYPE_CHECKING:
    from tests.simulation.database import Tx
    from tests.simulation.world import World

WORK = {"deadlines": "fires_at", "reminders": "remind_at", "notices": None, "decisions": None}
# A relay that failed waits no longer than this, and what it sent may arrive as late.
_RELAPSE = 8.0
# The lane is not at work. A fault explains that, but for a while only.
AWAY = ("no owner", "not assigned", "take-over", "tail unknown")
# A worker sleeps no longer than this before it looks at its clock again.
_NAP = 5.0


@dataclass
class Wait:
    """Work that waits. ``since`` in seconds; ``at`` is the time that it was planned for."""

    table: str
    lane: int
    order_id: str
    since: float
    at: datetime | None
    counted: float = 0.0
    away: float = 0.0  # without an owner at work, since the last fault
    excused: dict[str, float] = field(default_factory=dict)
    late: bool = False

    def __str__(self) -> str:
        why = ", ".join(f"{why} {seconds:.1f} s" for why, seconds in self.excused.items())
        return (
            f"{self.order_id} of {self.table}, due at {self.since:.3f}: waited "
            f"{self.counted:.1f} s without a guard, {self.away:.1f} s without an owner; "
            f"justified: {why or 'nothing'}"
        )


class Lateness:
    """Watches the waits of one run."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._most = self._most_away = 0.0
        self._waits: dict[tuple[str, Any], Wait] = {}
        self._stepped = -_NAP
        self._unpublished = -_RELAPSE
        self.longest = self.longest_away = 0.0
        # The end of the last fault.
        self._disturbed = 0.0

    def allow(self, most: float, most_away: float) -> None:
        """Set the longest wait without a guard, and that without an owner long after a fault."""
        self._most, self._most_away = most, most_away

    def disturbed(self, until: float = 0.0) -> None:
        """A fault happens, until then or now. Each one explains why a lane has no owner anew."""
        self._disturbed = max(self._disturbed, until, self._world.loop.now)
        for wait in self._waits.values():
            wait.away = 0.0

    def clock_stepped(self) -> None:
        """A clock was set."""
        self._stepped = self._world.loop.now

    def not_published(self) -> None:
        """A publication fails."""
        self._unpublished = self._world.loop.now

    def published(self, lane: int, sequence: int) -> None:
        """A decision stands in its topic."""
        self._waits.pop(("decisions", (lane, sequence)), None)

    def committing(self, tx: "Tx") -> None:
        """A transaction commits: it plans work, or takes it away."""
        for table in WORK:
            for key, row in tx.writes.get(table, {}).items():
                if row is None:
                    self._waits.pop((table, key), None)
                elif (table, key) not in self._waits:
                    self._begin(table, key, row)

    def failed_over(self) -> None:
        """The database has other rows now."""
        self._waits.clear()
        for table in ("deadlines", "reminders", "notices"):
            for key, row in self._world.database.tables[table].items():
                self._begin(table, key, row)

    def _begin(self, table: str, key: Any, row: Any) -> None:
        now, column = self._world.loop.now, WORK[table]
        at = row[column] if column else None
        since = now if at is None else max(now, (at - BASE).total_seconds())
        self._waits[table, key] = Wait(table, row["lane"], row["order_id"], since, at)

    def passed(self, before: float, now: float) -> None:
        """Nothing happened between these two instants."""
        for wait in self._waits.values():
            if wait.since >= now:
                continue
            seconds = now - max(before, wait.since)
            why = self._justified(wait, before)
            if why in AWAY and before > self._disturbed:
                wait.away += seconds
                self.longest_away = max(self.longest_away, wait.away)
            if why:
                wait.excused[why] = wait.excused.get(why, 0.0) + seconds
            else:
                wait.counted += seconds
                self.longest = max(self.longest, wait.counted)
            if not wait.late and (wait.counted > self._most or wait.away > self._most_away):
                wait.late = True
                self._world.violations.append(f"{now:.3f}: LATE, {wait}")

    def _justified(self, wait: Wait, now: float) -> str:
        world = self._world
        if world.outages.database_down():
            return "database away"
        row = world.database.tables["lanes"].get(wait.lane)
        process = self._process(row["owner"]) if row else None
        if process is None or not process.alive:
            return "no owner"
        if process.frozen:
            return "frozen"
        runner = process.worker.membership.runners.get(wait.lane)
        if runner is None:
            return "not assigned"
        if runner.halted:
            return "halted"
        lane, relay = runner.lane, runner.relay
        if lane is None or relay is None or lane.epoch != row["epoch"]:
            return "take-over"
        if not relay.tail_known.is_set():
            return "tail unknown"
        if wait.at is not None:
            ahead = min(process.ahead, world.clocks.database_ahead)
            if now + ahead < (wait.at - BASE).total_seconds():
                return "clock behind"
            if now < self._stepped + _NAP:
                return "clock set"
        if wait.table == "decisions":
            if world.broker.down or now < self._unpublished + _RELAPSE:
                return "not published"
        elif self._is_held(process.worker.services, wait.lane):
            return "guard"
        return "row locked" if self._is_locked_out(process) else ""

    def _process(self, name: str | None) -> Any:
        return next((one for one in self._world.loop.processes if one.name == name), None)

    def _is_held(self, services: Any, lane: int) -> bool:
        """Whether a guard holds the lane, and rightly."""
        prover, brake = services.prover, services.brake
        if brake is not None and any(lane == held for held, _ in brake._holding):
            return True  # corrections, which need no proof
        if not any(lane == waiting for waiting, _ in prover._waiting.values()):
            return False
        held = services.guards.lanes
        if Guard.PROBE in held or Guard.DATABASE in held or Guard.CLOCK in held:
            return True
        # A proof may wait for the end of a log that was cut, until it is probed again.
        return Guard.BEHIND in held and (self._is_behind() or bool(self._world.losses.went_back))

    def _is_behind(self) -> bool:
        positions, inputs = self._world.database.tables["positions"], self._world.settings
        return any(
            place not in positions or positions[place]["next_offset"] < log.end
            for place, log in self._world.broker.logs.items()
            if log.topic in inputs.input_topics
        )

    def _is_locked_out(self, process: Any) -> bool:
        database = self._world.database
        return any(tx.owner is process for tx in database.waiting()) and any(
            tx.owner is not None and (tx.owner.frozen or not tx.owner.alive) for tx in database.open
        )
