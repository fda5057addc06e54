"""The same persistence with Quix Streams and a sink of its own, at least once.

Batches are written before their offsets are committed. It promises less: a batch is written twice
when the process ends between the two; a record that is not JSON ends the process; there is no
deadline, no outbox, no fence against a process that was taken over.
"""

import json
import os
from typing import Any

import psycopg
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

UPSERT = """
INSERT INTO bench_orders (order_id, seller_id, status, updated_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (order_id) DO UPDATE SET status = EXCLUDED.status, updated_at = EXCLUDED.updated_at,
    seller_id = coalesce(bench_orders.seller_id, EXCLUDED.seller_id)
"""


class PostgresSink(BatchingSink):
    """Events by COPY and orders by upsert, a transaction for each batch of a partition."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def setup(self) -> None:
        """Connect."""
        self._connection = psycopg.connect(self._url)

    def write(self, batch: SinkBatch) -> None:
        """Write what came since the last checkpoint."""
        rows = [row(item.value) for item in batch]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            with cursor.copy(
                "COPY bench_events (order_id, status, occurred_at, body) FROM STDIN"
            ) as copy:
                for order_id, _, status, at, body in rows:
                    copy.write_row((order_id, status, at, body))
            cursor.executemany(UPSERT, [row[:4] for row in rows])


def row(value: dict[str, Any]) -> tuple[Any, ...]:
    """Order, seller, status, time, and the body of an event."""
    status = value.get("status", "order-created")
    at = value.get("occurred_at") or value["entered_at"]
    return value["order_id"], value.get("seller_id"), status, at, json.dumps(value)


def main() -> None:
    """Run until the process is told to stop."""
    app = Application(
        broker_address=os.environ["BENCH_BOOTSTRAP"],
        consumer_group=os.environ["BENCH_GROUP"],
        auto_offset_reset="earliest",
        commit_every=20_000,  # over 24 partitions: batches of a thousand
        commit_interval=0.5,
        loglevel="WARNING",
    )
    sink = PostgresSink(os.environ["BENCH_DATABASE_URL"])
    for name in (os.environ["BENCH_CREATED"], os.environ["BENCH_CHANGED"]):
        app.dataframe(app.topic(name, value_deserializer="json")).sink(sink)
    app.run()


if __name__ == "__main__":
    main()
