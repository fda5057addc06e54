"""Decisions as plain JSON, in whichever encoding they were published.

A record in Avro names the schema that it was written by. The registry tells that schema; while it
is away the delivery waits, since no decision is lost by waiting.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson

from schemas import events as names
from worker.backoff import Backoff
from worker.errors import PlazoError
from worker.ingest.registry.avro_limits import AvroInvalid, SchemaRefused
from worker.ingest.registry.framing import Framed, framed_value, is_json, named
from worker.observability.logs import logger
from worker.records import Record
from worker.registry.client import RegistryAway, RegistryClient, SchemaTooLarge, SchemaUnknown
from worker.registry.wire import SchemaId
from worker.settings import Settings

log = logger(__name__)

_LONGEST_PAUSE: Final = 5.0
# Seconds for which a registry may not know a schema that another of its replicas has registered.
_REPLICATION: Final = 15.0
_MOST_SCHEMAS: Final = 100


class DecisionNotReadable(PlazoError):
    """A decision in Avro whose schema cannot be had, or whose bytes do not fit it."""


class ReaderNotInstalled(PlazoError):
    """PLAZO_SCHEMA_REGISTRY_URL is set and its packages are missing."""


class Decisions:
    """Reads the records of one process of ``plazo deliver``.

    ``waits_for`` says why records wait for the registry now; it is empty if none does.

    Raises:
        ReaderNotInstalled: there is a registry, and the extra ``registry`` is missing.
    """

    def __init__(self, settings: Settings) -> None:
        self.waits_for = ""
        self._client: RegistryClient | None = None
        if settings.schema_registry_urls:
            self._make_reader = _avro_reader()
            self._client = RegistryClient(settings)
        self._readers: dict[SchemaId, Callable[[bytes], bytes]] = {}
        self._asking = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections to the registry."""
        if self._client is not None:
            await self._client.close()

    async def plain(self, record: Record) -> Record:
        """Return a record with JSON as its value; wait for the registry as long as it takes.

        Any other record that is not Avro stays as it is.

        Raises:
            DecisionNotReadable: waiting does not help.
        """
        framed = framed_value(record)
        if framed is None:
            return record
        if is_json(framed.body):
            return record._replace(value=framed.body)
        read = self._readers.get(framed.schema) or await self._reader(framed)
        try:
            decision = orjson.loads(read(framed.body))
        except AvroInvalid as error:
            raise DecisionNotReadable(f"does not fit {named(framed.schema)}: {error}") from None
        return record._replace(value=as_published(decision), headers=_as_json(record.headers))

    async def _reader(self, framed: Framed) -> Callable[[bytes], bytes]:
        async with self._asking:  # records of one schema ask once
            if (read := self._readers.get(framed.schema)) is None:
                try:
                    read = await self._ask(framed.schema)
                finally:
                    self.waits_for = ""
                while len(self._readers) >= _MOST_SCHEMAS:
                    del self._readers[next(iter(self._readers))]
                self._readers[framed.schema] = read
        return read

    async def _ask(self, schema: SchemaId) -> Callable[[bytes], bytes]:
        if self._client is None:
            raise DecisionNotReadable(f"{named(schema)}: set PLAZO_SCHEMA_REGISTRY_URL")
        backoff, waited = Backoff(most=_LONGEST_PAUSE), 0.0
        while True:
            try:
                found = await self._client.schema(schema)
                if found.kind != "AVRO":
                    raise DecisionNotReadable(f"{named(schema)} is no Avro")
                return self._make_reader(found.text, found.references)
            except SchemaUnknown:
                if waited >= _REPLICATION:
                    message = f"{named(schema)}: the registry does not know it"
                    raise DecisionNotReadable(message) from None
                reason = f"the registry does not know {named(schema)}"
            except RegistryAway as error:
                reason = str(error)
            except (SchemaTooLarge, SchemaRefused) as error:
                raise DecisionNotReadable(f"{named(schema)}: {error}") from None
            pause = backoff.next()
            waited += pause
            self.waits_for = f"schema registry: {reason}"
            log.warning("deliveries_wait", reason=self.waits_for, seconds=round(pause, 2))
            await asyncio.sleep(pause)


def _avro_reader() -> Callable[..., Callable[[bytes], bytes]]:
    try:
        from worker.ingest.registry.avro import avro_reader
    except ImportError:
        raise ReaderNotInstalled("PLAZO_SCHEMA_REGISTRY_URL needs plazo[registry]") from None
    return avro_reader


def as_published(decision: Any) -> bytes:
    """Return a decision from Avro as it would be published in JSON.

    Avro writes each field of the schema. JSON leaves out what a decision does not have, other than
    the time of a refused act, which is null.
    """
    evidence = decision.get("evidence") or {}
    if evidence.get("omitted") == 0:
        del evidence["omitted"]
    return orjson.dumps(_without_nulls(decision))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_nulls(each)
            for name, each in value.items()
            if each is not None or (name == "occurred_at" and value.get("status") == "refused")
        }
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _as_json(headers: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    content_type = names.CONTENT_TYPE.encode()
    return tuple(
        (name, content_type if name == names.CONTENT_TYPE_HEADER else told)
        for name, told in headers
    )
