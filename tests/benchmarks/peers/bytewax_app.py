"""The same persistence with Bytewax: a stream of batches, and a sink that writes them.

It promises less: a batch is written twice when the process ends before the epoch's snapshot; a
record that is not JSON ends the process; there is no deadline, no outbox, no fence against a
process that was taken over.
"""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import psycopg
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from .quix_app import UPSERT, row


class PostgresPartition(StatelessSinkPartition[dict[str, Any]]):
    """Events by COPY and orders by upsert, a transaction for each batch."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)

    def write_batch(self, items: list[dict[str, Any]]) -> None:
        """Write what one step of the flow brought."""
        rows = [row(item) for item in items]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            with cursor.copy(
                "COPY bench_events (order_id, status, occurred_at, body) FROM STDIN"
            ) as copy:
                for order_id, _, status, at, body in rows:
                    copy.write_row((order_id, status, at, body))
            cursor.executemany(UPSERT, [values[:4] for values in rows])

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


class PostgresSink(DynamicSink[dict[str, Any]]):
    """One connection for each worker."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> PostgresPartition:
        """The part of a worker."""
        return PostgresPartition(os.environ["BENCH_DATABASE_URL"])


def main() -> None:
    """Run until the process is told to stop."""
    flow = Dataflow("orders")
    topics = [os.environ["BENCH_CREATED"], os.environ["BENCH_CHANGED"]]
    records = op.input("kafka", flow, KafkaSource([os.environ["BENCH_BOOTSTRAP"]], topics))
    events = op.map("json", records, lambda record: json.loads(record.value))
    op.output("postgres", events, PostgresSink())
    snapshots = Path(os.environ["BENCH_STATE"])
    snapshots.mkdir()
    init_db_dir(snapshots, 1)
    cli_main(flow, epoch_interval=timedelta(seconds=1), recovery_config=RecoveryConfig(snapshots))


if __name__ == "__main__":
    main()
