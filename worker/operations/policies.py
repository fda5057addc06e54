"""Policies in words, each with worked dates: so that a person sees what a file would do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from worker.domain.acts import ORDER_CREATED
from worker.domain.calendar import SEARCHED, Calendar
from worker.domain.policy import AtLapse, Match, Policy, Rule
from worker.operations.format import count

_AT_LAPSE = {
    AtLapse.AUTO_CANCEL: "auto-cancel",
    AtLapse.ESCALATE: "escalation",
    AtLapse.NONE: "no verdict",
}
_FRIDAY, _SATURDAY = 4, 5
_EVENING = timedelta(hours=17, minutes=30)
_MORNING = timedelta(hours=10)


class Example(NamedTuple):
    """A clock that starts at ``start``, and what follows; in the time zone of the policy."""

    start: datetime
    due: datetime
    verdict_at: datetime


def examples(policy: Policy, now: datetime) -> list[Example]:
    """Three worked dates: now, next Friday at 17:30, and the evening before the next holiday.

    Where there is no holiday, the third is Saturday at 10:00.
    """
    found = []
    for start in _starts(policy.calendar, now.replace(second=0, microsecond=0)):
        due = policy.due(start).astimezone(start.tzinfo)
        found.append(Example(start, due, policy.fires_at(due)))
    return found


def orders_in_words(rule: Rule) -> str:
    """The orders of a rule."""
    if rule.match.everything:
        return "all other orders"
    text = f"orders {', '.join(_conditions(rule.match))}"
    needs = {rule.match.at_least, rule.match.below, rule.match.currency} != {None}
    if needs and not rule.needs_facts:
        text += "; without doubt about orders that do not tell it"
    return text


def deadline_in_words(policy: Policy) -> str:
    """The deadline of a policy: how long, and from when."""
    start = "the entry of the order" if policy.clock == ORDER_CREATED else policy.clock
    text = f"{_window(policy)} from {start}"
    if policy.told:
        text = f"the due that the order tells, or else {text}"
    if policy.stops:
        again = "a status that gives it to the seller"
        again = policy.clock if policy.clock != ORDER_CREATED else again
        text += f"; {', '.join(sorted(policy.stops))} stops the clock until {again}"
    return text


def at_lapse_in_words(policy: Policy) -> str:
    """What follows if the seller was silent."""
    return _AT_LAPSE[policy.at_lapse]


def duration_in_words(duration: timedelta) -> str:
    """A duration in hours, minutes and seconds: a day of a calendar has fewer than 24 hours."""
    minutes, seconds = divmod(duration.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [count(hours, "hour")] if hours else []
    parts += [count(minutes, "minute")] if minutes else []
    parts += [f"{seconds:g} seconds"] if seconds or not parts else []
    return " ".join(parts)


def _window(policy: Policy) -> str:
    where = f" ({policy.calendar.name})" if policy.calendar else ""
    if policy.cut_off:
        until, by = (f"{m // 60:02}:{m % 60:02}" for m in (policy.cut_off.until, policy.cut_off.by))
        return f"until {until} of a working day by {by}{where},"
    if policy.working_days:
        return f"{count(policy.working_days, 'working day')}{where}"
    return duration_in_words(policy.window) + (f" of working time{where}" if where else "")


def _conditions(match: Match) -> Iterator[str]:
    if match.sellers is not None:
        named = sorted(match.sellers)
        yield f"of seller {named[0]}" if len(named) == 1 else f"of {len(named)} sellers"
    if match.fulfilment is not None:
        yield f"by {match.fulfilment}"
    if match.at_least is not None:
        yield f"of at least {match.at_least}"
    if match.below is not None:
        yield f"below {match.below}"
    if match.currency is not None:
        yield f"in {match.currency}"
    for name, value in match.labels:
        yield f"with {name}={value}"


def _starts(calendar: Calendar | None, now: datetime) -> Iterator[datetime]:
    zone = calendar.zone if calendar else UTC
    local = now.astimezone(zone)
    yield local
    yield _next(local, _FRIDAY, _EVENING, zone)
    yield _before_holiday(calendar, local) or _next(local, _SATURDAY, _MORNING, zone)


def _next(after: datetime, weekday: int, wall: timedelta, zone: tzinfo) -> datetime:
    """The next such day, at a wall time."""
    midnight = datetime(after.year, after.month, after.day)  # noqa: DTZ001
    days = (weekday - after.weekday()) % 7
    found = (midnight + timedelta(days=days) + wall).replace(tzinfo=zone)
    return found if found > after else found + timedelta(days=7)


def _before_holiday(calendar: Calendar | None, after: datetime) -> datetime | None:
    """The evening before the next day that is closed against the week."""
    if calendar is None:
        return None
    for days in range(1, SEARCHED.days):
        day = after.date() + timedelta(days=days)
        if calendar.week[day.weekday()] and not calendar.works_on(day):
            eve = datetime(day.year, day.month, day.day) - timedelta(days=1) + _EVENING  # noqa: DTZ001
            return eve.replace(tzinfo=calendar.zone)
    return None
