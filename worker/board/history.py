"""What the charts show: lapses and verdicts of the last week from Postgres, and this worker's lag.

Orders and verdicts stand in Postgres, so their history outlives tabs and workers. It is counted in
bounded steps, newest first, and only while somebody looks; the indexes that are there anyway serve,
so that no order and no verdict costs more because of a chart. Nobody stores the lag and the open
delay: of these the worker keeps a ring of the last day, in memory, from its own gauges.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from worker.clock import Clock
from worker.domain.case import Outcome
from worker.observability.metrics import Metrics
from worker.records import timestamp_of
from worker.storage.transaction import Transaction

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
_ENTRY_HOURS = 24  # in one answer
# What the chart tells apart; all other outcomes are closed without us.
_GROUPS: dict[str, str] = {
    Outcome.AUTO_CANCELLED: "auto_cancelled",
    Outcome.CANCELLED_BY_SELLER: "auto_cancelled",
    Outcome.ESCALATED: "escalated",
    Outcome.CANCELLED: "cancelled",
    Outcome.CANCELLED_INCOMPLETE: "cancelled",
    Outcome.CANCELLED_LATE: "cancelled",
}
_STEP = 5_000  # verdicts of one lane
_STEPS = 4  # of each lane, in one answer
_SAMPLE = 10.0  # seconds
_POINTS = 24 * 60  # minutes


@dataclass(slots=True)
class _Counted:
    """The verdicts of a lane that were counted: the sequences above ``low`` up to ``high``."""

    low: int
    high: int
    whole: bool = False


class Verdicts:
    """Verdicts by hour and kind, and the longest way from a deadline to its verdict."""

    def __init__(self) -> None:
        self._lanes: dict[int, _Counted] = {}
        self._hours: dict[datetime, dict[str, int]] = {}
        self._late: dict[datetime, timedelta] = {}

    async def read(self, tx: Transaction, now: datetime) -> dict[str, Any]:
        """Count a few steps further; ``whole`` says whether the week is complete.

        Raises:
            DatabaseUnavailable
        """
        since = (now - WEEK).replace(minute=0, second=0, microsecond=0)
        for row in await tx.rows("lanes"):
            await self._lane(tx, row["lane"], row["sequence"], since)
        self._hours = {hour: kinds for hour, kinds in self._hours.items() if hour >= since}
        self._late = {hour: late for hour, late in self._late.items() if hour >= since}
        return {
            "since": since,
            "whole": all(counted.whole for counted in self._lanes.values()),
            "hours": [
                {"hour": hour, **kinds, "late": self._late.get(hour)}
                for hour, kinds in sorted(self._hours.items())
            ],
        }

    async def _lane(self, tx: Transaction, lane: int, sequence: int, since: datetime) -> None:
        counted = self._lanes.setdefault(lane, _Counted(sequence, sequence))
        if sequence < counted.high:
            # A database that was restored: its verdicts are others.
            self._hours.clear()
            self._late.clear()
            self._lanes = {lane: (counted := _Counted(sequence, sequence))}
        steps = _STEPS
        while counted.high < sequence and steps:
            until = min(sequence, counted.high + _STEP)
            await self._range(tx, lane, counted.high, until)
            counted.high, steps = until, steps - 1
        while not counted.whole and steps:
            low = max(0, counted.low - _STEP)
            oldest = await self._range(tx, lane, low, counted.low)
            counted.low, steps = low, steps - 1
            # Nothing is left in front of a range that retention has emptied.
            counted.whole = low == 0 or oldest is None or oldest < since

    async def _range(self, tx: Transaction, lane: int, low: int, high: int) -> datetime | None:
        """Count a range; the first of its hours."""
        rows = await tx.rows("board_history", lane, low, high)
        for row in rows:
            kinds = self._hours.setdefault(row["hour"], {})
            kinds[row["kind"]] = kinds.get(row["kind"], 0) + row["verdicts"]
            if row["late"] is not None:
                late = self._late.get(row["hour"], timedelta())
                self._late[row["hour"]] = max(late, row["late"])
        return min((row["hour"] for row in rows), default=None)


class Lapses:
    """Orders by the hour of their deadline, and by outcome.

    They are counted by the hour in which they entered. An hour of which no order is open any more
    changes hardly ever, so it is counted once; the others are counted again in turn.
    """

    def __init__(self, longest: timedelta) -> None:
        # An order that entered before this has no deadline in the week.
        self._reach = WEEK + longest
        # By hour of entry: numbers by hour of deadline and outcome.
        self._entered: dict[datetime, dict[tuple[datetime, str | None], int]] = {}
        self._open: deque[datetime] = deque()

    async def read(self, tx: Transaction, now: datetime) -> dict[str, Any]:
        """Count a few hours further; ``whole`` says whether the week is complete.

        Raises:
            DatabaseUnavailable
        """
        this = now.replace(minute=0, second=0, microsecond=0)
        first = this - self._reach
        wanted = [this - n * HOUR for n in range(self._reach // HOUR + 1)]
        missing = [hour for hour in wanted if hour not in self._entered]
        for hour in (missing or [this, *self._again()])[:_ENTRY_HOURS]:
            await self._count(tx, hour)
        self._entered = {hour: found for hour, found in self._entered.items() if hour >= first}
        since = this - WEEK
        hours: dict[datetime, dict[str, int]] = {}
        for found in self._entered.values():
            for (due, outcome), orders in found.items():
                if since <= due <= this and outcome is not None:
                    named = hours.setdefault(due, {})
                    group = _GROUPS.get(outcome, "kept")
                    named[group] = named.get(group, 0) + orders
        return {
            "since": since,
            "whole": len(missing) <= _ENTRY_HOURS,
            "hours": [{"hour": hour, **named} for hour, named in sorted(hours.items())],
        }

    def _again(self) -> list[datetime]:
        """The hours with open orders whose turn has come."""
        if not self._open:
            self._open.extend(
                hour
                for hour, found in self._entered.items()
                if any(outcome is None for _, outcome in found)
            )
        return [self._open.popleft() for _ in range(min(_ENTRY_HOURS - 1, len(self._open)))]

    async def _count(self, tx: Transaction, hour: datetime) -> None:
        rows = await tx.rows("board_lapses", hour, hour + HOUR)
        self._entered[hour] = {(row["hour"], row["outcome"]): row["orders"] for row in rows}


class Trend:
    """Lag and open delay of this worker's lanes: the highest of each minute of the last day."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._points: deque[tuple[int, float, float]] = deque(maxlen=_POINTS)

    def start(self) -> None:
        """Look at the gauges now and every few seconds, as long as the loop runs."""
        self.look()
        asyncio.get_running_loop().call_later(_SAMPLE, self.start)

    def look(self) -> None:
        """Enter the gauges as they are; costs no query."""
        minute = int(self._clock.now().timestamp()) // 60
        lag = self._metrics.lag_records.total()
        delay = sum(s.value for found in self._metrics.overdue_age.collect() for s in found.samples)
        if self._points and self._points[-1][0] == minute:
            _, higher, longer = self._points.pop()
            lag, delay = max(lag, higher), max(delay, longer)
        self._points.append((minute, lag, delay))

    def points(self) -> list[dict[str, Any]]:
        """Time, records behind, and seconds by which the oldest verdict is late; oldest first."""
        return [
            {"at": timestamp_of(60_000 * minute), "lag": lag, "delay": delay}
            for minute, lag, delay in self._points
        ]
