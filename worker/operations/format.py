"""How values are shown: times and durations, numbers with nouns, and JSON."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID


def to_json(value: object, *, indent: int | None = None) -> str:
    """One JSON document; times in UTC, durations in seconds."""
    return json.dumps(value, default=_plain, indent=indent)


def utc(moment: datetime) -> str:
    """A time in UTC, to the millisecond; microseconds where there are any."""
    fine = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    moment = moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(" ", fine if moment.microsecond else "seconds")


def local(moment: datetime, zone: tzinfo) -> str:
    """A time in a zone, to the second, for people."""
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(" ", "seconds")


def span(duration: timedelta) -> str:
    """A duration, rounded, for people."""
    seconds = abs(duration.total_seconds())
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def from_now(moment: datetime | None, now: datetime) -> str | None:
    """A time, and its distance from now."""
    return None if moment is None else f"{utc(moment)}, {relative(moment, now)}"


def relative(moment: datetime, now: datetime) -> str:
    """The distance of a time from now."""
    return f"in {span(moment - now)}" if moment > now else f"{span(now - moment)} ago"


def count(number: int, noun: str) -> str:
    """A number and its noun, in the plural where needed."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shortened(values: Sequence[object]) -> str:
    """The first ten values."""
    shown = ", ".join(map(str, values[:10]))
    return shown if len(values) <= 10 else f"{shown}, …"


def _plain(value: Any) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | Decimal | UUID):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(type(value).__name__)
