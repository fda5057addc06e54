"""Checks of the workers and their lanes: owners, halts, positions and lag."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from schemas import events as names
from worker.kafka.admin import Sample
from worker.operations.checks.model import Check, DatabaseFacts, KafkaFacts, Status
from worker.operations.format import count, shortened
from worker.operations.outages import Outage
from worker.settings import Settings


def worker_checks(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    """Whether the group has members."""
    if kafka.members == 0:
        yield Check(
            "workers", Status.WARNING, f"no worker is in the group {settings.group_id}",
            "start `plazo run`; check PLAZO_GROUP_ID if it runs",
        )  # fmt: skip
    elif isinstance(kafka.members, int):
        yield Check("workers", Status.OK, f"{kafka.members} in the group {settings.group_id}")
    else:
        yield Check("workers", Status.NOT_MEASURED, f"no answer: {kafka.members}")


def lane_checks(
    settings: Settings, kafka: KafkaFacts | Outage, database: DatabaseFacts
) -> Iterator[Check]:
    """Whether each lane has an owner, runs and keeps up."""
    lanes = {row["lane"]: row for row in database.lanes}
    halts = list(_halts(lanes, kafka, database))
    yield from halts
    wanted = set(lanes)
    if not isinstance(kafka, Outage):
        states = [kafka.topics[topic] for topic in settings.input_topics if topic in kafka.topics]
        wanted |= set(range(max((state.partitions for state in states), default=0)))
    free = sorted(n for n in wanted if n not in lanes or lanes[n]["owner"] is None)
    if free:
        yield Check(
            "lanes", Status.WARNING,
            f"{len(free)} of {len(wanted)} have no owner: {shortened(free)}",
            "start workers; if they run, see /readyz and the logs for `lane_waits`",
        )  # fmt: skip
    elif not halts:
        yield Check("lanes", Status.OK, f"{len(wanted)}, each with an owner")
    if isinstance(kafka, Outage):
        return
    lag = {
        p: kafka.logs[p].end - position
        for p, position in database.positions.items()
        if p in kafka.logs and kafka.logs[p].end > position
    }
    lost = [
        p
        for p, position in database.positions.items()
        if p in kafka.logs and kafka.logs[p].begin > position
    ]
    if lost:
        yield Check(
            "positions", Status.WARNING,
            f"retention has removed records that were not read yet: {shortened(sorted(lost))}",
            "let workers catch up; orders whose evidence may be lost are escalated",
        )  # fmt: skip
    yield Check("lag", Status.OK, f"{sum(lag.values())} records in {count(len(lag), 'partition')}")


def _halts(
    lanes: Mapping[int, Any], kafka: KafkaFacts | Outage, database: DatabaseFacts
) -> Iterator[Check]:
    """The halts of lanes, each of which is visible from outside."""
    advice = "see `plazo runbook PlazoLaneHalted` before anything is set back"
    for (topic, number), reason in sorted(database.other_logs.items()):
        yield Check(f"lane {number}", Status.FAULT, f"it halts: {topic}/{number} {reason}", advice)
    if isinstance(kafka, Outage):
        return
    for (topic, number), position in sorted(database.positions.items()):
        if (topic, number) in kafka.logs and position > (end := kafka.logs[topic, number].end):
            yield Check(
                f"lane {number}", Status.FAULT,
                f"it halts: {topic}/{number} ends at {end}, but was read up to {position}: the "
                "topic was truncated or created again",
                advice,
            )  # fmt: skip
    for number, last in sorted(kafka.published.items()):
        sequence = lanes[number]["sequence"] if number in lanes else 0
        if last > sequence:
            yield Check(
                f"lane {number}", Status.FAULT,
                f"it halts: the decisions topic holds sequence {last}, the database only "
                f"{sequence}: an older back-up was restored, or another database is in use",
                advice,
            )  # fmt: skip


def last_sequence(samples: Iterable[Sample]) -> int:
    """The highest sequence among records of the decisions topic."""
    values = (value for one in samples for name, value in one.headers if name == names.CE_SEQUENCE)
    return max((int(value) for value in values if value and value.isdigit()), default=0)
