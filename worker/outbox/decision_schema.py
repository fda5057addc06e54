"""The id of the schema that decisions are published by, asked for once.

Without it nothing is published, and never in another encoding: the lane's decisions stay in their
table, in their order, and a guard shows that they wait. The worker goes on asking, so that whoever
mends the registry need not restart it.
"""

import asyncio
from typing import Final

from worker.backoff import Backoff
from worker.clock import Clock
from worker.observability.guards import Guards
from worker.observability.labels import Guard, RegistryAnswer
from worker.observability.logs import logger
from worker.observability.metrics import Metrics
from worker.registry.client import (
    RegistryAway,
    RegistryClient,
    SchemaNotTaken,
    SchemaText,
    SchemaUnknown,
)
from worker.settings import Settings

log = logger(__name__)

_LONGEST_PAUSE: Final = 5.0


class DecisionSchema:
    """One for all lanes of a worker."""

    def __init__(
        self,
        client: RegistryClient,
        schema: SchemaText,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        guards: Guards,
    ) -> None:
        self._client = client
        self._schema = schema
        self._subject = subject_of(settings)
        self._register = settings.decisions_schema == "register"
        self._clock = clock
        self._metrics = metrics
        self._guards = guards
        self._id: int | None = None
        self._asking = asyncio.Lock()
        self._waiting: set[int] = set()

    async def id(self, lane: int) -> int:
        """Return the id of the schema; wait for it as long as it takes.

        ``lane`` waits for it: the guard shows it while the registry keeps it waiting.
        """
        if self._id is not None:
            return self._id
        self._waiting.add(lane)
        try:
            async with self._asking:
                if self._id is None:
                    self._id = await self._ask()
        finally:
            self._waiting.discard(lane)
            self._show()
        return self._id

    async def close(self) -> None:
        """Close the connections to the registry."""
        await self._client.close()

    async def _ask(self) -> int:
        backoff = Backoff(most=_LONGEST_PAUSE)
        while True:
            try:
                found = await find_schema(
                    self._client, self._subject, self._schema, register=self._register
                )
            except RegistryAway as error:
                answer, reason = RegistryAnswer.AWAY, str(error)
            except SchemaUnknown as error:
                answer, reason = RegistryAnswer.UNKNOWN, str(error)
            except SchemaNotTaken as error:
                answer, reason = RegistryAnswer.REFUSED, str(error)
            else:
                self._metrics.registry_answers.labels(RegistryAnswer.FOUND).inc()
                await self._client.close()  # there is nothing more to ask
                log.info("decisions_schema_found", subject=self._subject, schema=found)
                return found
            self._metrics.registry_answers.labels(answer).inc()
            pause = backoff.next()
            self._show()
            log.warning(
                "decisions_wait", lanes=sorted(self._waiting), subject=self._subject,
                reason=f"schema registry: {reason}", seconds=round(pause, 2),
            )  # fmt: skip
            await self._clock.sleep(pause)

    def _show(self) -> None:
        self._guards.hold(Guard.DECISIONS_SCHEMA, len(self._waiting))


def subject_of(settings: Settings) -> str:
    """The subject of the decisions, by Confluent's TopicNameStrategy."""
    return f"{settings.output_topic}-value"


async def find_schema(
    client: RegistryClient, subject: str, schema: SchemaText, *, register: bool
) -> int:
    """Return the id of a schema, which is registered if it is not yet and ``register`` is true.

    It is looked up first: a registry that only reads, or takes nothing from us, will do then.

    Raises:
        RegistryAway
        SchemaUnknown: it is not registered under this subject.
        SchemaNotTaken: the registry does not register it, such as for its compatibility.
    """
    try:
        return await client.look_up(subject, schema)
    except SchemaUnknown:
        if not register:
            raise SchemaUnknown(
                f"the schema of decisions is not registered as {subject}: register it, or set "
                "PLAZO_DECISIONS_SCHEMA=register"
            ) from None
    return await client.register(subject, schema)
