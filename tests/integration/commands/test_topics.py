"""`plazo topics create`."""

import uuid

from tests.conftest import MakeTopics
from tests.support.commands import Plazo


async def test_topics_are_created_once_and_decisions_widened(
    new: Plazo, make_topics: MakeTopics
) -> None:
    prefix = uuid.uuid4().hex[:8]
    names = {
        "order_created_topic": f"{prefix}.a",
        "order_status_changed_topic": f"{prefix}.b",
        "decisions_topic": f"{prefix}.c",
        "dead_letters_topic": f"{prefix}.d",
    }

    async def create(*options: str, **other: str) -> dict[str, tuple[str, int]]:
        answer = await new("topics", "create", "--json", *options, **{**names, **other})
        assert answer.code == 0, answer.err
        return {
            topic["topic"].removeprefix(f"{prefix}."): (topic["action"], topic["partitions"])
            for topic in answer.json["topics"]
        }

    planned = await create("--dry-run")
    assert planned == dict.fromkeys("abc", ("create", 12)) | {"d": ("create", 1)}
    # Nothing was done, or they would be there now.
    made = await create("--partitions", "4", "--replication-factor", "1")
    assert made == dict.fromkeys("abc", ("create", 4)) | {"d": ("create", 1)}
    again = await create("--partitions", "9")
    assert again == dict.fromkeys("abc", ("keep", 4)) | {"d": ("keep", 1)}
    # As wide as the input that is there.
    more = {"order_status_changed_topic": f"{prefix}.e", "decisions_topic": f"{prefix}.f"}
    assert await create(**more) == {
        "a": ("keep", 4), "e": ("create", 4), "f": ("create", 4), "d": ("keep", 1),
    }  # fmt: skip
    if new.kafka.idempotence:  # the embedded broker cannot add partitions
        topics = await make_topics(created=4, decisions=2)
        narrow = {"decisions_topic": topics.decisions}
        widened = await create(**narrow)
        assert widened[topics.decisions] == ("widen", 4)
        assert (await create(**narrow))[topics.decisions] == ("keep", 4)


async def test_topics_create_says_what_the_cluster_refuses(new: Plazo) -> None:
    answer = await new("topics", "create", "--replication-factor", "9",
                       decisions_topic=f"{uuid.uuid4().hex}.x")  # fmt: skip
    if new.kafka.idempotence:
        assert answer.code == 1
        assert "InvalidReplicationFactor" in answer.err
    answer = await new("topics", "create", kafka_bootstrap_servers="127.0.0.1:1")
    assert answer.code == 4


async def test_topics_are_created_before_there_is_a_schema(
    new: Plazo, make_topics: MakeTopics
) -> None:
    """It reports that there is no record of the author."""
    missing = f"{new.topics.dead_letters}.new"
    answer = await new("topics", "create", dead_letters_topic=missing)
    assert answer.code == 0
    assert "keeps no record" in answer.err
