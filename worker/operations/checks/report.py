"""All checks, in the order of the report."""

from collections.abc import Iterator

from worker.operations.checks.brake import brake_check
from worker.operations.checks.clocks import clock_checks
from worker.operations.checks.database import content_checks, schema_checks
from worker.operations.checks.lanes import lane_checks, worker_checks
from worker.operations.checks.model import Check, DatabaseFacts, KafkaFacts, Status
from worker.operations.checks.names import name_checks
from worker.operations.checks.publishers import publisher_checks
from worker.operations.checks.registry import registry_check
from worker.operations.checks.topics import topic_checks
from worker.operations.format import count
from worker.settings import Settings


def checks(
    settings: Settings,
    kafka: KafkaFacts | str,
    database: DatabaseFacts | str,
    registry: str | None = None,
) -> Iterator[Check]:
    """All checks that the facts allow; a text in place of facts says why there are none.

    ``registry`` is the fault of the schema registry.
    """
    if isinstance(kafka, str):
        yield Check(
            "kafka", Status.FAULT, f"{settings.kafka_bootstrap_servers} does not answer: {kafka}",
            "start the brokers, or set PLAZO_KAFKA_BOOTSTRAP_SERVERS; see that the network lets "
            "us through",
        )  # fmt: skip
    else:
        yield Check("kafka", Status.OK, count(kafka.brokers, "broker"))
        yield from topic_checks(settings, kafka)
        yield from publisher_checks(settings, kafka)
        yield from worker_checks(settings, kafka)
    if isinstance(database, str):
        yield Check(
            "postgres", Status.FAULT, f"it does not serve us: {database}",
            "start Postgres, or set PLAZO_DATABASE_URL; see that the role may log in and use its "
            "tables",
        )  # fmt: skip
    else:
        yield Check("postgres", Status.OK, "it answers")
        yield from schema_checks(database)
    yield from registry_check(settings, registry)
    yield brake_check(settings, database)
    yield from clock_checks(settings, kafka, database)
    if not isinstance(database, str) and database.readable:
        yield from lane_checks(settings, kafka, database)
        yield from content_checks(database)
        yield from name_checks(database)
