"""Turns Avro into JSON, by the schema of its writer.

Logical types become what the contract has in their place: times are texts of RFC 3339, decimals
are texts with a point. So whatever reads JSON reads Avro: wrappings, foreign formats, mappings.
"""

import io
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import fastavro
from fastavro.read import LOGICAL_READERS
from pydantic_core import from_json, to_json

from worker.ingest.registry.avro_limits import AvroInvalid, SchemaRefused, check_limits

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  the texts name their offset
# Ours, so that a hostile decimal of a million digits costs no second.
_OURS = "plazo-"
_LONGEST_DECIMAL = 64  # bytes
_MOST_DIGITS = 100


def avro_reader(text: str, references: Iterable[str]) -> Callable[[bytes], bytes]:
    """Return the reader of a schema; ``references`` are the texts that it needs, deepest first.

    The reader takes the bytes of one value and raises :class:`AvroInvalid`.

    Raises:
        SchemaRefused: it is no schema of Avro, or breaks a limit of :mod:`.avro_limits`.
    """
    named: dict[str, Any] = {}
    try:
        for each in references:
            fastavro.parse_schema(_ours(from_json(each)), named)
        schema = fastavro.parse_schema(_ours(_from_text(text)), named)
        if isinstance(schema, str) and schema in named:
            schema = named[schema]
        check_limits(schema, named)
    except SchemaRefused:
        raise
    # Whatever the library makes of a text that anybody may have registered.
    except Exception:
        raise SchemaRefused("it is no Avro schema") from None

    def read(body: bytes) -> bytes:
        stream = io.BytesIO(body)
        try:
            found = fastavro.schemaless_reader(stream, schema, None)
        # The decoder lets through whatever the bytes lead to, such as an index out of range.
        except Exception as error:
            raise AvroInvalid(type(error).__name__) from None
        if stream.tell() != len(body):
            raise AvroInvalid("bytes are left over")
        try:
            return to_json(found, bytes_mode="base64", inf_nan_mode="constants")
        except ValueError as error:
            raise AvroInvalid(type(error).__name__) from None

    return read


def _from_text(text: str) -> Any:
    """A schema of one word stands in quotes or, in some registries, without them."""
    return from_json(text) if text.lstrip()[:1] in ('"', "{", "[") else text.strip()


def _ours(schema: Any) -> Any:
    """The schema with our readers of logical types, and without defaults, which no writer needs."""
    if isinstance(schema, list):
        return [_ours(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: told for name, told in schema.items() if name not in ("default", "doc")}
    for inner in ("type", "items", "values"):
        if inner in kept:
            kept[inner] = _ours(kept[inner])
    if isinstance(kept.get("fields"), list):
        kept["fields"] = [_ours(field) for field in kept["fields"]]
    if "logicalType" in kept:
        kept["logicalType"] = f"{_OURS}{kept['logicalType']}"
    return kept


def _moment(microseconds: int, offset: str = "Z") -> Callable[..., str]:
    """Read a time in units of so many microseconds since 1970."""
    # Without a time zone, which would cost as much as the rest.
    return lambda number, *_: (_EPOCH + timedelta(0, 0, number * microseconds)).isoformat() + offset


def _nanoseconds(offset: str = "Z") -> Callable[..., str]:
    # Finer digits than a microsecond's are cut, as in JSON.
    return lambda number, *_: (_EPOCH + timedelta(0, 0, number // 1000)).isoformat() + offset


def _time(microseconds: int) -> Callable[..., str]:
    def read(number: int, *_: object) -> str:
        return (_EPOCH + timedelta(0, 0, number * microseconds)).time().isoformat()

    return read


def _date(days: int, *_: object) -> str:
    return (_EPOCH + timedelta(days)).date().isoformat()


def _decimal(raw: bytes, schema: Any, *_: object) -> str:
    scale = schema.get("scale", 0)
    if len(raw) > _LONGEST_DECIMAL or not 0 <= scale <= _MOST_DIGITS:
        raise ValueError
    number = int.from_bytes(raw, "big", signed=True)
    if not scale:
        return str(number)
    digits = str(abs(number)).rjust(scale + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


# By Avro type and logical type, as the library wants them. Others are read as their Avro type.
LOGICAL_READERS.update(
    {
        f"{kind}-{_OURS}{logical}": reader
        for kind, logical, reader in (
            ("long", "timestamp-millis", _moment(1_000)),
            ("long", "timestamp-micros", _moment(1)),
            ("long", "timestamp-nanos", _nanoseconds()),
            # No offset: which instant it is nobody knows, and the contract refuses it.
            ("long", "local-timestamp-millis", _moment(1_000, "")),
            ("long", "local-timestamp-micros", _moment(1, "")),
            ("long", "local-timestamp-nanos", _nanoseconds("")),
            ("int", "date", _date),
            ("int", "time-millis", _time(1_000)),
            ("long", "time-micros", _time(1)),
            ("bytes", "decimal", _decimal),
            ("fixed", "decimal", _decimal),
            ("fixed", "uuid", lambda raw, *_: str(UUID(bytes=raw))),
        )
    }
)
