"""The schemas that the lanes of a worker have met, and the wait for those that they have not.

Decoding does not wait. A lane whose records name an unknown schema drops the batch, waits here, and
reads it again. While the registry is away it goes on waiting: a guard shows it, other lanes go on,
and no record is refused for it. A schema that the registry does not know may be on its way to the
replica that answered, so it gets some seconds; then its records are dead letters. To wait longer
would let one bad record hold a lane, and the dead letters can be replayed.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from schemas.events import RefusalClass
from worker.backoff import Backoff
from worker.clock import Clock
from worker.errors import PlazoError
from worker.ingest.parse_errors import RefusalError
from worker.ingest.registry.avro_limits import AvroInvalid, SchemaRefused
from worker.ingest.registry.framing import Framed, named, schema_ids
from worker.observability.guards import Guards
from worker.observability.labels import Guard, RegistryAnswer
from worker.observability.logs import logger
from worker.observability.metrics import Metrics
from worker.records import Record
from worker.registry.client import (
    RegistryAway,
    RegistryClient,
    SchemaText,
    SchemaTooLarge,
    SchemaUnknown,
)
from worker.registry.wire import FRAMED_AT, SchemaId, frame
from worker.settings import Settings

log = logger(__name__)

# Kept schemas: their number, and the characters of their texts.
_MOST_SCHEMAS: Final = 1_000
_MOST_CHARACTERS: Final = 32 << 20
_MOST_REFUSALS: Final = 10_000
# Seconds for which a registry may not know a schema that another of its replicas has registered.
_REPLICATION: Final = 15.0
# Seconds until an unknown schema, or one that was not asked for, is asked for again.
_ASK_AGAIN: Final = 600.0
_ASK_UNASKED: Final = 60.0
# Unknown schemas that are asked for in a row, and seconds until there is room for one more. Beyond
# them schemas are refused unasked: bad records must not become requests for ever.
_MOST_UNKNOWN: Final = 50
_ROOM_AFTER: Final = 5.0
_REQUESTS: Final = 4
_LONGEST_PAUSE: Final = 5.0


class SchemasMissing(PlazoError):
    """Records cannot be decoded before these schemas are known: wait for them, read again."""

    def __init__(self, schemas: Collection[SchemaId]) -> None:
        super().__init__(f"{len(schemas)} schemas of the registry are not known yet")
        self.schemas = schemas


class RegistryNotInstalled(PlazoError):
    """PLAZO_SCHEMA_REGISTRY_URL is set and its packages are missing."""


# Turns the body of a record into JSON; and makes that of a schema's text and its references.
_Read = Callable[[bytes], bytes]
_MakeReader = Callable[[str, Iterable[str]], _Read]


class _Reader(NamedTuple):
    read: _Read
    characters: int


class _Refusal(NamedTuple):
    message: str
    # Monotonic time from which to ask again; never, if what was found cannot change.
    until: float


class Schemas:
    """Schemas by id, bounded in number and size. One for all lanes of a worker."""

    def __init__(
        self,
        client: RegistryClient,
        readers: Mapping[str, _MakeReader],
        clock: Clock,
        metrics: Metrics,
        guards: Guards,
    ) -> None:
        self._client = client
        self._make_reader = readers
        self._clock = clock
        self._metrics = metrics
        self._guards = guards
        self._readers: dict[SchemaId, _Reader] = {}
        self._by_frame: dict[bytes, _Read] = {}
        self._characters = 0
        self._refusals: dict[SchemaId, _Refusal] = {}
        self._locks: WeakValueDictionary[SchemaId, asyncio.Lock] = WeakValueDictionary()
        self._turns = asyncio.Semaphore(_REQUESTS)
        self._room, self._room_at = float(_MOST_UNKNOWN), clock.monotonic()
        self._waiting: set[int] = set()

    @classmethod
    def of(
        cls, settings: Settings, clock: Clock, metrics: Metrics, guards: Guards
    ) -> "Schemas | None":
        """The schemas of the registry in the settings; ``None`` without one.

        Raises:
            RegistryNotInstalled: the extra ``registry`` is missing.
        """
        if not settings.schema_registry_urls:
            return None
        try:
            from worker.ingest.registry.avro import avro_reader
        except ImportError:
            message = "PLAZO_SCHEMA_REGISTRY_URL needs plazo[registry]"
            raise RegistryNotInstalled(message) from None
        readers = {"AVRO": avro_reader, "JSON": _as_it_is}
        return cls(RegistryClient(settings), readers, clock, metrics, guards)

    @property
    def waiting(self) -> Collection[int]:
        """The lanes that wait for a schema now."""
        return self._waiting

    async def close(self) -> None:
        """Close the connections to the registry."""
        await self._client.close()

    def missing(self, records: Iterable[Record]) -> set[SchemaId]:
        """Return the schemas that these records need and nobody has asked for."""
        needed: set[SchemaId] = set()
        begun: set[bytes] = set()
        for record in records:
            # Most records have the frame of the one before, or none.
            if not record.headers and record.value and record.key and record.key[0]:
                begin = record.value[:FRAMED_AT]
                if begin in begun:
                    continue
                begun.add(begin)
            needed.update(schema_ids(record))
        return {schema for schema in needed if not self._is_settled(schema)}

    def to_json_at_once(self, value: bytes) -> bytes | None:
        """Turn a value that begins with a frame into JSON, if its schema is known and it fits it.

        Most records take this way. :meth:`to_json` tells of the others what is wrong.
        """
        read = self._by_frame.get(value[:FRAMED_AT])
        if read is None:
            return None
        try:
            return read(value[FRAMED_AT:])
        except AvroInvalid:
            return None

    def to_json(self, framed: Framed) -> bytes:
        """Turn a framed value into JSON.

        Raises:
            RefusalError: its schema is not read, or its bytes do not fit the schema.
            SchemasMissing: the schema was dropped meanwhile; read again.
        """
        if reader := self._readers.get(framed.schema):
            try:
                return reader.read(framed.body)
            except AvroInvalid as error:
                message = f"value: does not fit {named(framed.schema)}: {error}"
                raise RefusalError(RefusalClass.SCHEMA, message) from None
        if refusal := self._refusals.get(framed.schema):
            raise RefusalError(RefusalClass.SCHEMA, refusal.message)
        raise SchemasMissing({framed.schema})

    async def fetch(self, lane: int, schemas: Collection[SchemaId]) -> bool:
        """Wait until each schema is known, or is known not to be read; true.

        ``lane`` waits for them: the guard shows it while the registry keeps it waiting.
        """
        try:
            await asyncio.gather(*(self._settle(lane, schema) for schema in schemas))
        finally:
            self._waiting.discard(lane)
            self._show()
        return True

    def _is_settled(self, schema: SchemaId) -> bool:
        if schema in self._readers:
            return True
        refusal = self._refusals.get(schema)
        return refusal is not None and self._clock.monotonic() < refusal.until

    async def _settle(self, lane: int, schema: SchemaId) -> None:
        lock = self._locks.setdefault(schema, asyncio.Lock())
        async with lock:
            if not self._is_settled(schema):
                await self._ask(lane, schema)

    async def _ask(self, lane: int, schema: SchemaId) -> None:
        backoff, unknown_since = Backoff(most=_LONGEST_PAUSE), None
        while True:
            async with self._turns:
                # In turn: each answer may have taken the room of the next.
                if unknown_since is None and not self._has_room():
                    message = f"{named(schema)}: not asked for, too many were unknown; replay later"
                    self._refuse(schema, message, _ASK_UNASKED)
                    return
                try:
                    found = await self._client.schema(schema)
                except (SchemaUnknown, RegistryAway) as error:
                    reason: PlazoError = error
                except SchemaTooLarge as error:
                    self._count(RegistryAnswer.FOUND)
                    self._refuse(schema, f"{named(schema)}: {error}")
                    return
                else:
                    self._count(RegistryAnswer.FOUND)
                    self._keep(schema, found)
                    return
            if isinstance(reason, SchemaUnknown):
                self._count(RegistryAnswer.UNKNOWN)
                now = self._clock.monotonic()
                if unknown_since is None:
                    unknown_since = now
                    self._room -= 1
                # In a flood of unknown ids nobody waits for a replica.
                patience = _REPLICATION if self._room > _MOST_UNKNOWN / 2 else 0.0
                if now - unknown_since >= patience:
                    message = f"{named(schema)}: the registry does not know it"
                    self._refuse(schema, message, _ASK_AGAIN)
                    return
            else:
                self._count(RegistryAnswer.AWAY)
            pause = backoff.next()
            self._waiting.add(lane)
            self._show()
            waits = {"lane": lane, "schema": str(schema), "reason": f"schema registry: {reason}"}
            log.warning("lane_waits", **waits, seconds=round(pause, 2))
            await self._clock.sleep(pause)

    def _has_room(self) -> bool:
        now = self._clock.monotonic()
        self._room = min(_MOST_UNKNOWN, self._room + (now - self._room_at) / _ROOM_AFTER)
        self._room_at = now
        return self._room >= 1

    def _keep(self, schema: SchemaId, found: SchemaText) -> None:
        if found.kind not in self._make_reader:
            kind = "Protobuf" if found.kind == "PROTOBUF" else "of an unknown kind"
            self._refuse(schema, f"{named(schema)} is {kind}: only Avro and JSON are read")
            return
        try:
            read = self._make_reader[found.kind](found.text, found.references)
        except SchemaRefused as error:
            self._refuse(schema, f"{named(schema)}: {error}")
            return
        self._refusals.pop(schema, None)
        self._readers[schema] = _Reader(read, sum(map(len, (found.text, *found.references))))
        if isinstance(schema, int):
            self._by_frame[frame(schema)] = read
        self._characters += self._readers[schema].characters
        while len(self._readers) > _MOST_SCHEMAS or self._characters > _MOST_CHARACTERS:
            oldest = next(iter(self._readers))
            self._characters -= self._readers.pop(oldest).characters
            if isinstance(oldest, int):
                del self._by_frame[frame(oldest)]

    def _refuse(self, schema: SchemaId, message: str, seconds: float = float("inf")) -> None:
        log.warning("schema_refused", schema=str(schema), reason=message)
        self._refusals.pop(schema, None)
        self._refusals[schema] = _Refusal(message, self._clock.monotonic() + seconds)
        while len(self._refusals) > _MOST_REFUSALS:
            del self._refusals[next(iter(self._refusals))]

    def _count(self, answer: RegistryAnswer) -> None:
        self._metrics.registry_answers.labels(answer).inc()

    def _show(self) -> None:
        self._guards.hold(Guard.REGISTRY, len(self._waiting))


def _as_it_is(_text: str, _references: Iterable[str]) -> _Read:
    return bytes
