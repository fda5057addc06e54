"""A sample consumer of the decisions topic; the tests run it as it is.

    python consumer.py BROKERS TOPIC

It prints every decision once. Its state is one number for each partition. In production store it in
the same transaction as the effect of the decision, where the comment says so.
"""

import asyncio
import json
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer

last: dict[int, int] = {}  # by partition, the sequence of the last decision that took effect


def take(partition: int, headers: dict[str, str], decision: dict[str, Any]) -> str | None:
    """The effect of a decision; ``None`` for a repeat."""
    sequence = int(headers["ce_sequence"])
    # Retention may have removed the beginning: the first record of a partition sets the start.
    before = last.setdefault(partition, sequence - 1)
    if sequence <= before:
        return None  # a repeat: the same id, the same sequence
    if sequence > before + 1:
        raise RuntimeError(f"partition {partition}: no decisions between {before} and {sequence}")
    # Here: BEGIN; the effect of the decision; the new `last`; COMMIT.
    last[partition] = sequence
    order, kind = decision["order_id"], headers["ce_type"]
    match kind.removeprefix("marketplace.order.").removesuffix(".v1"):
        case "auto-cancel":
            return f"cancel {order}"
        case "escalation":
            return f"ask a person about {order}: {decision['reason']}"
        case "decision-revoked" if decision.get("order_cancelled"):
            return f"forget {decision['revokes']['id']} of {order}, which stays cancelled"
        case "decision-revoked":
            return f"undo {decision['revokes']['id']} of {order}"
        case "deadline-reminder":
            return f"remind the seller of {order}, due {decision['due']}"
        case _:
            return f"ignore {kind}"  # more types may be added


async def main(brokers: str, topic: str) -> None:
    """Read from the beginning, forever."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=brokers, group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async for record in consumer:
            headers = {name: value.decode() for name, value in record.headers}
            effect = take(record.partition, headers, json.loads(record.value))
            if effect is not None:
                print(effect, flush=True)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
