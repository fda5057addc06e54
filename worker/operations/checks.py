"""What `plazo check` makes of the facts it has gathered: pure, so each fault can be tested."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from schemas import events as names
from worker.kafka.admin import Sample, Skew, TopicState, partition_by_murmur2
from worker.kafka.offsets import Bounds
from worker.proof import Partition
from worker.settings import Settings
from worker.storage.migrations import HEAD, serves

# The topic's settings that are looked at.
CONFIGS = ("cleanup.policy", "min.insync.replicas", "retention.ms")

_MUCH_SKEW = 1.0
_LATE = timedelta(seconds=60)


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"  # it works, but not as well or as safely as it could
    FAULT = "fault"  # a promise is broken or the worker does not run
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. ``cure`` says what to do."""

    name: str
    status: Status
    finding: str
    cure: str = ""


@dataclass(slots=True)
class KafkaFacts:
    """What Kafka told. A text in place of a fact says why there is none."""

    brokers: int
    topics: Mapping[str, TopicState]
    configs: Mapping[tuple[str, str], str] | str = ""
    members: int | str = ""
    clock: Skew | str = ""
    samples: Mapping[Partition, Sequence[Sample]] = field(default_factory=dict)
    # First offset and end of each input partition.
    logs: Mapping[Partition, Bounds] = field(default_factory=dict)
    # The last sequence in each partition of the decisions topic.
    published: Mapping[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class DatabaseFacts:
    """What Postgres told; rows only where the schema is the right one."""

    now: datetime
    clock: Skew
    schema: str
    lanes: Sequence[Mapping[str, Any]] = ()
    positions: Mapping[Partition, int] = field(default_factory=dict)
    dead_letters: Sequence[Mapping[str, Any]] = ()
    notices: int = 0
    overdue: int = 0
    oldest_overdue: datetime | None = None
    # Lanes that a version before this one placed in another database.
    elsewhere: str | None = None


def checks(
    settings: Settings, kafka: KafkaFacts | str, database: DatabaseFacts | str
) -> Iterator[Check]:
    """All checks that the facts allow; a text in place of facts says why there are none."""
    if isinstance(kafka, str):
        yield Check(
            "kafka", Status.FAULT, f"{settings.kafka_bootstrap_servers} does not answer: {kafka}",
            "start the brokers, or set PLAZO_KAFKA_BOOTSTRAP_SERVERS; see that the network lets "
            "us through",
        )  # fmt: skip
    else:
        yield Check("kafka", Status.OK, _count(kafka.brokers, "broker"))
        yield from _topics(settings, kafka)
        yield from _widths(settings, kafka)
        yield from _copies(settings, kafka)
        yield from _retention(settings, kafka)
        yield from _partitioners(settings, kafka)
        yield from _workers(settings, kafka)
    if isinstance(database, str):
        yield Check(
            "postgres", Status.FAULT, f"it does not serve us: {database}",
            "start Postgres, or set PLAZO_DATABASE_URL; see that the role may log in and use its "
            "tables",
        )  # fmt: skip
    else:
        yield Check("postgres", Status.OK, "it answers")
        yield _schema(database)
        if database.elsewhere is not None:
            yield Check(
                "one database", Status.FAULT,
                f"lanes {database.elsewhere} live in another one: workers do not start",
                "go on with the version before, or begin with a new database and new topics",
            )  # fmt: skip
    yield from _clocks(settings, kafka, database)
    if not isinstance(database, str) and serves(database.schema):
        yield from _lanes(settings, kafka, database)
        yield _outbox(database)
        yield _deadlines(database)
        yield _dead_letters(database)


def _topics(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    for topic in _all(settings):
        state = kafka.topics.get(topic)
        if state is None:
            yield Check(
                f"topic {topic}", Status.FAULT, "it does not exist",
                "run `plazo topics create`, or set the variable that names it",
            )  # fmt: skip
        elif state.leaderless:
            yield Check(
                f"topic {topic}", Status.FAULT,
                f"{_count(state.leaderless, 'partition')} without a leader",
                "bring back the brokers that hold them; verdicts wait until every input is read",
            )  # fmt: skip
        else:
            yield Check(f"topic {topic}", Status.OK, _count(state.partitions, "partition"))


def _widths(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    orders, statuses = (kafka.topics.get(topic) for topic in settings.input_topics)
    decisions = kafka.topics.get(settings.output_topic)
    if orders and decisions and decisions.partitions < orders.partitions:
        yield Check(
            "width of decisions", Status.FAULT,
            f"{decisions.partitions} partitions, fewer than the {orders.partitions} of "
            f"{settings.order_created_topic}: workers do not start",
            "run `plazo topics create`: it adds the missing partitions",
        )  # fmt: skip
    if orders and statuses and orders.partitions != statuses.partitions:
        narrow = settings.proof == "lane"
        yield Check(
            "width of inputs", Status.FAULT if narrow else Status.WARNING,
            f"{orders.partitions} and {statuses.partitions} partitions: acts arrive in another "
            "lane than their order"
            + (", which PLAZO_PROOF=lane does not wait for: false cancels" if narrow
               else "; they are handed over, which is safe but slower"),
            "give both topics the same number of partitions"
            + ("; until then set PLAZO_PROOF=all" if narrow else ""),
        )  # fmt: skip


def _copies(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    states = [(topic, kafka.topics[topic]) for topic in _all(settings) if topic in kafka.topics]
    single = [topic for topic, state in states if state.replicas == 1]
    if single:
        yield Check(
            "replication", Status.WARNING, f"a single copy of {', '.join(single)}",
            "raise the replication factor to 3: a lost disk loses orders and evidence",
        )  # fmt: skip
    if behind := [topic for topic, state in states if state.in_sync < state.replicas]:
        yield Check(
            "replication", Status.WARNING, f"copies out of sync in {', '.join(behind)}",
            "see to the brokers that lag or are down",
        )  # fmt: skip
    if isinstance(kafka.configs, str):
        yield Check(
            "min.insync.replicas", Status.NOT_MEASURED, f"not told: {kafka.configs}",
            "allow DescribeConfigs on the topics",
        )  # fmt: skip
        return
    for topic, state in states:
        least = int(kafka.configs.get((topic, "min.insync.replicas"), 0))
        if least and state.replicas > 1 and least >= state.replicas:
            yield Check(
                "min.insync.replicas", Status.WARNING,
                f"{topic}: {least} of {state.replicas} copies, so one broker down stops writes",
                "set it one below the replication factor",
            )  # fmt: skip
        elif least == 1 and state.replicas > 1:
            yield Check(
                "min.insync.replicas", Status.WARNING,
                f"{topic}: 1 of {state.replicas} copies, so an acknowledged record may be lost "
                "with one broker",
                "set it to 2",
            )  # fmt: skip
    if states and not single and not behind:
        yield Check("replication", Status.OK, "every copy is in sync")


def _retention(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    if isinstance(kafka.configs, str):
        return
    needed = settings.stock_window + settings.grace
    for topic in settings.input_topics:
        if "compact" in kafka.configs.get((topic, "cleanup.policy"), ""):
            yield Check(
                "retention", Status.WARNING,
                f"{topic} is compacted: earlier acts of an order vanish before a slow or new "
                "worker has read them",
                "set cleanup.policy=delete",
            )  # fmt: skip
        kept = int(kafka.configs.get((topic, "retention.ms"), -1))
        if 0 <= kept < needed.total_seconds() * 1000:
            yield Check(
                "retention", Status.WARNING,
                f"{topic} keeps {_span(kept / 1000)}, less than window and grace, "
                f"{_span(needed.total_seconds())}: after a stop as long as that, evidence is gone "
                "and orders are escalated",
                "raise retention.ms to some days",
            )  # fmt: skip


def _partitioners(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    for topic in settings.input_topics:
        state = kafka.topics.get(topic)
        if state is None:
            continue
        name = f"partitioner of {topic}"
        seen = Counter(
            how_partitioned(sample.key, number, state.partitions)
            for number in range(state.partitions)
            for sample in kafka.samples.get((topic, number), ())
            if sample.key
        )
        total = sum(seen.values())
        foreign = total - seen["murmur2"]
        if state.partitions == 1 or not total:
            why = "one partition" if state.partitions == 1 else "no records to look at"
            yield Check(name, Status.NOT_MEASURED, why)
        elif not foreign:
            yield Check(name, Status.OK, f"murmur2 in all of the last {total} records looked at")
        else:
            narrow = settings.proof == "lane"
            found = f"{foreign} of the last {total} records are not where murmur2 puts their key"
            if seen["crc32"]:
                found += f"; {seen['crc32']} are where CRC32, librdkafka's default, does"
            if seen["other"]:
                found += f"; {seen['other']} are elsewhere (a partitioner of its own, or records "
                found += "from before partitions were added)"
            yield Check(
                name, Status.FAULT if narrow else Status.WARNING,
                found + (": PLAZO_PROOF=lane does not wait for them: false cancels" if narrow
                         else ": acts in another lane are handed over, safe but slower"),
                "set partitioner=murmur2_random in publishers built on librdkafka (C, Python, Go, "
                ".NET); let the others hash the key by murmur2"
                + ("; until then set PLAZO_PROOF=all" if narrow else ""),
            )  # fmt: skip


def how_partitioned(key: bytes, partition: int, partitions: int) -> str:
    """Which partitioner puts this key here: ``murmur2``, ``crc32`` or an``other``."""
    if partition_by_murmur2(key, partitions) == partition:
        return "murmur2"
    return "crc32" if zlib.crc32(key) % partitions == partition else "other"


def last_sequence(samples: Iterable[Sample]) -> int:
    """The highest sequence among records of the decisions topic."""
    values = (value for one in samples for name, value in one.headers if name == names.CE_SEQUENCE)
    return max((int(value) for value in values if value and value.isdigit()), default=0)


def _schema(database: DatabaseFacts) -> Check:
    if serves(database.schema):
        return Check("schema", Status.OK, database.schema)
    return Check(
        "schema", Status.FAULT, f"it is {database.schema}, this version needs {HEAD}",
        "run `plazo migrate`",
    )  # fmt: skip


def _clocks(
    settings: Settings, kafka: KafkaFacts | str, database: DatabaseFacts | str
) -> Iterator[Check]:
    if not isinstance(database, str):
        yield _clock(settings, "Postgres", database.clock)
    if isinstance(kafka, str):
        return
    if isinstance(kafka.clock, str):
        yield Check(
            "clock of Kafka", Status.NOT_MEASURED, f"not told: {kafka.clock}",
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


def _lanes(settings: Settings, kafka: KafkaFacts | str, database: DatabaseFacts) -> Iterator[Check]:
    lanes = {row["lane"]: row for row in database.lanes}
    halts = list(_halts(lanes, kafka, database))
    yield from halts
    wanted = set(lanes)
    if not isinstance(kafka, str):
        states = [kafka.topics[topic] for topic in settings.input_topics if topic in kafka.topics]
        wanted |= set(range(max((state.partitions for state in states), default=0)))
    free = sorted(n for n in wanted if n not in lanes or lanes[n]["owner"] is None)
    if free:
        yield Check(
            "lanes", Status.WARNING,
            f"{len(free)} of {len(wanted)} have no owner: {_some(free)}",
            "start workers; if they run, see /readyz and the logs for `lane_waits`",
        )  # fmt: skip
    elif not halts:
        yield Check("lanes", Status.OK, f"{len(wanted)}, each with an owner")
    if isinstance(kafka, str):
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
            f"retention has removed records that were not read yet: {_some(sorted(lost))}",
            "let workers catch up; orders whose evidence may be lost are escalated",
        )  # fmt: skip
    yield Check("lag", Status.OK, f"{sum(lag.values())} records in {_count(len(lag), 'partition')}")


def _halts(
    lanes: Mapping[int, Any], kafka: KafkaFacts | str, database: DatabaseFacts
) -> Iterator[Check]:
    """Both ways in which a lane stops on purpose can be seen from outside."""
    if isinstance(kafka, str):
        return
    for (topic, number), position in sorted(database.positions.items()):
        if (topic, number) in kafka.logs and position > (end := kafka.logs[topic, number].end):
            yield Check(
                f"lane {number}", Status.FAULT,
                f"it halts: {topic}/{number} ends at {end}, but was read up to {position}: the "
                "topic was truncated or created anew",
                "see deploy/runbooks/PlazoLaneHalted.md before anything is set back",
            )  # fmt: skip
    for number, last in sorted(kafka.published.items()):
        sequence = lanes[number]["sequence"] if number in lanes else 0
        if last > sequence:
            yield Check(
                f"lane {number}", Status.FAULT,
                f"it halts: the decisions topic holds sequence {last}, the database only "
                f"{sequence}: an older back-up was restored, or another database is in use",
                "see deploy/runbooks/PlazoLaneHalted.md before anything is set back",
            )  # fmt: skip


def _workers(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    if kafka.members == 0:
        yield Check(
            "workers", Status.WARNING, f"nobody is in the group {settings.group_id}",
            "start `plazo run`; check PLAZO_GROUP_ID if it runs",
        )  # fmt: skip
    elif isinstance(kafka.members, int):
        yield Check("workers", Status.OK, f"{kafka.members} in the group {settings.group_id}")
    else:
        yield Check("workers", Status.NOT_MEASURED, f"not told: {kafka.members}")


def _outbox(database: DatabaseFacts) -> Check:
    pending = sum(max(0, row["sequence"] - row["published"]) for row in database.lanes)
    since = min((r["unpublished_since"] for r in database.lanes if r["unpublished_since"]),
                default=None)  # fmt: skip
    if not pending or since is None:
        return Check("outbox", Status.OK, "every verdict is published")
    found = f"{_count(pending, 'verdict')} not published, the oldest made at {since:%F %T} UTC"
    if database.now - since < _LATE:
        return Check("outbox", Status.OK, found)
    return Check("outbox", Status.WARNING, found, "see that workers run and may write decisions")


def _deadlines(database: DatabaseFacts) -> Check:
    opened = sum(row["open_deadlines"] for row in database.lanes)
    found = f"{_count(opened, 'order')} undecided, {database.overdue} overdue"
    if database.notices:
        found += f", {_count(database.notices, 'order')} to be looked at again"
    oldest = database.oldest_overdue
    if oldest is None or database.now - oldest < _LATE:
        return Check("deadlines", Status.OK, found)
    return Check(
        "deadlines", Status.WARNING,
        f"{found}, the oldest since {oldest:%F %T} UTC",
        "see the metric plazo_guard_held_lanes: it names what holds the verdicts",
    )  # fmt: skip


def _dead_letters(database: DatabaseFacts) -> Check:
    if not database.dead_letters:
        return Check("dead letters", Status.OK, "none that is not settled")
    total = sum(row["letters"] for row in database.dead_letters)
    kinds = ", ".join(f"{row['letters']} {row['error']}" for row in database.dead_letters)
    return Check(
        "dead letters", Status.WARNING, f"{total} not settled: {kinds}",
        "see `plazo dead-letters list`; mend the publisher or upgrade, then replay or discard",
    )  # fmt: skip


def _all(settings: Settings) -> tuple[str, ...]:
    return (*settings.input_topics, settings.output_topic, settings.dead_letters_topic)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"


def _some(things: Sequence[object]) -> str:
    shown = ", ".join(map(str, things[:10]))
    return shown if len(things) <= 10 else f"{shown}, …"
