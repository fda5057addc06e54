"""Durations as people type them."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHORT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")


def parse_duration(text: str, option: str) -> timedelta:
    """60s, 2m, 1h, 90d or an ISO 8601 duration such as PT1M.

    Raises:
        typer.BadParameter: not a duration, or not positive.
    """
    import isodate

    found: object = None
    if short := _SHORT.fullmatch(text):
        found = timedelta(seconds=float(short[1]) * _UNITS[short[2]])
    else:
        with suppress(isodate.ISO8601Error):
            found = isodate.parse_duration(text)
    if not isinstance(found, timedelta) or found <= timedelta(0):
        raise typer.BadParameter("not a duration such as 60s, 2m or PT1M", param_hint=option)
    return found


def parse_time(text: str, option: str) -> datetime:
    """A time with its time zone, or a duration before now.

    Raises:
        typer.BadParameter: neither.
    """
    if "-" not in text:
        return datetime.now(UTC) - parse_duration(text, option)
    with suppress(ValueError):
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    raise typer.BadParameter(
        "not a time such as 2026-01-31T08:00Z, nor a duration such as 7d", param_hint=option
    )


def parse_start(text: str, option: str) -> datetime:
    """A time with its time zone, or a duration before now.

    Raises:
        typer.BadParameter: neither, or not in the past.
    """
    now = datetime.now(UTC)
    if "-" not in text:
        return now - parse_duration(text, option)
    with suppress(ValueError):
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None and at <= now:
            return at.astimezone(UTC)
    raise typer.BadParameter(
        "not a time in the past such as 2026-01-31T08:00Z, nor a duration such as 7d",
        param_hint=option,
    )
