"""A decoder behind a schema registry, by a clock that a test can hold."""

import asyncio
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.models import OrderStatusChanged
from tests.support.registry import SmallRegistry
from tests.unit.test_avro import logical, record, written
from worker.ingest.decoder import Decoder
from worker.ingest.registry.schemas import Schemas
from worker.observability.guards import Guards
from worker.observability.metrics import Metrics
from worker.records import Record, Refusal
from worker.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ID = "v1-01"
AT = datetime(2026, 11, 24, 11, tzinfo=UTC)
MILLIS = logical("long", "timestamp-millis")
ACT = record("Act", order_id="string", status="string", occurred_at=MILLIS)
VALUE = {"order_id": ID, "status": "start-handling", "occurred_at": AT}
BODY = written(ACT, VALUE)
WANTED = OrderStatusChanged(order_id=ID, status="start-handling", occurred_at=AT)
GUID = uuid.UUID("89791762-2336-4186-9674-299b90a802e2")
Headers = tuple[tuple[str, bytes], ...]


class Hurried:
    """A clock by which nobody waits: to sleep is to let it go on, unless ``runs`` is not set."""

    def __init__(self) -> None:
        self.runs = asyncio.Event()
        self.runs.set()
        self.at = 100.0
        self.slept = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds
        await asyncio.sleep(0)
        await self.runs.wait()


class Bench:
    """A decoder, the schemas behind it, and all that shows how they fare."""

    def __init__(self, registry: SmallRegistry, **more: Any) -> None:
        told: dict[str, Any] = {"schema_registry_url": registry.url, **more}
        settings = Settings(_env_file=None, order_created_topic="created",
                            order_status_changed_topic="acts", **told)  # fmt: skip
        self.clock: Any = Hurried()
        self.metrics = Metrics(settings)
        self.guards = Guards(self.metrics)
        found = Schemas.of(settings, self.clock, self.metrics, self.guards)
        assert found is not None
        self.schemas = found
        self.decoder = Decoder.of(settings, timedelta(days=1), self.schemas)

    async def read(self, *records: Record) -> list[Any]:
        """As the reader does: fetch what is missing, and decode."""
        if missing := self.decoder.missing_schemas(records):
            await self.schemas.fetch(3, missing)
        return [self.decoder.decode(one, NOW) for one in records]

    async def refused(self, one: Record) -> Refusal:
        (found,) = await self.read(one)
        assert isinstance(found, Refusal), found
        return found


MakeBench = Callable[..., Bench]


def framed(schema: int, body: bytes) -> bytes:
    return struct.pack(">bI", 0, schema) + body


def act(value: bytes | None, key: bytes | None = ID.encode(), headers: Headers = ()) -> Record:
    return Record("acts", 0, 7, 0, key, value, headers)
