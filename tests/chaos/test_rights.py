"""Rights and limits of topics change under the workers: nothing is lost, and nothing told twice."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.conftest import MakeTopics
from tests.end_to_end.world import World
from tests.support.apache_kafka import ApacheKafka
from tests.support.topics import Topics

from .stage import GRACE, JUDGED, WINDOW, Stage


@pytest.fixture(scope="module")
async def kafka() -> AsyncIterator[ApacheKafka]:
    """A broker that asks for rights on each topic that has any; workers talk to it directly."""
    settings = {
        "group.min.session.timeout.ms": 1_000,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    async with ApacheKafka(settings) as broker:
        yield broker


def _allow_only(kafka: ApacheKafka, topic: str, *operations: AclOperation) -> None:
    bindings = [
        AclBinding(
            ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:*", "*", operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]  # fmt: skip
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for done in admin.create_acls(bindings).values():
        done.result(20)


def _allow_all(kafka: ApacheKafka, topic: str) -> None:
    of_topic = AclBindingFilter(
        ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, None, None, AclOperation.ANY,
        AclPermissionType.ANY,
    )  # fmt: skip
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for done in admin.delete_acls([of_topic]).values():
        done.result(20)


@pytest.mark.parametrize(
    ("which", "left"),
    [
        (lambda topics: topics.decisions, AclOperation.READ),
        (lambda topics: topics.dead_letters, AclOperation.READ),
        (lambda topics: topics.order_status_changed, AclOperation.WRITE),
    ],
    ids=["write decisions", "write dead letters", "read acts"],
)
async def test_a_right_is_taken_away_and_given_back(
    stage: Stage,
    kafka: ApacheKafka,
    make_topics: MakeTopics,
    which: Callable[[Topics], str],
    left: AclOperation,
) -> None:
    topics = await make_topics(created=4, status=4)
    world = World(91, 600, topics, WINDOW, GRACE, spread=22, behaviours=JUDGED)
    await stage.ready_workers(topics, 2, kafka_bootstrap_servers=kafka.bootstrap_servers)
    async with stage.publishing(world) as reader:
        await asyncio.sleep(7)
        async with stage.fault("right taken away"):
            _allow_only(kafka, which(topics), left, AclOperation.DESCRIBE)
            await asyncio.sleep(8)
            _allow_all(kafka, which(topics))
    stage.judge(world, reader)


async def test_decisions_may_be_no_larger_than_one_at_a_time(
    stage: Stage, kafka: ApacheKafka, make_topics: MakeTopics
) -> None:
    topics = await make_topics(created=2, status=2)
    world = World(92, 600, topics, WINDOW, GRACE, spread=12, behaviours=JUDGED)
    await stage.ready_workers(topics, 1, kafka_bootstrap_servers=kafka.bootstrap_servers)
    async with stage.publishing(world) as reader:
        await asyncio.sleep(4)
        async with stage.fault("small batches only"):
            await _limit(kafka, topics.decisions, 4_000)
            await asyncio.sleep(10)
            await _limit(kafka, topics.decisions, 1_000_000)
    stage.judge(world, reader)


async def _limit(kafka: ApacheKafka, topic: str, most: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        configs = {"max.message.bytes": str(most)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
    finally:
        await admin.close()
