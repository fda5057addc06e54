"""Durations as people read and write them: ``24h``, ``90s``, ``7d``, or ISO 8601 as ``PT24H``."""

import re
from datetime import timedelta

import isodate

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHORT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")


def duration(text: str) -> timedelta:
    """The duration that a text states.

    Raises:
        ValueError: it states none of a fixed length.
    """
    if short := _SHORT.fullmatch(text.strip()):
        try:
            return timedelta(seconds=float(short[1]) * _SECONDS[short[2]])
        except OverflowError:
            raise ValueError("longer than there is time") from None
    try:
        parsed = isodate.parse_duration(text.strip())
    except isodate.ISO8601Error as error:
        raise ValueError("not a duration such as 24h, 30s or PT24H") from error
    if not isinstance(parsed, timedelta):
        raise ValueError("years and months have no fixed length: use days or hours")
    return parsed


def written(length: timedelta) -> str:
    """The duration in its largest unit that needs no fraction; one day is ``24h``.

    :func:`duration` reads it back.
    """
    for unit in "dhm":
        number, rest = divmod(length, timedelta(seconds=_SECONDS[unit]))
        if number > (unit == "d") and not rest:
            return f"{number}{unit}"
    return f"{length.total_seconds():f}".rstrip("0").rstrip(".") + "s"
