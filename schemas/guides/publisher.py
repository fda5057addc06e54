"""A sample publisher; the tests run it as it is.

    python publisher.py BROKERS TOPIC TYPE < events.jsonl

Each line is the value of one event. The key is its order id, so that all events of an order are in
one partition.
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaProducer


async def main(brokers: str, topic: str, ce_type: str) -> None:
    """Publish each line; ends when the brokers have acknowledged all."""
    # The partitioner is murmur2 by default.
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", enable_idempotence=True)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_type", ce_type.encode()),
        ("content-type", b"application/json"),
    ]
    await producer.start()
    try:
        for line in sys.stdin:
            key = json.loads(line)["order_id"].encode()
            await producer.send_and_wait(topic, line.strip().encode(), key=key, headers=headers)
    finally:
        await producer.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
