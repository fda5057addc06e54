"""The encodings of decisions: plain JSON, or JSON or Avro by a schema of the registry.

A decision is stored as JSON, whatever the encoding, so a worker with another setting publishes the
same decisions. The records of a topic may differ: each names its schema, and the headers are the
same in all of them.
"""

import io
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

import orjson

from schemas import events as names
from schemas.registered import AVRO, JSON_SCHEMA, registered_text
from worker.clock import Clock
from worker.errors import PlazoError
from worker.observability.guards import Guards
from worker.observability.metrics import Metrics
from worker.outbox.decision_schema import DecisionSchema
from worker.registry.client import RegistryClient, SchemaText
from worker.registry.wire import frame
from worker.settings import Settings

Convert = Callable[[Any], Any]


class AvroNotInstalled(PlazoError):
    """PLAZO_DECISIONS_ENCODING is `avro` and its package is missing."""


class Encoding(Protocol):
    """How the value of a decision is written."""

    content_type: bytes

    async def ready(self, lane: int) -> None:
        """Wait until values can be encoded; a guard shows that ``lane`` waits."""

    def encode(self, value: bytes) -> bytes:
        """The value of a record, from its JSON."""

    async def close(self) -> None:
        """Close the connections that it needs."""


class PlainJson:
    """JSON as it is."""

    content_type = names.CONTENT_TYPE.encode()

    async def ready(self, lane: int) -> None:
        """It always is."""

    def encode(self, value: bytes) -> bytes:
        """The value itself."""
        return value

    async def close(self) -> None:
        """It has no connections."""


class Framed:
    """Bytes behind the id of their schema, in the wire format of Confluent."""

    def __init__(
        self, schema: DecisionSchema, content_type: str, write: Callable[[bytes], bytes]
    ) -> None:
        self.content_type = content_type.encode()
        self._schema = schema
        self._write = write
        self._frame = b""

    async def ready(self, lane: int) -> None:
        """Wait until the registry has told the id of the schema, once in the life of a worker."""
        if not self._frame:
            self._frame = frame(await self._schema.id(lane))

    def encode(self, value: bytes) -> bytes:
        """Needs :meth:`ready` before it."""
        assert self._frame
        return self._frame + self._write(value)

    async def close(self) -> None:
        """Close the connections to the registry."""
        await self._schema.close()


def schema_of(settings: Settings) -> SchemaText | None:
    """The schema that the decisions are published by; ``None`` for plain JSON."""
    if settings.decisions_encoding == "avro":
        return SchemaText("AVRO", _compact(registered_text(AVRO)))
    if settings.decisions_encoding == "json-schema":
        return SchemaText("JSON", _compact(registered_text(JSON_SCHEMA)))
    return None


def encoding_of(settings: Settings, clock: Clock, metrics: Metrics, guards: Guards) -> Encoding:
    """The encoding in the settings.

    Raises:
        AvroNotInstalled: the extra ``registry`` is missing.
    """
    text = schema_of(settings)
    if text is None:
        return PlainJson()
    write, content_type = (
        (avro_writer(text.text), names.AVRO_CONTENT_TYPE)
        if text.kind == "AVRO"
        else (bytes, names.CONTENT_TYPE)
    )
    schema = DecisionSchema(RegistryClient(settings), text, settings, clock, metrics, guards)
    return Framed(schema, content_type, write)


def avro_writer(text: str) -> Callable[[bytes], bytes]:
    """The writer of JSON by a schema. Fields that the schema does not have are left out.

    A newer version may have stored them before this one took over again; readers ignore such
    fields as well.

    Raises:
        AvroNotInstalled: the extra ``registry`` is missing.
    """
    try:
        import fastavro
    except ImportError:
        raise AvroNotInstalled("PLAZO_DECISIONS_ENCODING=avro needs plazo[registry]") from None
    schema: Any = fastavro.parse_schema(orjson.loads(text))
    convert = _converter(schema, {}) or _as_it_is

    def write(value: bytes) -> bytes:
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, schema, convert(orjson.loads(value)))
        return stream.getvalue()

    return write


def _converter(schema: Any, named: dict[str, Convert | None]) -> Convert | None:
    """Turn the times in parsed JSON into what the writer takes; ``None`` where there are none."""
    if isinstance(schema, list):
        return next(filter(None, (_converter(branch, named) for branch in schema)), None)
    if not isinstance(schema, dict):
        return named.get(schema)
    kind = schema["type"]
    if schema.get("logicalType") == _TIME:
        return datetime.fromisoformat
    if kind == "array":
        item = _converter(schema["items"], named)
        return None if item is None else lambda told: [item(one) for one in told]
    if kind != "record":
        return None
    parts = {
        field["name"]: found
        for field in schema["fields"]
        if (found := _converter(field["type"], named)) is not None
    }
    named[schema["name"]] = record = _of_fields(parts) if parts else None
    return record


_TIME: Final = "timestamp-micros"


def _of_fields(parts: dict[str, Convert]) -> Convert:
    def convert(told: dict[str, Any]) -> dict[str, Any]:
        for name, part in parts.items():
            if told.get(name) is not None:
                told[name] = part(told[name])
        return told

    return convert


def _as_it_is(told: Any) -> Any:
    return told


def _compact(text: str) -> str:
    return orjson.dumps(orjson.loads(text)).decode()
