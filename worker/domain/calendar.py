"""Working time: the calendars by which a deadline is computed.

Hours follow the wall clock in the zone of the calendar, but durations are real time. A day on
which the clocks change is an hour shorter or longer, as for the people who work it. In doubt, the
seller gets the time.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice

# No marketplace closes for so long. A calendar without an open hour in this span is a mistake.
SEARCHED = timedelta(days=800)


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of a day, from ``opens`` to ``closes``, in minutes from midnight."""

    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """The hours that count. ``week`` holds the hours of each day, Monday first, in their order."""

    name: str
    zone: tzinfo
    week: tuple[tuple[Hours, ...], ...]
    closed: Container[date] = frozenset()

    def works_on(self, day: date) -> bool:
        """Whether any hour of a day counts."""
        return bool(self.week[day.weekday()]) and day not in self.closed

    def add(self, start: datetime, working: timedelta) -> datetime:
        """The earliest time at which ``working`` has passed since ``start``.

        Raises:
            OverflowError: the days searched hold too little working time.
        """
        left = working
        for day in self._days(start):
            for hours in self.week[day.weekday()]:
                begin = max(self._opening(day, hours.opens), start)
                length = self._closing(day, hours.closes) - begin
                if length >= left:
                    return begin + left
                left -= max(length, timedelta(0))
        raise OverflowError(f"calendar {self.name} has too little working time")

    def subtract(self, end: datetime, working: timedelta) -> datetime:
        """The latest time from which ``working`` passes until ``end``.

        Raises:
            OverflowError: the days searched hold too little working time.
        """
        left = working
        for day in self._days(end, step=-1):
            for hours in reversed(self.week[day.weekday()]):
                stop = min(self._closing(day, hours.closes), end)
                length = stop - self._opening(day, hours.opens)
                if length >= left:
                    return stop - left
                left -= max(length, timedelta(0))
        raise OverflowError(f"calendar {self.name} has too little working time")

    def add_days(self, start: datetime, days: int) -> datetime:
        """The same wall time ``days`` working days later; if that is closed, the end of that day.

        A start outside the hours counts from the next opening.

        Raises:
            OverflowError: too few working days follow.
        """
        begun = self._next_open(start).astimezone(self.zone)
        wall = begun.replace(tzinfo=None) - datetime.combine(begun.date(), time())
        for day in islice(self._days(begun), days, None):
            hours = self.week[day.weekday()]
            minutes = wall / timedelta(minutes=1)
            if not any(one.opens <= minutes <= one.closes for one in hours):
                wall = timedelta(minutes=hours[-1].closes)
            return self._latest(day, wall)
        raise OverflowError(f"calendar {self.name} has too few working days")

    def next_cut_off(self, start: datetime, until: int, by: int) -> datetime:
        """``by`` on the first working day whose ``until`` has not passed; minutes from midnight.

        Raises:
            OverflowError: no working day follows.
        """
        for day in self._days(start):
            if start <= self._closing(day, until):
                return self._closing(day, by)
        raise OverflowError(f"calendar {self.name} has no working day")

    def _next_open(self, start: datetime) -> datetime:
        for day in self._days(start):
            for hours in self.week[day.weekday()]:
                if start < self._closing(day, hours.closes):
                    return max(self._opening(day, hours.opens), start)
        raise OverflowError(f"calendar {self.name} has no working day")

    def _opening(self, day: date, minutes: int) -> datetime:
        wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
        return wall.replace(tzinfo=self.zone).astimezone(UTC)

    def _closing(self, day: date, minutes: int) -> datetime:
        return self._latest(day, timedelta(minutes=minutes))

    def _latest(self, day: date, wall: timedelta) -> datetime:
        """A wall time that the clocks repeat or skip counts as late as possible."""
        local = datetime.combine(day, time()) + wall
        both = (local.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        return max(one.astimezone(UTC) for one in both)

    def _days(self, start: datetime, step: int = 1) -> Iterator[date]:
        """The working days from that of ``start`` on; with a ``step`` of -1, those before it."""
        first = start.astimezone(self.zone).date()
        days = (first + timedelta(days=n * step) for n in range(SEARCHED.days))
        return (day for day in days if self.works_on(day))
