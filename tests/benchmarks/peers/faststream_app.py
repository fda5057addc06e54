"""The same persistence with FastStream, as its documents show it: `… faststream_app message|batch`.

It validates with pydantic and commits offsets after the handler. It promises less: an event whose
offset was not committed is written twice; a record that does not validate is skipped with a log
line; there is no deadline, no outbox, no fence against a process that was taken over.
"""

import asyncio
import os
import sys
from datetime import datetime
from typing import Any

import asyncpg
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import BaseModel

from ..persistence import INSERT_EVENT, UPSERT_ORDER

BATCH = 2_000
SUBSCRIPTION: dict[str, Any] = {
    "group_id": os.environ["BENCH_GROUP"],
    "auto_offset_reset": "earliest",
    "ack_policy": AckPolicy.NACK_ON_ERROR,
}


class OrderCreated(BaseModel):
    """What it needs of an order."""

    order_id: str
    seller_id: str
    entered_at: datetime


class StatusChanged(BaseModel):
    """What it needs of an act."""

    order_id: str
    status: str
    occurred_at: datetime


broker = KafkaBroker(os.environ["BENCH_BOOTSTRAP"], logger=None)
app = FastStream(broker, logger=None)
pool: asyncpg.Pool


@app.on_startup
async def connect() -> None:
    """One pool for all handlers."""
    global pool
    pool = await asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"])


async def store(rows: list[tuple[Any, ...]]) -> None:
    """Events and orders in one transaction."""
    async with pool.acquire() as connection, connection.transaction():
        if len(rows) == 1:
            ((order_id, seller_id, status, at, body),) = rows
            await connection.execute(INSERT_EVENT, order_id, status, at, body)
            await connection.execute(UPSERT_ORDER, order_id, seller_id, status, at)
        else:
            await connection.executemany(INSERT_EVENT, [(o, s, at, b) for o, _, s, at, b in rows])
            await connection.executemany(UPSERT_ORDER, [(o, x, s, at) for o, x, s, at, _ in rows])


def entered(order: OrderCreated, body: bytes) -> tuple[Any, ...]:
    """Row of an order."""
    return order.order_id, order.seller_id, "order-created", order.entered_at, body.decode()


def acted(act: StatusChanged, body: bytes) -> tuple[Any, ...]:
    """Row of an act."""
    return act.order_id, None, act.status, act.occurred_at, body.decode()


if sys.argv[1] == "message":

    @broker.subscriber(os.environ["BENCH_CREATED"], **SUBSCRIPTION)
    async def on_created(event: OrderCreated, message: KafkaMessage) -> None:
        """One order."""
        await store([entered(event, message.body)])

    @broker.subscriber(os.environ["BENCH_CHANGED"], **SUBSCRIPTION)
    async def on_changed(event: StatusChanged, message: KafkaMessage) -> None:
        """One act."""
        await store([acted(event, message.body)])

else:

    @broker.subscriber(os.environ["BENCH_CREATED"], batch=True, max_records=BATCH, **SUBSCRIPTION)
    async def on_created_batch(events: list[OrderCreated], message: KafkaMessage) -> None:
        """Many orders."""
        await store([entered(e, b) for e, b in zip(events, message.body, strict=True)])

    @broker.subscriber(os.environ["BENCH_CHANGED"], batch=True, max_records=BATCH, **SUBSCRIPTION)
    async def on_changed_batch(events: list[StatusChanged], message: KafkaMessage) -> None:
        """Many acts."""
        await store([acted(e, b) for e, b in zip(events, message.body, strict=True)])


if __name__ == "__main__":
    asyncio.run(app.run())
