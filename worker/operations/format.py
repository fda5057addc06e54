"""How instants and lengths of time are told: to people, and in JSON."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID


def to_json(value: object, *, indent: int | None = None) -> str:
    """One JSON document; instants in UTC, lengths of time in seconds."""
    return json.dumps(value, default=_plain, indent=indent)


def utc(moment: datetime) -> str:
    """An instant in UTC, to the millisecond; microseconds where there are any."""
    fine = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    moment = moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(" ", fine if moment.microsecond else "seconds")


def span(length: timedelta) -> str:
    """A length of time, roughly, for people."""
    seconds = abs(length.total_seconds())
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def from_now(moment: datetime | None, now: datetime) -> str | None:
    """An instant, and how far it is from now."""
    if moment is None:
        return None
    return f"{utc(moment)}, " + (
        f"in {span(moment - now)}" if moment > now else f"{span(now - moment)} ago"
    )


def _plain(value: Any) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | Decimal | UUID):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(type(value).__name__)
