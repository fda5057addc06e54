"""Values with rules of their own: identifiers, texts, times and money.

The checks run inside pydantic-core wherever it has them; Python is called once per time or amount.
Each rule has an error type of its own, so that a reader can tell them apart without the message,
which may hold personal data.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import Field, GetPydanticSchema, StringConstraints
from pydantic_core import PydanticCustomError, core_schema

# Error types, beside pydantic's own.
TIME_FORMAT: Final = "time_format"
TIME_OUT_OF_RANGE: Final = "time_out_of_range"
MONEY_OUT_OF_RANGE: Final = "money_out_of_range"
LABELS: Final = "labels"

LABEL_NAME_LENGTH: Final = 100
LABEL_VALUE_LENGTH: Final = 200
_MOST_LABELS = 50

# Patterns mean the same to pydantic-core (Rust), to ECMA 262 and to Python: `\d` does not.
# Postgres cannot store NUL in text. Lone surrogates never get here: the JSON parser refuses them.
NO_NUL: Final = r"^[^\x00]*$"
_OFFSET = r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
TIME: Final = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?" + _OFFSET + "$"
)
_AMOUNT = r"^[0-9]+(\.[0-9]+)?$"
MONEY: Final = r"^[0-9]{1,16}(\.[0-9]{1,9})?$"


def _to_utc(text: str) -> datetime:
    """Parse what :data:`TIME` let through; digits finer than a microsecond are cut."""
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except ValueError:  # 30 February, year 0
        raise PydanticCustomError(TIME_FORMAT, "Input should be a date of the calendar") from None
    except OverflowError:  # the offset leads out of the years 1 to 9999
        raise PydanticCustomError(
            TIME_OUT_OF_RANGE, "Input should be within the years 1 to 9999 in UTC"
        ) from None


def _wire(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _schema(core: core_schema.CoreSchema, json_schema: dict[str, Any]) -> GetPydanticSchema:
    """Give a field its core schema whole, and what JSON Schema says of it."""
    return GetPydanticSchema(lambda _source, _handler: core, lambda _core, _handler: json_schema)


_TIME_TEXT = core_schema.no_info_after_validator_function(
    _to_utc,
    core_schema.custom_error_schema(
        core_schema.str_schema(pattern=TIME, strict=True),
        TIME_FORMAT,
        custom_error_message="Input should be a string: an RFC 3339 time with an offset",
    ),
)
_TIME = core_schema.json_or_python_schema(
    _TIME_TEXT,
    # From Python an aware datetime will do as well.
    core_schema.union_schema(
        [
            core_schema.no_info_after_validator_function(
                lambda value: value.astimezone(UTC),
                core_schema.datetime_schema(strict=True, tz_constraint="aware"),
            ),
            _TIME_TEXT,
        ]
    ),
    serialization=core_schema.plain_serializer_function_ser_schema(
        _wire, return_schema=core_schema.str_schema(), when_used="json"
    ),
)

_MONEY_TEXT = core_schema.chain_schema(
    [
        core_schema.str_schema(pattern=_AMOUNT, strict=True),
        core_schema.custom_error_schema(
            core_schema.str_schema(pattern=MONEY),
            MONEY_OUT_OF_RANGE,
            custom_error_message="Input should have at most 16 digits, and 9 after the point",
        ),
    ]
)

# One error for all: the location of any other would hold the name of a label.
_LABELS = core_schema.custom_error_schema(
    core_schema.dict_schema(
        core_schema.str_schema(
            min_length=1, max_length=LABEL_NAME_LENGTH, pattern=NO_NUL, strict=True
        ),
        core_schema.str_schema(max_length=LABEL_VALUE_LENGTH, pattern=NO_NUL, strict=True),
        max_length=_MOST_LABELS,
        strict=True,
    ),
    LABELS,
    custom_error_message="Input should be an object of at most 50 short texts",
)

Time = Annotated[
    datetime,
    _schema(
        _TIME,
        {
            "type": "string",
            "format": "date-time",
            "pattern": TIME,
            "examples": ["2026-11-22T15:04:05.123Z", "2026-11-22T10:04:05-05:00"],
        },
    ),
]
"""An instant: RFC 3339 with an offset, up to 9 fractional digits; kept in UTC, in microseconds."""

Money = Annotated[
    str,
    _schema(_MONEY_TEXT, {"type": "string", "pattern": MONEY, "examples": ["120.00"]}),
]
"""A non-negative amount as a decimal string. Nothing here counts with it, so text it stays."""

Labels = Annotated[
    dict[str, str],
    _schema(
        _LABELS,
        {
            "type": "object",
            "maxProperties": _MOST_LABELS,
            "propertyNames": {"minLength": 1, "maxLength": LABEL_NAME_LENGTH, "pattern": NO_NUL},
            "additionalProperties": {
                "type": "string",
                "maxLength": LABEL_VALUE_LENGTH,
                "pattern": NO_NUL,
            },
            "examples": [{"test": "true"}],
        },
    ),
]
"""Further facts of an order: short texts by their names."""

Text = Annotated[str, Field(max_length=10_000, pattern=NO_NUL)]
"""What a person wrote."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
"""An identifier or a status: short, and compared as it stands."""

Trimmed = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=NO_NUL),
    Field(
        # A JSON Schema cannot trim: it has to say that blanks alone are nothing.
        json_schema_extra={"pattern": r"^[^\x00]*[^\x00\s][^\x00]*$"},
    ),
]
"""As a name, without the blanks around it."""

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["PEN"])]
"""ISO 4217."""
