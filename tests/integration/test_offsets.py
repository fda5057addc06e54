"""Questions about the logs have no effect on them."""

import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.support.apache_kafka import ApacheKafka
from worker.errors import KafkaUnavailable
from worker.kafka.offsets import OffsetReader
from worker.settings import Settings


@pytest.fixture
async def creating() -> AsyncIterator[ApacheKafka]:
    async with ApacheKafka({"auto.create.topics.enable": "true"}) as broker:
        yield broker


@pytest.mark.apache_kafka
async def test_a_question_about_a_deleted_topic_does_not_create_it(creating: ApacheKafka) -> None:
    """It would come back empty, with one partition, and its lanes would take it for the input."""
    name = f"gone-{uuid.uuid4().hex[:8]}"
    settings = Settings(
        kafka_bootstrap_servers=creating.bootstrap_servers,
        order_created_topic=name,
        order_status_changed_topic=f"{name}-too",
    )
    reader = OffsetReader(settings)
    with pytest.raises(KafkaUnavailable, match="no such topic"):
        await reader.ends()
    assert await reader.widths([name]) == {}
    await reader.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=creating.bootstrap_servers)
    await admin.start()
    try:
        assert not [topic for topic in await admin.list_topics() if topic.startswith(name)]
    finally:
        await admin.close()
