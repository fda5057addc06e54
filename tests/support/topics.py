"""Topics for one test."""

import uuid
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from tests.support.waiting import eventually


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of the worker's four topics, and how wide each is."""

    order_created: str
    order_status_changed: str
    decisions: str
    dead_letters: str
    widths: dict[str, int]

    def environment(self) -> dict[str, str]:
        """The variables that tell a worker these names."""
        return {
            "PLAZO_ORDER_CREATED_TOPIC": self.order_created,
            "PLAZO_ORDER_STATUS_CHANGED_TOPIC": self.order_status_changed,
            "PLAZO_DECISIONS_TOPIC": self.decisions,
            "PLAZO_DEAD_LETTERS_TOPIC": self.dead_letters,
        }


async def create_topics(
    bootstrap_servers: str, widths: dict[str, int], replication: int = 1, **configs: str | int
) -> None:
    """Create topics with so many partitions; ``retention_ms=1`` sets ``retention.ms``."""
    settings = {name.replace("_", "."): str(value) for name, value in configs.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        answer = await admin.create_topics(
            [
                NewTopic(name, width, replication, topic_configs=settings)
                for name, width in widths.items()
            ]
        )
        for name, code, message in answer.topic_errors:
            if code:
                raise for_code(code)(f"{name}: {message}")
        # The controller answers before the broker itself knows of the topics.
        await eventually(lambda: _are_led(admin, widths), message=f"leaders of {list(widths)}")
    finally:
        await admin.close()


async def _are_led(admin: AIOKafkaAdminClient, widths: dict[str, int]) -> bool:
    leaders = {
        topic["topic"]: [partition["leader"] for partition in topic["partitions"]]
        for topic in await admin.describe_topics(list(widths))
    }
    return all(
        len(leaders[name]) == width and min(leaders[name]) >= 0 for name, width in widths.items()
    )


async def create_fresh_topics(
    bootstrap_servers: str,
    created: int = 3,
    status: int = 3,
    decisions: int | None = None,
    dead_letters: int = 1,
    replication: int = 1,
) -> Topics:
    """Four topics with names that no other test uses; decisions as wide as order-created."""
    prefix = uuid.uuid4().hex[:8]
    order_created = f"{prefix}.order-created"
    order_status_changed = f"{prefix}.order-status-changed"
    verdicts = f"{prefix}.decisions"
    refusals = f"{prefix}.dead-letters"
    widths = {
        order_created: created,
        order_status_changed: status,
        verdicts: created if decisions is None else decisions,
        refusals: dead_letters,
    }
    await create_topics(bootstrap_servers, widths, replication)
    return Topics(order_created, order_status_changed, verdicts, refusals, widths)


async def delete_topics(bootstrap_servers: str, topics: Topics) -> None:
    """Delete them; their names are gone at once, and their files a little later."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([*topics.widths])
    finally:
        await admin.close()
