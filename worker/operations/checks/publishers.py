"""The checks of the publishers: their partitioner, and the delay of their records."""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

from worker.kafka.admin import partition_by_murmur2
from worker.operations.checks.model import Check, KafkaFacts, Status
from worker.operations.format import count, span
from worker.settings import Settings

# Orders in both topics before PLAZO_PROOF=lane may rest on what they show.
_ENOUGH = 20


def publisher_checks(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    """Whether recent records are in the right partition, and acts are published in time."""
    yield from _partitioners(settings, kafka)
    topic = settings.order_status_changed_topic
    delays = sorted(
        sample.delay
        for (name, _), samples in kafka.samples.items()
        for sample in samples
        if name == topic and sample.delay is not None
    )
    yield _delay(f"delay of {topic}", settings.grace, delays)


def _delay(name: str, grace: timedelta, delays: Sequence[float]) -> Check:
    if not delays:
        return Check(name, Status.NOT_MEASURED, "no acts to look at")
    p99 = timedelta(seconds=delays[len(delays) * 99 // 100])
    early = "before" if p99 < timedelta(0) else "after"
    found = (
        f"99 % of the last {len(delays)} acts are published at most {span(p99)} {early} their "
        f"time; the grace is {span(grace)}"
    )
    if p99 <= grace:
        return Check(name, Status.OK, found)
    return Check(
        name, Status.WARNING, f"{found}: such acts may come after the verdict, and revoke it",
        "mend the publisher or its clock, or raise PLAZO_GRACE; a whole number of hours is a local "
        "time labelled Z",
    )  # fmt: skip


def _partitioners(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    """Whether the records of an order arrive in one lane, whichever partitioner puts them there."""
    same, apart = _shared_keys(settings, kafka)
    for topic in settings.input_topics:
        state = kafka.topics.get(topic)
        if state is None:
            continue
        name = f"partitioner of {topic}"
        seen = Counter(
            partitioner_of(sample.key, number, state.partitions)
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
        elif same >= (_ENOUGH if settings.proof == "lane" else 1) and not apart:
            yield Check(
                name, Status.OK,
                f"another than murmur2, the same for all inputs: {count(same, 'order')} looked at "
                "in one lane each",
            )  # fmt: skip
        else:
            narrow = settings.proof == "lane"
            found = f"{apart} of {same + apart} orders are in several lanes; " if apart else ""
            found += f"{foreign} of the last {total} records are not where murmur2 puts their key"
            if seen["crc32"]:
                found += f"; {seen['crc32']} are where CRC32, librdkafka's default, does"
            if seen["other"]:
                found += f"; {seen['other']} are elsewhere (another partitioner, or records "
                found += "from before partitions were added)"
            yield Check(
                name, Status.FAULT if narrow else Status.WARNING,
                found + (": PLAZO_PROOF=lane does not wait for them: false cancels" if narrow
                         else ": acts in another lane are handed over, safe but slower"),
                "set partitioner=murmur2_random in publishers built on librdkafka (C, Python, Go, "
                ".NET); let the others hash the key by murmur2"
                + ("; until then set PLAZO_PROOF=all" if narrow else ""),
            )  # fmt: skip


def _shared_keys(settings: Settings, kafka: KafkaFacts) -> tuple[int, int]:
    """The keys that recent records of several inputs have: those in one lane, those in more."""
    lanes: dict[bytes, dict[str, set[int]]] = {}
    for (topic, number), samples in kafka.samples.items():
        if topic in settings.input_topics:
            for sample in samples:
                if sample.key:
                    lanes.setdefault(sample.key, {}).setdefault(topic, set()).add(number)
    shared = [set().union(*by.values()) for by in lanes.values() if len(by) > 1]
    return sum(len(each) == 1 for each in shared), sum(len(each) > 1 for each in shared)


def partitioner_of(key: bytes, partition: int, partitions: int) -> str:
    """The partitioner that puts this key here: ``murmur2``, ``crc32`` or an ``other``."""
    if partition_by_murmur2(key, partitions) == partition:
        return "murmur2"
    return "crc32" if zlib.crc32(key) % partitions == partition else "other"
