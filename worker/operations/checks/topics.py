"""Checks of the topics: they exist, are as wide as needed, replicated and kept long enough."""

from collections.abc import Iterator

from worker.operations.checks.model import Check, KafkaFacts, Status
from worker.operations.format import count
from worker.settings import Settings

# The settings of a topic that these checks need.
CONFIGS = (
    "cleanup.policy",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",  # of brokers before 3.6
    "message.timestamp.type",
    "min.insync.replicas",
    "retention.ms",
)
# The default of Kafka 4, in milliseconds. Older brokers set no limit.
_FUTURE = 3_600_000
# Kafka's own default lies 5 % above ours, and it counts the frame of a batch as well.
_SLACK = 1.1
_ENVELOPE = 50_000


def topic_checks(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    """All checks of topics."""
    yield from _topics(settings, kafka)
    yield from _widths(settings, kafka)
    yield from _replication(settings, kafka)
    yield from _retention(settings, kafka)
    yield from _timestamps(settings, kafka)
    yield from _sizes(settings, kafka)


def _topics(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    for topic in _all(settings):
        state = kafka.topics.get(topic)
        if state is None and topic in kafka.allowed_on_topics:
            continue  # it is hidden from us, which is a fault of its own
        if state is None:
            yield Check(
                f"topic {topic}", Status.FAULT, "it does not exist",
                "run `plazo topics create`, or set the variable that names it",
            )  # fmt: skip
        elif state.leaderless:
            yield Check(
                f"topic {topic}", Status.FAULT,
                f"{count(state.leaderless, 'partition')} without a leader",
                "bring back the brokers that hold them; verdicts wait until every input is read",
            )  # fmt: skip
        else:
            yield Check(f"topic {topic}", Status.OK, count(state.partitions, "partition"))


def _widths(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    orders, statuses, *_ = (kafka.topics.get(topic) for topic in settings.input_topics)
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


def _replication(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
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
            "min.insync.replicas", Status.NOT_MEASURED, f"no answer: {kafka.configs}",
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
    if "compact" in kafka.configs.get((settings.output_topic, "cleanup.policy"), ""):
        yield Check(
            "retention", Status.WARNING,
            f"{settings.output_topic} is compacted: of an order with a correction, consumers that "
            "come late see the last event only",
            "set cleanup.policy=delete",
        )  # fmt: skip
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
                f"{topic} keeps {_hours(kept / 1000)}, less than window and grace, "
                f"{_hours(needed.total_seconds())}: after a stop as long as that, evidence is gone "
                "and orders are escalated",
                "raise retention.ms to some days",
            )  # fmt: skip


def _timestamps(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    if isinstance(kafka.configs, str):
        return
    for topic in settings.input_topics:
        if kafka.configs.get((topic, "message.timestamp.type")) == "LogAppendTime":
            continue
        limit = kafka.configs.get(
            (topic, "message.timestamp.after.max.ms"),
            kafka.configs.get((topic, "message.timestamp.difference.max.ms"), 0),
        )
        if int(limit) > _FUTURE:
            yield Check(
                "timestamps", Status.WARNING,
                f"{topic} takes records whose time lies more than an hour ahead: retention does "
                "not remove them until then, and the age of the feed looks younger than it is",
                f"set message.timestamp.after.max.ms={_FUTURE}",
            )  # fmt: skip

    longest = settings.stock_window + settings.grace
    for topic in settings.input_topics:
        before = int(kafka.configs.get((topic, "message.timestamp.before.max.ms"), -1))
        if 0 <= before < longest.total_seconds() * 1000:
            yield Check(
                "timestamps", Status.WARNING,
                f"{topic} refuses records whose time is {_hours(before / 1000)} past: what a "
                "publisher sends again after an outage never arrives",
                "raise message.timestamp.before.max.ms to some days",
            )  # fmt: skip


def _sizes(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    if isinstance(kafka.configs, str):
        return
    ours = settings.max_record_bytes
    for topic in settings.input_topics:
        limit = int(kafka.configs.get((topic, "max.message.bytes"), 0))
        if limit > ours * _SLACK:
            yield Check(
                "record sizes", Status.WARNING,
                f"{topic} takes records up to {limit} bytes; those above {ours} are refused unread",
                f"set max.message.bytes={ours} there, or raise PLAZO_MAX_RECORD_BYTES",
            )  # fmt: skip
    topic = settings.dead_letters_topic
    limit = int(kafka.configs.get((topic, "max.message.bytes"), ours))
    if limit < ours:
        yield Check(
            "record sizes", Status.WARNING,
            f"{topic} takes {limit} bytes: a longer refused record is published without its bytes, "
            "which stay in Postgres",
            f"set max.message.bytes={ours + _ENVELOPE} there",
        )  # fmt: skip


def _all(settings: Settings) -> tuple[str, ...]:
    return (*settings.input_topics, settings.output_topic, settings.dead_letters_topic)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
