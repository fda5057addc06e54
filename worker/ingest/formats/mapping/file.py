"""The file of a mapping: YAML, read whole, or refused with every fault and its line."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from schemas.statuses import STATUSES, nearest, normalise
from schemas.types import LABEL_NAME_LENGTH
from worker.errors import FormatInvalid
from worker.ingest.formats.mapping.expression import Expression
from worker.located_yaml import PlainLoader, line_of, read_plain, repeated_keys

MOST_BYTES: Final = 1_000_000
_UNITS: Final = {"seconds": timedelta(seconds=1), "milliseconds": timedelta(milliseconds=1)}


class _Part(BaseModel):
    """A part of the file: a key that it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _expression(given: object) -> object:
    if isinstance(given, Expression):
        return given
    if not isinstance(given, str):
        raise ValueError("not a JMESPath expression; a constant text is written \"'text'\"")
    return Expression(given)


def _zone(given: object) -> object:
    try:
        return ZoneInfo(given) if isinstance(given, str) else given
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{given}: no time zone such as America/Lima") from None


def _status(given: str) -> str:
    if normalise(given) not in STATUSES:
        like = nearest(given, STATUSES)
        hint = f"; did you mean {like}?" if like else ""
        raise ValueError(f"{given} is no status of Plazo{hint}")
    return normalise(given)


def _states(given: object) -> object:
    """Their words may look like numbers."""
    return {str(k): told for k, told in given.items()} if isinstance(given, dict) else given


def _known(given: dict[str, str | None]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for word, told in given.items():
        if normalise(word) in found:
            raise ValueError(f"{word} is given twice, in two spellings")
        found[normalise(word)] = None if told is None else _status(told)
    return found


def _found(given: object) -> object:
    """A bare expression stands for a part with ``find`` alone."""
    return given if isinstance(given, dict) else {"find": given}


Find = Annotated[Expression, BeforeValidator(_expression)]
# From their words, normalised, to our statuses; None is one that says nothing.
States = Annotated[dict[str, str | None], BeforeValidator(_states), AfterValidator(_known)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]


class TimePart(_Part):
    """A time. ``since`` is the earliest that it can be, where ``find`` is the latest."""

    find: Find
    since: Find | None = None
    zone: Zone | None = None
    epoch: Literal["seconds", "milliseconds"] | None = None

    @cached_property
    def unit(self) -> timedelta | None:
        """The unit of a number."""
        return _UNITS[self.epoch] if self.epoch else None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.zone and self.epoch:
            raise ValueError("a number since 1970 has no zone")
        return self


class _Amount(_Part):
    """An amount; with ``digits`` a whole number of minor units."""

    find: Find
    digits: Find | None = None

    @field_validator("digits", mode="before")
    @classmethod
    def _number(cls, given: object) -> object:
        return f"`{given}`" if type(given) is int else given


Time = Annotated[TimePart, BeforeValidator(_found)]
Amount = Annotated[_Amount, BeforeValidator(_found)]
Label = Annotated[str, Field(min_length=1, max_length=LABEL_NAME_LENGTH)]


class OrderPart(_Part):
    """The order-created of a record, where ``only`` does not find false."""

    only: Find | None = None
    seller_id: Find
    fulfilment: Find = Expression("'dropshipping'")
    entered_at: Time
    due: Time | None = None
    total: Amount | None = None
    currency: Find | None = None
    lines: Find | None = None
    labels: dict[Label, Find] = Field(default_factory=dict)


class _Findings(_Part):
    in_stock: Find | None = None
    functional: Find | None = None
    complete: Find | None = None


class _Lines(_Findings):
    each: Find
    sku: Find | None = None


class _Validation(_Findings):
    lines: _Lines | None = None


class _Dispute(_Part):
    text: Find | None = None
    type: Find | None = None
    responsible: Find | None = None


class ActPart(_Part):
    """An act of a record, or one for each part that ``each`` finds."""

    each: Find | None = None
    only: Find | None = None
    # One of ours, or an expression for one of theirs.
    status: Annotated[str, AfterValidator(_status)] | None = None
    state: Find | None = None
    states: States | None = None  # instead of those of the file
    occurred_at: Time
    lines: Find | None = None
    partial: Find | None = None
    validation: _Validation | None = None
    dispute: _Dispute | None = None

    @model_validator(mode="after")
    def _one_status(self) -> Self:
        if (self.status is None) == (self.state is None):
            raise ValueError("needs either status, one of Plazo's, or state, an expression")
        if self.states is not None and self.state is None:
            raise ValueError("states goes with state")
        return self


class Sample(_Part):
    """A record and the events that it becomes, or the reason why it is refused."""

    record: Any
    recorded_at: str = "2026-01-01T00:00:00Z"
    becomes: list[dict[str, Any]] | None = None
    refused: str | None = None

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if (self.becomes is None) == (self.refused is None):
            raise ValueError("needs either becomes, a list of events, or refused, the reason")
        return self


class MappingFile(_Part):
    """What a mapping file says."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
    about: str = ""
    zone: Zone | None = None
    only: Find | None = None
    order_id: Find
    order: OrderPart | None = None
    states: States = Field(default_factory=dict)
    acts: list[ActPart] = Field(default_factory=list)
    samples: Annotated[list[Sample], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.order is None and not self.acts:
            raise ValueError("needs order, acts or both")
        if not self.states and any(act.state and not act.states for act in self.acts):
            raise ValueError("needs states: a table from their words to Plazo's statuses")
        return self

    def status(self, word: str, states: Mapping[str, str | None] | None = None) -> str | None:
        """Our status for one of their words, ``None`` if it says nothing.

        A word that the table does not list becomes one that Plazo does not know either, whatever
        it means to others.
        """
        known = self.states if states is None else states
        return known.get(normalise(word), f"{self.name}:{word}")


def load(path: Path) -> tuple[MappingFile, Any]:
    """Read a file; return its tree as well, for the lines of faults.

    Raises:
        FormatInvalid: the file is unreadable or breaks a rule; with the lines.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise FormatInvalid([f"{path}: more than {MOST_BYTES} bytes"])
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FormatInvalid([f"{path}: {error.strerror or error}"]) from None
    except UnicodeDecodeError:
        raise FormatInvalid([f"{path}: not UTF-8"]) from None
    return parse(text, str(path))


def parse(text: str, name: str) -> tuple[MappingFile, Any]:
    """Read a text. Raises: as :func:`load`."""
    try:
        root = yaml.compose(text, Loader=PlainLoader)
        if root is None:
            raise FormatInvalid([f"{name}: is empty"])
        if repeated := list(repeated_keys(root)):
            raise FormatInvalid([f"{name}:{line}: {key}: given twice" for line, key in repeated])
        content = read_plain(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise FormatInvalid([f"{name}{line}: {getattr(error, 'problem', error)}"]) from None
    try:
        return MappingFile.model_validate(content), root
    except ValidationError as error:
        faults = (
            (line_of(root, fault["loc"]), fault["loc"], fault["msg"])
            for fault in error.errors(include_url=False)
        )
        raise FormatInvalid(
            [
                f"{name}:{line}: {_place(at)}: {message.removeprefix('Value error, ')}"
                for line, at, message in sorted(faults, key=lambda one: one[0])
            ]
        ) from None


def _place(path: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in path) or "file"
