"""Checks of the clocks of Kafka and Postgres against this machine's."""

from collections.abc import Iterator

from worker.kafka.admin import Skew
from worker.operations.checks.model import Check, DatabaseFacts, KafkaFacts, Status
from worker.operations.outages import Outage
from worker.settings import Settings

_MUCH_SKEW = 1.0  # seconds


def clock_checks(
    settings: Settings, kafka: KafkaFacts | Outage, database: DatabaseFacts | Outage
) -> Iterator[Check]:
    """Whether the clocks agree."""
    if not isinstance(database, Outage):
        yield _clock(settings, "Postgres", database.clock)
    if isinstance(kafka, Outage):
        return
    if isinstance(kafka.clock, str):
        yield Check(
            "clock of Kafka", Status.NOT_MEASURED, f"no answer: {kafka.clock}",
            "needs KRaft (Kafka 3.3 or later) and the right to describe the cluster",
        )  # fmt: skip
    else:
        yield _clock(settings, "Kafka", kafka.clock)


def _clock(settings: Settings, whose: str, skew: Skew) -> Check:
    distance = max(0.0, abs(skew.seconds) - skew.error)
    found = (
        f"{abs(skew.seconds):.3f} s {'ahead of' if skew.seconds > 0 else 'behind'} this machine, "
        f"give or take {skew.error:.3f} s"
    )
    cure = "let both machines keep time by NTP; see which of the clocks is wrong"
    if distance > settings.max_clock_skew.total_seconds():
        status = Status.FAULT
    elif distance > _MUCH_SKEW:
        status = Status.WARNING
        cure += "; verdicts wait for the slower of worker and Postgres"
    else:
        status, cure = Status.OK, ""
    return Check(f"clock of {whose}", status, found, cure)
