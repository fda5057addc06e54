"""What `plazo check` concludes from the facts of Kafka and Postgres."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from worker.kafka.admin import Sample, Skew, TopicState, partition_by_murmur2
from worker.kafka.offsets import Bounds
from worker.operations import facts
from worker.operations.checks.model import Check, DatabaseFacts, KafkaFacts, Status
from worker.operations.checks.publishers import partitioner_of
from worker.operations.checks.report import checks
from worker.settings import Settings
from worker.storage.migrations import HEAD

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


SETTINGS = Settings(_env_file=None)


def judged(kafka: KafkaFacts | None = None, **database: Any) -> Iterator[Check]:
    facts = {"now": NOW, "clock": Skew(0, 0), "schema": HEAD, **database}
    return checks(SETTINGS, kafka or cluster(), DatabaseFacts(**facts))


def cluster(replicas: int = 3, in_sync: int = 3, status: int = 3, **facts: Any) -> KafkaFacts:
    state = TopicState(3, replicas, in_sync, 0)
    topics = dict.fromkeys(
        [*SETTINGS.input_topics, SETTINGS.decisions_topic, SETTINGS.dead_letters_topic], state
    )
    topics[SETTINGS.order_status_changed_topic] = TopicState(status, replicas, in_sync, 0)
    return KafkaFacts(3, topics, **{"configs": {}, "members": 1, "clock": Skew(0, 0), **facts})


LANE = {"owner": "w", "sequence": 0, "published": 0, "open_deadlines": 0, "unpublished_since": None}


OWNED = [{**LANE, "lane": number} for number in range(3)]


ORDERS, STATUSES = SETTINGS.input_topics


@pytest.mark.parametrize(
    ("name", "status", "kafka", "database"),
    [
        ("replication", Status.WARNING, cluster(replicas=1, in_sync=1), {}),
        ("replication", Status.WARNING, cluster(in_sync=2), {}),
        ("width of inputs", Status.WARNING, cluster(status=4), {}),
        ("width of decisions", Status.FAULT, KafkaFacts(1, {
            ORDERS: TopicState(3, 1, 1, 0), SETTINGS.decisions_topic: TopicState(2, 1, 1, 0)}), {}),
        ("min.insync.replicas", Status.WARNING,
         cluster(configs={(ORDERS, "min.insync.replicas"): "3"}), {}),
        ("min.insync.replicas", Status.WARNING,
         cluster(configs={(ORDERS, "min.insync.replicas"): "1"}), {}),
        ("timestamps", Status.WARNING,
         cluster(configs={(ORDERS, "message.timestamp.after.max.ms"): "9223372036854775807"}), {}),
        ("timestamps", Status.WARNING,  # brokers before 3.6
         cluster(configs={(ORDERS, "message.timestamp.difference.max.ms"): "86400000"}), {}),
        ("retention", Status.WARNING, cluster(configs={(STATUSES, "retention.ms"): "3600000"}), {}),
        ("retention", Status.WARNING, cluster(configs={(STATUSES, "cleanup.policy"): "compact"}),
         {}),
        ("clock of Kafka", Status.NOT_MEASURED, cluster(clock="refused"), {}),
        ("clock of Kafka", Status.WARNING, cluster(clock=Skew(-5, 0.1)), {}),
        ("clock of Postgres", Status.OK, None, {"clock": Skew(3, 2.5)}),
        ("clock of Postgres", Status.WARNING, None, {"clock": Skew(3, 0.1)}),
        ("clock of Postgres", Status.FAULT, None, {"clock": Skew(-600, 0.1)}),
        ("workers", Status.WARNING, cluster(members=0), {}),
        ("lanes", Status.OK, None, {"lanes": OWNED}),
        ("lanes", Status.WARNING, None, {"lanes": OWNED[:2]}),
        ("lanes", Status.WARNING, None, {"lanes": [*OWNED[:2], {**OWNED[2], "owner": None}]}),
        ("positions", Status.WARNING, cluster(logs={(ORDERS, 0): Bounds(5, 9, None)}),
         {"positions": {(ORDERS, 0): 3}}),
        ("outbox", Status.WARNING, None, {"lanes": [
            {**OWNED[0], "sequence": 4, "unpublished_since": NOW - timedelta(minutes=5)}]}),
        ("deadlines", Status.WARNING, None,
         {"overdue": 3, "oldest_overdue": NOW - timedelta(minutes=5)}),
        ("dead letters", Status.WARNING, None, {"dead_letters": [{"error": "time", "letters": 2}]}),
        ("orphans", Status.WARNING, None, {"orphans": 2}),
        ("orphans", Status.WARNING, None, {"astray": 1}),
        ("orphans", Status.OK, None, {}),
        ("adoption", Status.OK, None, {"adopted_at": NOW, "before_adoption": 7}),
        (f"delay of {STATUSES}", Status.NOT_MEASURED, None, {}),
        (f"delay of {STATUSES}", Status.OK,
         cluster(samples={(STATUSES, 0): [Sample(b"a", (), 5.0)] * 200}), {}),
        (f"delay of {STATUSES}", Status.WARNING,
         cluster(samples={(STATUSES, 0): [Sample(b"a", (), 5.0)] * 97,
                          (STATUSES, 1): [Sample(b"a", (), 3600.0)] * 3}), {}),
        ("one database", Status.FAULT, None, {"elsewhere": "{[6,12)}"}),
    ],
)  # fmt: skip
def test_each_fault_is_seen(
    name: str, status: Status, kafka: KafkaFacts | None, database: dict[str, Any]
) -> None:
    seen = [one for one in judged(kafka, **database) if one.name == name]
    assert [one.status for one in seen] == [status]
    assert all(one.cure for one in seen if one.status in (Status.FAULT, Status.WARNING))


def test_records_from_before_partitions_were_added_are_not_taken_for_crc32() -> None:
    keys = [f"order-{number}".encode() for number in range(50)]
    assert {partitioner_of(key, partition_by_murmur2(key, 6), 6) for key in keys} == {"murmur2"}
    samples = {(ORDERS, p): [Sample(k, ()) for k in keys if partition_by_murmur2(k, 2) == p]
               for p in range(3)}  # fmt: skip
    kinds = {one.name: one for one in judged(cluster(samples=samples))}
    assert "before partitions were added" in kinds[f"partitioner of {ORDERS}"].finding


def test_a_topic_that_stamps_records_itself_needs_no_limit_on_their_times() -> None:
    configs = {
        (ORDERS, "message.timestamp.type"): "LogAppendTime",
        (ORDERS, "message.timestamp.after.max.ms"): "9223372036854775807",
        (STATUSES, "message.timestamp.after.max.ms"): "3600000",
    }
    assert "timestamps" not in {check.name for check in judged(cluster(configs=configs))}


def test_a_log_that_was_found_to_be_cut_is_a_fault_whatever_it_holds_now() -> None:
    logs = {(STATUSES, 2): Bounds(0, 9, None)}
    found = judged(
        cluster(logs=logs), lanes=OWNED, positions={(STATUSES, 2): 9},
        other_logs={(STATUSES, 2): "was cut: offset 7"},
    )  # fmt: skip
    (fault,) = (one for one in found if one.status == Status.FAULT)
    assert fault.name == "lane 2"
    assert fault.finding == f"it halts: {STATUSES}/2 was cut: offset 7"


async def test_check_takes_no_progress_for_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two questions a worker publishes one more verdict and reads one more record."""
    look = count(1)

    async def kafka(_: Settings) -> KafkaFacts:
        return cluster(published={0: next(look)}, samples={(ORDERS, 0): []})

    async def database(_: Settings) -> DatabaseFacts:
        seen = next(look)
        lanes = [{**OWNED[0], "sequence": seen, "published": seen}, *OWNED[1:]]
        return DatabaseFacts(NOW, Skew(0, 0), HEAD, lanes, {(ORDERS, 0): seen})

    async def with_bounds(_: Settings, known: KafkaFacts) -> KafkaFacts:
        return replace(known, logs={(ORDERS, 0): Bounds(0, next(look), None)})

    for part in (kafka, database, with_bounds):
        monkeypatch.setattr(facts, f"_{part.__name__}", part)
    found = list(checks(SETTINGS, *await facts.gather(SETTINGS)))
    assert [one for one in found if one.status == Status.FAULT] == []
    assert next(one for one in found if one.name == "lag").finding == "1 records in 1 partition"
