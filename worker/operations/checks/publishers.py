"""The check of the publishers' partitioner."""

import zlib
from collections import Counter
from collections.abc import Iterator

from worker.kafka.admin import partition_by_murmur2
from worker.operations.checks.model import Check, KafkaFacts, Status
from worker.settings import Settings


def publisher_checks(settings: Settings, kafka: KafkaFacts) -> Iterator[Check]:
    """Whether the keys of recent records are in the partitions that murmur2 gives them."""
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
        else:
            narrow = settings.proof == "lane"
            found = f"{foreign} of the last {total} records are not where murmur2 puts their key"
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


def partitioner_of(key: bytes, partition: int, partitions: int) -> str:
    """The partitioner that puts this key here: ``murmur2``, ``crc32`` or an ``other``."""
    if partition_by_murmur2(key, partitions) == partition:
        return "murmur2"
    return "crc32" if zlib.crc32(key) % partitions == partition else "other"
