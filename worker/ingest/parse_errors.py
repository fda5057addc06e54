"""Translates the parsers' errors into refusals: a class, and a message that holds no values.

The parsers' own messages may quote the input, and so personal data. They never leave this module.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas import types
from schemas.events import RefusalClass

MAX_MESSAGE: Final = 300

GZIP: Final = b"\x1f\x8b"
_KNOWN_STARTS: Final = {
    GZIP: "gzip: publish it plain, and let the producer compress",
    b"\x28\xb5\x2f\xfd": "zstd: publish it plain, and let the producer compress",
    b"Obj\x01": "a file of Avro, which is not read: use a schema registry",
    b"\xc3\x01": "a single object of Avro, which is not read: use a schema registry",
    b"\x03\x00": "a record of the Glue Schema Registry, which is not read",
    b"\x03\x05": "a record of the Glue Schema Registry, which is not read",
}

_POSITION = re.compile(r" at (line [0-9]+ column [0-9]+)$")
_CLASS_OF_ERROR = {
    types.TIME_FORMAT: RefusalClass.TIME,
    types.TIME_OUT_OF_RANGE: RefusalClass.OUT_OF_RANGE,
    types.MONEY_OUT_OF_RANGE: RefusalClass.OUT_OF_RANGE,
    "greater_than_equal": RefusalClass.OUT_OF_RANGE,
    "less_than_equal": RefusalClass.OUT_OF_RANGE,
    "int_parsing_size": RefusalClass.OUT_OF_RANGE,
    "string_unicode": RefusalClass.TEXT,
}
# What is wrong, by the type of the error. A place in braces is a limit of the model, never a value
# of the record. The money and the currency are the fields with other patterns.
_WORDS: Final[Mapping[str, str]] = {
    "missing": "missing",
    "string_type": "not a text",
    "string_too_short": "shorter than {min_length}",
    "string_too_long": "longer than {max_length} characters",
    "string_pattern_mismatch": "not of the form that the contract asks for",
    "string_unicode": "not Unicode",
    "literal_error": "not {expected}",
    "bool_type": "not true or false",
    "bool_parsing": "not true or false",
    "int_type": "not a whole number",
    "int_parsing": "not a whole number",
    "int_parsing_size": "too long a number",
    "greater_than_equal": "less than {ge}",
    "less_than_equal": "more than {le}",
    "dict_type": "not an object",
    "model_type": "not an object",
    "model_attributes_type": "not an object",
    "tuple_type": "not a list",
    "list_type": "not a list",
    types.TIME_FORMAT: "not a time of RFC 3339 with an offset",
    types.TIME_OUT_OF_RANGE: "not within the years 1 to 9999",
    types.MONEY_OUT_OF_RANGE: "more than 16 digits, or 9 after the point",
    types.LABELS: "not an object of at most 50 short texts",
}


class RefusalError(Exception):
    """A record is refused. ``message`` names fields and rules, never values."""

    def __init__(self, error: RefusalClass, message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message


class _ConstantError(Exception):
    """NaN or Infinity stands in the JSON."""


def refuse_constants(value: bytes) -> None:
    """Refuse NaN and Infinity: the models' parser accepts them in fields it does not know.

    Raises:
        RefusalError
    """
    if b"NaN" not in value and b"Infinity" not in value:
        return
    try:
        json.loads(value, parse_constant=_raise_constant, parse_int=str, parse_float=str)
    except _ConstantError:
        raise RefusalError(RefusalClass.NOT_JSON, "value: NaN or Infinity") from None
    except (ValueError, RecursionError):
        return  # other errors are left to the models' parser, which gives their position


def _raise_constant(_name: str) -> NoReturn:
    raise _ConstantError


def validation_refusal(error: ValidationError, value: bytes, prefix: str) -> RefusalError:
    """The refusal of a ``value`` that breaks a model; ``prefix`` precedes each field's name."""
    # Never `str(error)` nor a message: they may print input, and so personal data.
    details = error.errors(include_url=False, include_input=False)
    first = details[0]
    if first["type"] == "json_invalid":
        return json_refusal(str(first.get("ctx", {}).get("error", "")), value, prefix + "value")
    return RefusalError(_class_of(first), "; ".join(_described(details, prefix)))


def _class_of(detail: ErrorDetails) -> RefusalClass:
    if detail["type"] == "string_pattern_mismatch" and detail["ctx"]["pattern"] == types.NO_NUL:
        return RefusalClass.TEXT
    return _CLASS_OF_ERROR.get(detail["type"], RefusalClass.INVALID)


def _described(details: list[ErrorDetails], prefix: str) -> Iterator[str]:
    # The models ignore unknown fields, so a location holds only names from the models.
    for detail in details[:MAX_MESSAGE]:
        yield f"{prefix}{'.'.join(map(str, detail['loc'])) or 'value'}: {_words(detail)}"


def _words(detail: ErrorDetails) -> str:
    if _class_of(detail) == RefusalClass.TEXT:
        return "holds a character that Postgres cannot store"
    # A new release of the parser may bring a type that has no words yet.
    return _WORDS.get(detail["type"], detail["type"]).format_map(detail.get("ctx", {}))


def json_refusal(error: str, value: bytes, field: str) -> RefusalError:
    """The refusal of a ``value`` that is not JSON; ``error`` is the parser's text."""
    position = _POSITION.search(error)
    at = f" at {position[1]}" if position else ""
    if ("hex escape" in error or "surrogate" in error) and _parses(value):
        return RefusalError(RefusalClass.TEXT, f"{field}: lone surrogate{at}")
    if "number out of range" in error:
        return RefusalError(RefusalClass.OUT_OF_RANGE, f"{field}: number too long{at}")
    return RefusalError(RefusalClass.NOT_JSON, f"{field}: not JSON in UTF-8{at}{_likeness(value)}")


def _likeness(value: bytes) -> str:
    """The encoding that the first bytes are known for, so that its publisher finds the setting."""
    starts = (told for start, told in _KNOWN_STARTS.items() if value.startswith(start))
    return "".join(f"; it begins like {told}" for told in starts)


def _parses(value: bytes) -> bool:
    """Whether a parser that allows lone surrogates can read it."""
    try:
        json.loads(value.decode(), parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True
