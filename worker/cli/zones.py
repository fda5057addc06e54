"""The time zone in which a command shows and reads times."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from worker.cli.durations import parse_time

if TYPE_CHECKING:
    from worker.settings import Settings


def zone_of(settings: "Settings", wanted: str | None) -> ZoneInfo:
    """The zone that was asked for, else that of ``TZ``, else that of the settings.

    Raises:
        typer.BadParameter: there is no such zone.
    """
    from worker.settings import zone_of_process

    try:
        return ZoneInfo(wanted or zone_of_process() or settings.zone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise typer.BadParameter(
            "not a time zone such as America/Lima", param_hint="--zone"
        ) from None


def parse_moment(text: str | None, option: str, zone: ZoneInfo) -> datetime | None:
    """A day or a time, in the zone unless it names its own; or a duration before now.

    A time that a clock shows twice is the first of both.

    Raises:
        typer.BadParameter: none of them.
    """
    if text is None:
        return None
    with suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            return at.replace(tzinfo=zone).astimezone(UTC)
    return parse_time(text, option)
