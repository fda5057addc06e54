"""The start of a worker: waits until Postgres and Kafka are available and suitable."""

import asyncio
from contextlib import suppress

from worker.backoff import Backoff
from worker.errors import (
    DatabaseUnavailable,
    KafkaUnavailable,
    PlazoError,
    SessionNotKept,
    TopicsNotFit,
)
from worker.kafka.admin import KafkaAdmin
from worker.kafka.offsets import OffsetReader
from worker.observability.health import Health
from worker.observability.labels import Readiness
from worker.observability.logs import logger
from worker.policy.registry import store_policies
from worker.runtime.services import Services
from worker.settings import Settings
from worker.storage.installation import claim_mode
from worker.storage.migrations import HEAD

log = logger(__name__)

_CLEANUP = "cleanup.policy"
# Seconds for the question after it.
_PATIENCE = 3.0


class Startup:
    """Opens the database and checks the topics; reports to ``health`` while it waits."""

    def __init__(self, services: Services, health: Health) -> None:
        self._services = services
        self._health = health

    async def open_database(self) -> None:
        """Connect, check the schema, and claim the database for this mode and these policies.

        Raises:
            SchemaNotCurrent, SessionNotKept, ModeConflict, SeveralDatabases, PolicyConflict:
                waiting does not help.
        """
        services, backoff = self._services, Backoff()
        while True:
            try:
                await services.database.open()
                await services.clocks.measure(services.database.now)
                await claim_mode(services.database, services.settings.mode)
                await store_policies(services.database, services.policies)
                if risky := await services.database.risky_settings():
                    # Our own sessions commit synchronously; nothing helps against the others.
                    log.warning("database_may_lose_commits", off=risky)
            except SessionNotKept:
                raise
            except DatabaseUnavailable as error:
                await self._wait(Readiness.DATABASE, error, backoff)
            else:
                self._health.set_ready(Readiness.DATABASE)
                services.metrics.set_schema(HEAD)
                return

    async def await_topics(self) -> None:
        """Wait for the topics; a worker may start before they are created."""
        backoff = Backoff()
        while True:
            try:
                await check_topics(self._services.settings, self._services.offsets)
            except (KafkaUnavailable, TopicsNotFit) as error:
                await self._wait(Readiness.KAFKA, error, backoff)
            else:
                self._health.set_ready(Readiness.KAFKA)
                await self._warn_of_compaction()
                return

    async def _warn_of_compaction(self) -> None:
        """Log the inputs whose compaction may take evidence away, which no offset shows."""
        settings, admin = self._services.settings, KafkaAdmin(self._services.settings)
        # Without an answer: `plazo check` asks as well, and says when it gets none.
        with suppress(PlazoError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                found = await admin.configs(settings.input_topics, [_CLEANUP])
            if compacted := [topic for (topic, _), how in found.items() if "compact" in how]:
                log.warning("inputs_compacted", topics=sorted(compacted))
        await admin.close()

    async def _wait(self, part: Readiness, error: PlazoError, backoff: Backoff) -> None:
        self._health.set_not_ready(part, str(error))
        wait = backoff.next()
        log.warning("waiting", part=part.value, reason=str(error), seconds=round(wait, 2))
        await self._services.clock.sleep(wait)


async def check_topics(settings: Settings, offsets: OffsetReader) -> dict[str, int]:
    """The number of partitions of each of our topics.

    Raises:
        KafkaUnavailable: the cluster does not answer now.
        TopicsNotFit: a topic is missing, or the decisions topic is too narrow.
    """
    wanted = [*settings.input_topics, settings.output_topic, settings.dead_letters_topic]
    widths = await offsets.widths(wanted)
    if missing := [topic for topic in wanted if topic not in widths]:
        raise TopicsNotFit(
            f"missing, or hidden from us: {', '.join(missing)}; run `plazo topics create`, or see "
            "`plazo check` for the rights"
        )
    orders, decisions = settings.order_created_topic, settings.output_topic
    if widths[decisions] < widths[orders]:
        raise TopicsNotFit(
            f"{decisions} has {widths[decisions]} partitions, fewer than {orders} with "
            f"{widths[orders]}: add partitions to it"
        )
    return widths
