"""Durations as people type them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import typer

from worker.durations import duration


def parse_duration(text: str, option: str) -> timedelta:
    """60s, 2m, 1h, 90d or an ISO 8601 duration such as PT1M.

    Raises:
        typer.BadParameter: not a duration, or not positive.
    """
    found = timedelta(0)
    with suppress(ValueError):
        found = duration(text)
    if found <= timedelta(0):
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
