"""What an expression found, as the contract writes it: ids, times, amounts and labels.

What cannot be written so stays as it was found, and the models of the contract refuse it by the
name of its field.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final

from pydantic_core import to_json

# ISO 8601 as publishers write it: also with a blank for the T, and an offset without a colon.
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r"(?: ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Above, a floating number of JSON has lost digits that matter.
_EXACT = 10**15
_MOST_DIGITS = 9
_WHOLE = re.compile(r"[0-9]{1,16}")
# A value that the contract's model of amounts refuses.
_NO_AMOUNT: Final[Any] = []


def identifier(found: Any) -> Any:
    """An id as text: numbers are written out."""
    return str(found) if _is_whole(found) else found


def moments(found: Any, zone: tzinfo | None, epoch: timedelta | None) -> tuple[datetime, ...]:
    """The instants that a value may mean, in UTC: none if it is no time.

    Two where the clocks of the zone show it twice. ``zone`` is for times without an offset,
    ``epoch`` the unit of a number since 1970.
    """
    try:
        if epoch is not None:
            return _since_epoch(found, epoch)
        match = _TIME.fullmatch(found.strip()) if isinstance(found, str) else None
        if match is None:
            return ()
        date, time, fraction, offset = match.groups()
        text = f"{date}T{time}.{(fraction or '0')[:6].ljust(6, '0')}"
        if offset:
            return (datetime.fromisoformat(text + _offset(offset)).astimezone(UTC),)
        if zone is None:
            return ()
        local = datetime.fromisoformat(text).replace(tzinfo=zone)
        both = {local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)}
        return tuple(sorted(both))
    except (ValueError, ArithmeticError):
        return ()


def _since_epoch(found: Any, unit: timedelta) -> tuple[datetime, ...]:
    if isinstance(found, str) and _NUMBER.fullmatch(found.strip()):
        number = Decimal(found.strip())
    elif _is_whole(found) or isinstance(found, float):
        number = Decimal(repr(found))
    else:
        return ()
    microseconds = int(number * (unit // timedelta(microseconds=1)))
    return (_EPOCH + timedelta(microseconds=microseconds),)


def _offset(text: str) -> str:
    if text in "Zz":
        return "+00:00"
    digits = text[1:].replace(":", "").ljust(4, "0")
    return f"{text[0]}{digits[:2]}:{digits[2:]}"


def amount(found: Any, *digits: Any) -> Any:
    """An amount as a decimal string; ``digits`` tells how many digits are those of minor units."""
    if digits:
        text = found.strip() if isinstance(found, str) else repr(found)
        (places,) = digits
        if not _WHOLE.fullmatch(text) or not _is_whole(places) or not 0 <= places <= _MOST_DIGITS:
            return _NO_AMOUNT
        return format(Decimal(text).scaleb(-places), "f")
    if isinstance(found, float):
        return format(Decimal(repr(found)), "f") if abs(found) < _EXACT else _NO_AMOUNT
    return found.strip() if isinstance(found, str) else identifier(found)


def label(found: Any) -> Any:
    """A label as text: numbers and truth values are written as JSON."""
    return to_json(found).decode() if isinstance(found, bool | int | float) else found


def without_nothing(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The fields that were found."""
    return {name: value for name, value in fields if value is not None}


def _is_whole(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool)
