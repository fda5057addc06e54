"""A sample consumer of the decisions topic; the tests run it as it stands here.

    python consumer.py BROKERS TOPIC

It prints every decision once. State is one number for each partition: in earnest keep it in the
same transaction as what a decision leads to, as the comment says.
"""

import asyncio
import json
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer

last: dict[int, int] = {}  # by partition, the last sequence that took effect


def take(partition: int, headers: dict[str, str], decision: dict[str, Any]) -> str | None:
    """What a decision leads to; ``None`` for a repeat."""
    sequence = int(headers["ce_sequence"])
    if sequence <= last.get(partition, 0):
        return None  # a repeat: the same id, the same sequence
    # Here: BEGIN; what the decision leads to; the new `last`; COMMIT.
    last[partition] = sequence
    order, kind = decision["order_id"], headers["ce_type"]
    match kind.removeprefix("marketplace.order.").removesuffix(".v1"):
        case "auto-cancel":
            return f"cancel {order}"
        case "escalation":
            return f"ask a person about {order}: {decision['reason']}"
        case "decision-revoked":
            return f"undo {decision['revokes']['id']} of {order}"
        case "deadline-reminder":
            return f"remind the seller of {order}, due {decision['due']}"
        case _:
            return f"ignore {kind}"  # types may be added


async def main(brokers: str, topic: str) -> None:
    """Read from the beginning, for ever."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=brokers, group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async for record in consumer:
            headers = {name: value.decode() for name, value in record.headers}
            if (told := take(record.partition, headers, json.loads(record.value))) is not None:
                print(told, flush=True)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
