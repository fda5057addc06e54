"""The logical types of Avro in the words of the contract, by Avro type and logical type.

Others are read as their Avro type.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  the texts name their offset
# So that a hostile decimal of a million digits costs no second.
_LONGEST_DECIMAL = 64  # bytes
_MOST_DIGITS = 100

Convert = Callable[[Any], str]
# Takes the schema of the type.
MakeConvert = Callable[[Mapping[str, Any]], Convert]


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """A second since 1970. Records of one time are read together."""
    # Without a time zone, which would cost as much as the rest.
    return (_EPOCH + timedelta(0, seconds)).isoformat()


def _moment(microseconds: int, offset: str = "Z") -> MakeConvert:
    """Read a time in units of so many microseconds since 1970."""
    seconds = 1_000_000 // microseconds

    def convert(told: int) -> str:
        second, rest = divmod(told, seconds)
        return f"{_second(second)}.{rest * microseconds:06d}{offset}"

    return lambda _: convert


def _nanoseconds(offset: str = "Z") -> MakeConvert:
    # Finer digits than a microsecond's are cut, as in JSON.
    convert = _moment(1, offset)({})
    return lambda _: lambda told: convert(told // 1000)


def _time(microseconds: int) -> MakeConvert:
    return lambda _: lambda told: (_EPOCH + timedelta(0, 0, told * microseconds)).time().isoformat()


def _date(_schema: Mapping[str, Any]) -> Convert:
    return lambda days: (_EPOCH + timedelta(days)).date().isoformat()


def _decimal(schema: Mapping[str, Any]) -> Convert:
    scale = schema.get("scale", 0)
    fits = isinstance(scale, int) and 0 <= scale <= _MOST_DIGITS
    from_bytes = int.from_bytes

    def convert(raw: bytes) -> str:
        if len(raw) > _LONGEST_DECIMAL or not fits:
            raise ValueError
        digits = str(from_bytes(raw, "big", signed=True))
        if not scale:
            return digits
        sign = ""
        if digits[0] == "-":
            sign, digits = "-", digits[1:]
        if len(digits) <= scale:
            digits = digits.rjust(scale + 1, "0")
        return f"{sign}{digits[:-scale]}.{digits[-scale:]}"

    return convert


LOGICAL: Final[Mapping[tuple[str, str], MakeConvert]] = {
    ("long", "timestamp-millis"): _moment(1_000),
    ("long", "timestamp-micros"): _moment(1),
    ("long", "timestamp-nanos"): _nanoseconds(),
    # No offset: which instant it is nobody knows, and the contract refuses it.
    ("long", "local-timestamp-millis"): _moment(1_000, ""),
    ("long", "local-timestamp-micros"): _moment(1, ""),
    ("long", "local-timestamp-nanos"): _nanoseconds(""),
    ("int", "date"): _date,
    ("int", "time-millis"): _time(1_000),
    ("long", "time-micros"): _time(1),
    ("bytes", "decimal"): _decimal,
    ("fixed", "decimal"): _decimal,
    ("fixed", "uuid"): lambda _: lambda raw: str(UUID(bytes=raw)),
}
