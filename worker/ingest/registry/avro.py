"""Turns Avro into JSON, by the schema of its writer.

Logical types become what the contract has in their place: times are texts of RFC 3339, decimals
are texts with a point. So whatever reads JSON reads Avro: wrappings, foreign formats, mappings.

The library reads the schema, and :mod:`.avro_parts` the values.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Any

import fastavro
from pydantic_core import from_json, to_json

from worker.ingest.registry.avro_limits import AvroInvalid, SchemaRefused, check_limits
from worker.ingest.registry.avro_parts import UNCHECKED, Parts


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
        read_at = Parts(named).of(schema)
    except SchemaRefused:
        raise
    # Whatever the library makes of a text that anybody may have registered.
    except Exception:
        raise SchemaRefused("it is no Avro schema") from None

    def read(body: bytes) -> bytes:
        try:
            found, end = read_at(body, 0)
            if end != len(body):
                raise AvroInvalid("bytes are left over" if end < len(body) else "bytes are missing")
            return to_json(found, bytes_mode="base64", inf_nan_mode="constants")
        except (IndexError, struct.error):
            raise AvroInvalid("bytes are missing") from None
        except (ValueError, ArithmeticError) as error:
            raise AvroInvalid(type(error).__name__) from None

    return read


def _from_text(text: str) -> Any:
    """A schema of one word stands in quotes or, in some registries, without them."""
    return from_json(text) if text.lstrip()[:1] in ('"', "{", "[") else text.strip()


def _ours(schema: Any) -> Any:
    """The schema with logical types that the library does not check, and without defaults.

    A logical type that does not fit means nothing, by the specification; no reader of a writer's
    schema needs a default.
    """
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
        kept["logicalType"] = f"{UNCHECKED}{kept['logicalType']}"
    return kept
