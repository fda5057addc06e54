"""Finds the schema that a record names: before its value, or in a header.

Confluent's serializers write a zero byte and the id of a schema, four bytes, before a value or key.
Newer ones write a header instead: the same five bytes, or a one and the sixteen bytes of a GUID.
A header goes first, as in their own deserializers.
"""

import uuid
from collections.abc import Iterator
from typing import Final, NamedTuple

from worker.records import MOST_HEADERS, Record
from worker.registry.wire import FRAME, FRAMED_AT, HIGHEST_ID, SchemaId

VALUE_SCHEMA: Final = "__value_schema_id"
KEY_SCHEMA: Final = "__key_schema_id"
_GUID: Final = b"\1"
_GUID_BYTES = 17


class Framed(NamedTuple):
    """The bytes of a value or key without its frame, and the schema that they were written by."""

    schema: SchemaId
    body: bytes


def framed_value(record: Record) -> Framed | None:
    """Return what is inside the frame of a value; ``None`` if it has none."""
    return _framed(record, record.value, VALUE_SCHEMA)


def names_schema(record: Record) -> bool:
    """Whether a header of a record names the schema of its value."""
    return bool(record.headers) and _header(record, VALUE_SCHEMA) is not None


def json_in_frame(value: bytes) -> bytes | None:
    """Return the JSON behind the id of a schema, for which the schema is not needed."""
    if value[FRAMED_AT : FRAMED_AT + 1] == b"{" and value[-1:] == b"}":
        return value[FRAMED_AT:] if _schema(value[:FRAMED_AT]) else None
    return None


def framed_key(record: Record) -> Framed | None:
    """Return what is inside the frame of a key; ``None`` if it has none.

    The number of a ``long`` may look like one.
    """
    return _framed(record, record.key, KEY_SCHEMA)


def is_json(body: bytes) -> bool:
    """Whether a frame holds JSON, which no schema is needed for.

    Avro may begin with a brace, but it would hardly end with one too.
    """
    return body[:1] == b"{" and (body[-1:] == b"}" or body.rstrip()[-1:] == b"}")


def schema_ids(record: Record) -> Iterator[SchemaId]:
    """Yield the schemas that the value and the key of a record cannot be read without.

    That of a key only beside a value with a frame, so that no number is asked for.
    """
    found = framed_value(record)
    if found is None:
        return
    if not is_json(found.body):
        yield found.schema
    if (key := framed_key(record)) and not is_json(key.body):
        yield key.schema


def named(schema: SchemaId) -> str:
    """The schema in the words of a refusal."""
    kind = "id" if isinstance(schema, int) else "GUID"
    return f"Confluent wire format, schema {kind} {schema}"


def _framed(record: Record, raw: bytes | None, header: str) -> Framed | None:
    if not raw:
        return None
    told = _header(record, header) if record.headers else None
    if told is not None and not is_json(raw) and (schema := _schema(told)):
        return Framed(schema, raw)
    if raw.startswith(FRAME) and len(raw) > FRAMED_AT and (schema := _schema(raw[:FRAMED_AT])):
        return Framed(schema, raw[FRAMED_AT:])
    return None


def _header(record: Record, wanted: str) -> bytes | None:
    for name, told in record.headers[:MOST_HEADERS]:
        if name == wanted:
            return told
    return None


def _schema(told: bytes) -> SchemaId | None:
    if told.startswith(FRAME) and len(told) == FRAMED_AT:
        number = int.from_bytes(told[1:], "big")
        return number if 1 <= number <= HIGHEST_ID else None
    if told.startswith(_GUID) and len(told) == _GUID_BYTES:
        return uuid.UUID(bytes=told[1:])
    return None
