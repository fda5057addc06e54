"""Checks of the rights that Kafka's authorizer gives a worker."""

from collections.abc import Iterator, Mapping

from worker.kafka.rights import Allowed, Operation
from worker.operations.checks.model import Check, KafkaFacts, Status
from worker.settings import Settings

Needs = Mapping[str, tuple[Operation, ...]]

# The table of docs/how-to/security.md. A worker reads its output topics at take-over.
_GROUP = (Operation.READ,)
_INPUT = (Operation.READ,)
_OUTPUT = (Operation.READ, Operation.WRITE)


def topic_needs(settings: Settings) -> Needs:
    """The operations that a worker needs on each topic."""
    return dict.fromkeys(settings.input_topics, _INPUT) | dict.fromkeys(
        (settings.output_topic, settings.dead_letters_topic), _OUTPUT
    )


def right_checks(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    """Each right that is missing. A cluster that forbids us nothing gets no line."""
    # The name of a certificate or token is known to the brokers alone.
    user = settings.kafka_sasl_username or "…"
    faults = [
        fault
        for topic, needs in topic_needs(settings).items()
        for fault in _missing(user, "topic", topic, needs, kafka.allowed_on_topics.get(topic))
    ]
    faults += _missing(user, "group", settings.group_id, _GROUP, kafka.allowed_on_group)
    yield from faults
    told = [allowed for allowed in kafka.allowed_on_topics.values() if allowed is not None]
    if not faults and any(allowed != frozenset(Operation) for allowed in told):
        yield Check("rights in Kafka", Status.OK, "we may do all that a worker does")


def may_read(kafka: KafkaFacts, topic: str) -> bool:
    """Whether nothing forbids us to read a topic."""
    allowed = kafka.allowed_on_topics.get(topic)
    return allowed is None or Operation.READ in allowed


def _missing(
    user: str, kind: str, name: str, needs: tuple[Operation, ...], allowed: Allowed
) -> Iterator[Check]:
    if allowed is None or not (lacks := [one for one in needs if one not in allowed]):
        return
    hidden = " It may not exist either." if kind == "topic" and not allowed else ""
    operations = " ".join(f"--operation {one.name.capitalize()}" for one in lacks)
    yield Check(
        f"rights on {kind} {name}", Status.FAULT,
        f"we lack {' and '.join(one.name for one in lacks)}.{hidden}",
        "grant it to the principal of this worker: kafka-acls.sh --add --allow-principal "
        f"User:{user} {operations} --{kind} {name}",
    )  # fmt: skip
