"""Topics on a fresh broker, for `plazo dev`."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

_ATTEMPTS = 100


async def create_topics(bootstrap_servers: str, widths: Mapping[str, int]) -> None:
    """Create topics with so many partitions each, and return once every one has a leader."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        answer: Any = await admin.create_topics(
            [NewTopic(n, width, 1) for n, width in widths.items()]
        )
        for name, code, message in answer.topic_errors:
            if code:
                raise for_code(code)(f"{name}: {message}")
        # The controller answers before the broker itself knows of the topics.
        for _ in range(_ATTEMPTS):
            described = await admin.describe_topics(list(widths))
            if {t["topic"]: _led(t["partitions"]) for t in described} == dict(widths):
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(f"no leaders for {', '.join(widths)}")
    finally:
        await admin.close()


def _led(partitions: list[dict[str, int]]) -> int:
    return sum(partition["leader"] >= 0 for partition in partitions)
