"""The calendars of the policy file."""

from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from worker.domain.calendar import Calendar, Hours

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _minutes(value: object) -> object:
    # YAML 1.1 reads an unquoted 14:00 as a base-60 number: these are the minutes we want.
    if isinstance(value, str):
        hours, colon, minutes = value.partition(":")
        if not (colon and hours.isdigit() and minutes.isdigit() and int(minutes) < 60):
            raise ValueError("not a time of day such as 14:00")
        return int(hours) * 60 + int(minutes)
    return value


def _hours(value: object) -> object:
    if isinstance(value, str):
        ends = [end.strip() for end in value.split("-")]
        if len(ends) == 2:
            return tuple(_minutes(end) for end in ends)
    raise ValueError("not hours such as 09:00-18:00")


def _in_order(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] >= value[1]:
        raise ValueError("closes before it opens: give hours past midnight to the next day")
    return value


def listed(value: object) -> object:
    """A text as a list of one."""
    return [value] if isinstance(value, str) else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone of this name, such as America/Lima") from None
    return value


def _days(value: object) -> object:
    """``mon-fri`` or ``sat``, as the numbers of weekdays."""
    text = str(value).lower()
    first, dash, last = text.partition("-")
    if first not in _WEEKDAYS or (dash and last not in _WEEKDAYS):
        raise ValueError("not weekdays such as mon-fri or sat")
    begin = _WEEKDAYS.index(first)
    end = _WEEKDAYS.index(last) if dash else begin
    if end < begin:
        raise ValueError("weekdays run from mon to sun")
    return tuple(range(begin, end + 1))


Minutes = Annotated[int, BeforeValidator(_minutes), Field(ge=0, le=1440)]
Opening = Annotated[tuple[Minutes, Minutes], BeforeValidator(_hours), AfterValidator(_in_order)]
Days = Annotated[tuple[int, ...], BeforeValidator(_days)]


class Part(BaseModel):
    """A part of the policy file: a key that it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CalendarPart(Part):
    """One calendar of the file."""

    zone: Annotated[str, AfterValidator(_zone)]
    hours: dict[Days, Annotated[list[Opening], BeforeValidator(listed), Field(min_length=1)]]
    holidays: str | None = None
    closed: frozenset[date] = frozenset()

    @model_validator(mode="after")
    def _hours_apart(self) -> Self:
        for day, hours in enumerate(self.week()):
            if any(one.closes > other.opens for one, other in pairwise(hours)):
                raise ValueError(f"hours overlap on {_WEEKDAYS[day]}")
        if not any(self.week()):
            raise ValueError("no hour is open")
        self.public_holidays()
        return self

    def week(self) -> tuple[tuple[Hours, ...], ...]:
        """The hours of each day, Monday first, in their order."""
        found: list[list[Hours]] = [[] for _ in _WEEKDAYS]
        for days, openings in self.hours.items():
            for day in days:
                found[day] += [Hours(*opening) for opening in openings]
        return tuple(tuple(sorted(day, key=lambda h: (h.opens, h.closes))) for day in found)

    def public_holidays(self) -> Any:
        """The holidays of the country, a container of dates.

        Raises:
            ValueError: there is no such country or part.
        """
        if self.holidays is None:
            return frozenset()
        import holidays  # only here: it is large, and most installations do not need it

        country, _, part = self.holidays.partition("-")
        try:
            return holidays.country_holidays(country, subdiv=part or None)
        except NotImplementedError:
            raise ValueError("no country or part of this code, such as PE or ES-MD") from None

    def terms(self) -> dict[str, Any]:
        """The terms by which two calendars differ, in JSON."""
        return {
            "zone": self.zone,
            "hours": {
                day: [f"{h.opens // 60:02}:{h.opens % 60:02}-{h.closes // 60:02}:{h.closes % 60:02}"
                      for h in hours]
                for day, hours in zip(_WEEKDAYS, self.week(), strict=True)
            },
            "holidays": self.holidays,
            "closed": sorted(map(str, self.closed)),
        }  # fmt: skip

    def calendar(self, name: str) -> Calendar:
        """The calendar of this name."""
        return Calendar(
            name, ZoneInfo(self.zone), self.week(), _ClosedDay(self.closed, self.public_holidays())
        )


class _ClosedDay:
    """Our own days and the holidays of a country, which computes each year on demand."""

    def __init__(self, own: frozenset[date], country: Any) -> None:
        self._own = own
        self._country = country

    def __contains__(self, day: object) -> bool:
        return day in self._own or day in self._country
