"""A worker whose membership in the group ends by an error joins again, with lanes or without."""

from types import SimpleNamespace
from typing import Any

from tests.support.parts import Kafka
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.errors import KafkaUnavailable
from worker.kafka.consumer import Consumer
from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.runtime.membership import Membership
from worker.settings import Settings


async def test_a_member_that_ended_by_an_error_is_replaced(kafka: Kafka, topics: Topics) -> None:
    """The client's task may end by any error; only who reads records would learn of it."""
    settings = Settings(
        _env_file=None,
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        order_created_topic=topics.order_created,
        order_status_changed_topic=topics.order_status_changed,
        group_id=topics.order_created,
    )
    assigned: list[Any] = []

    async def revoked() -> None: ...

    consumer = Consumer(settings, assigned.append, revoked)
    consumer.check()  # not started yet
    await consumer.start()
    try:
        await eventually(lambda: bool(assigned), 30)
        consumer.check()

        async def fail() -> None:
            raise AssertionError("an error that nobody expected")

        coordinator: Any = consumer._consumer._coordinator
        coordinator.ensure_coordinator_known = fail
        coordinator.request_rejoin()

        def noticed() -> bool:
            try:
                consumer.check()
            except KafkaUnavailable:
                return True
            return False

        await eventually(noticed, 30)
        services: Any = SimpleNamespace(metrics=Metrics(settings))
        membership = Membership(services, Health())
        membership.check()  # no consumer yet
        membership.consumer = consumer
        assert not membership._broken.is_set()
        membership.check()
        assert membership._broken.is_set()
    finally:
        await consumer.stop()
