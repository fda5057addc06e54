"""The schemas of records that a command reads: asked for with little patience."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Final

from worker.clock import SystemClock
from worker.ingest.registry.schemas import Schemas
from worker.observability.guards import Guards
from worker.observability.metrics import Metrics
from worker.registry.wire import SchemaId
from worker.settings import Settings

# Seconds, on top of the time-out for one answer: enough for a try after the first.
_PATIENCE: Final = 1.0


@asynccontextmanager
async def registry_schemas(settings: Settings) -> AsyncIterator[Schemas | None]:
    """The schemas of the registry in the settings; ``None`` without one.

    Raises:
        RegistryNotInstalled: the extra ``registry`` is missing.
    """
    metrics = Metrics(settings)
    schemas = Schemas.of(settings, SystemClock(), metrics, Guards(metrics))
    try:
        yield schemas
    finally:
        if schemas:
            await schemas.close()


async def learn(settings: Settings, schemas: Schemas | None, missing: Collection[SchemaId]) -> bool:
    """Ask for schemas; whether there were any to ask for.

    A registry that does not answer in time leaves some unknown: to decode such a record raises
    :class:`worker.ingest.registry.schemas.SchemasMissing`.
    """
    if not schemas or not missing:
        return False
    patience = settings.schema_registry_timeout.total_seconds() + _PATIENCE
    with suppress(TimeoutError):
        await asyncio.wait_for(schemas.fetch(0, missing), patience)
    return True
