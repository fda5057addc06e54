"""What the answer of a receiver means."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

# Longer waits would look like a receiver that is away.
_LONGEST_WAIT = 3600.0
# Of the client's errors, those that another attempt may mend.
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class Meaning(StrEnum):
    """The next step after an answer."""

    TAKEN = "taken"
    AGAIN = "again"
    REFUSED = "refused"  # for good


def meaning_of(status: int) -> Meaning:
    """Of a status of HTTP. A redirect is not followed: it is as a receiver that is away."""
    if 200 <= status < 300:
        return Meaning.TAKEN
    if 400 <= status < 500 and status not in _PASSING:
        return Meaning.REFUSED
    return Meaning.AGAIN


def wait_wanted(headers: Mapping[str, str], now: datetime) -> float:
    """The seconds that ``Retry-After`` asks for, at most an hour; 0 without it."""
    told = headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdigit() and len(told) < 10:
        return min(float(told), _LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(told)
        wait = (at - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, wait), _LONGEST_WAIT)
