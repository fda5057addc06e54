"""All checks, in the order of the report."""

from collections.abc import Iterator

from worker.operations.checks.brake import brake_check
from worker.operations.checks.cells import cell_checks
from worker.operations.checks.clocks import clock_checks
from worker.operations.checks.database import content_checks, schema_checks
from worker.operations.checks.lanes import lane_checks, worker_checks
from worker.operations.checks.model import Check, DatabaseFacts, KafkaFacts, RegistryFacts, Status
from worker.operations.checks.names import name_checks
from worker.operations.checks.publishers import publisher_checks
from worker.operations.checks.registry import registry_checks
from worker.operations.checks.rights import right_checks
from worker.operations.checks.topics import topic_checks
from worker.operations.checks.worker import reader_check, rule_checks
from worker.operations.format import count
from worker.operations.outages import Outage
from worker.settings import Settings


def checks(
    settings: Settings,
    kafka: KafkaFacts | Outage,
    database: DatabaseFacts | Outage,
    registry: RegistryFacts | None = None,
) -> Iterator[Check]:
    """All checks that the facts allow; an outage in place of facts says why there are none."""
    if isinstance(kafka, Outage):
        yield Check("kafka", Status.FAULT, kafka.finding, kafka.cure)
    else:
        yield Check("kafka", Status.OK, count(kafka.brokers, "broker"))
        yield from right_checks(settings, kafka)
        yield from topic_checks(settings, kafka)
        yield from publisher_checks(settings, kafka)
        yield from worker_checks(settings, kafka)
    if isinstance(database, Outage):
        yield Check("postgres", Status.FAULT, database.finding, database.cure)
    else:
        yield Check("postgres", Status.OK, "it answers")
        yield from schema_checks(database)
    yield from registry_checks(settings, registry or RegistryFacts())
    yield from rule_checks(settings, database)
    yield brake_check(settings, database)
    yield reader_check(settings)
    yield from clock_checks(settings, kafka, database)
    if not isinstance(database, Outage) and database.readable:
        yield from lane_checks(settings, kafka, database)
        yield from content_checks(database)
        yield from name_checks(database)
        yield from cell_checks(database)
