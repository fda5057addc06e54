"""Half an hour at a steady rate: does anything grow that should not?

``make endurance`` (``ARGS="--minutes 5"``) runs two workers on Apache Kafka and Postgres, publishes
orders and acts at a steady rate with a window of seconds, and samples what could leak. Prints a
table, writes it as JSON beside itself, and fails where a limit is passed.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import asyncpg
import psutil
from aiokafka import AIOKafkaProducer

from tests.support.apache_kafka import ApacheKafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics, create_fresh_topics
from worker.dev.postgres import EmbeddedPostgres
from worker.storage.migrate import migrate

EVERY = 10.0
WINDOW, GRACE = timedelta(seconds=20), timedelta(seconds=1)
RESULT = Path(__file__).parent / "endurance.json"

# What may grow in an hour, over the second half of the run.
MAX_RSS_MIB_PER_HOUR = 10.0
MAX_TASKS_PER_HOUR = 20.0
MAX_FILES_PER_HOUR = 5.0
# An index entry may take this much more in the end than halfway: dead rows that nobody removes.
MAX_BYTES_PER_ROW_RATIO = 1.2


@dataclass
class Sample:
    """What stood at one moment; of the workers the larger."""

    seconds: float
    rss_mib: float
    tasks: float
    files: int
    connections: int
    lag: float
    overdue: float
    dead_tuples: int
    bytes_per_order: float


def main() -> int:
    """Run, tell, and say by the exit code whether anything leaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=400, help="records a second")
    asked = parser.parse_args()
    samples, decided = asyncio.run(_run(asked.minutes * 60, asked.rate))
    faults = _judge(samples, asked.minutes * 60, asked.rate)
    _tell(samples, decided, asked.rate, faults)
    return 1 if faults else 0


async def _run(seconds: float, rate: int) -> tuple[list[Sample], int]:
    with tempfile.TemporaryDirectory(prefix="plazo-endurance-") as name:
        async with ApacheKafka() as kafka, EmbeddedPostgres(trust=True) as postgres:
            await migrate(postgres.url)
            topics = await create_fresh_topics(kafka.bootstrap_servers, 12, 12)
            environment = {
                "PLAZO_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "PLAZO_DATABASE_URL": postgres.url,
                "PLAZO_BRAKE_SHARE": "1",
                "PLAZO_STOCK_WINDOW": f"PT{WINDOW.seconds}S",
                "PLAZO_GRACE": f"PT{GRACE.seconds}S",
                "PLAZO_LOG_LEVEL": "warning",
                **topics.environment(),
            }
            workers = [
                WorkerProcess(Path(name), environment, name=f"worker{number}").start()
                for number in range(2)
            ]
            try:
                for worker in workers:
                    await worker.wait_ready()
                publishing = asyncio.create_task(
                    _publish(kafka.bootstrap_servers, topics, rate, seconds)
                )
                samples = await _sample(workers, postgres.url, publishing)
                connection = await asyncpg.connect(postgres.url)
                decided = await connection.fetchval("SELECT count(*) FROM decisions")
                await connection.close()
                for worker in workers:
                    assert await worker.sigterm() == 0, worker.output[-2000:]
            finally:
                for worker in workers:
                    worker.kill_if_alive()
    return samples, decided


async def _publish(bootstrap: str, topics: Topics, rate: int, seconds: float) -> None:
    """Three orders in five records; two in three sellers act in time."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        began, orders = time.monotonic(), count()
        recent: list[str] = []
        for number in count():
            ahead = number / rate - (time.monotonic() - began)
            if ahead > 0:
                await asyncio.sleep(ahead)
            if time.monotonic() - began > seconds:
                return
            now = datetime.now(UTC).isoformat()
            if number % 5 < 3:
                order = f"v{next(orders):09}naf-01"
                recent.append(order)
                topic = topics.order_created
                body = {"order_id": order, "seller_id": "s-1", "fulfilment": "courier",
                        "entered_at": now, "total": "120.00", "currency": "PEN"}  # fmt: skip
            else:
                order = recent.pop(0)
                topic = topics.order_status_changed
                body = {"order_id": order, "status": "start-handling", "occurred_at": now,
                        "validation": {"in_stock": True}}  # fmt: skip
                recent = recent[-1000:]
            await producer.send(topic, json.dumps(body).encode(), key=order.encode())


async def _sample(
    workers: list[WorkerProcess], url: str, publishing: "asyncio.Task[None]"
) -> list[Sample]:
    began = time.monotonic()
    samples: list[Sample] = []
    connection = await asyncpg.connect(url)
    while not publishing.done():
        await asyncio.wait({publishing}, timeout=EVERY)
        told = [await worker.metrics() for worker in workers]
        processes = [psutil.Process(worker.pid) for worker in workers]
        row = await connection.fetchrow(
            "SELECT sum(pg_total_relation_size(relid))::float8 AS bytes, "
            "sum(n_dead_tup)::int8 AS dead, (SELECT count(*) FROM orders) AS orders, "
            "(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'plazo') AS opened "
            "FROM pg_stat_user_tables"
        )
        sample = Sample(
            seconds=time.monotonic() - began,
            rss_mib=max(process.memory_info().rss for process in processes) / 2**20,
            tasks=max(one["plazo_loop_tasks"] for one in told),
            files=max(process.num_fds() for process in processes),
            connections=row["opened"],
            lag=sum(_summed(one, "plazo_lag_records") for one in told),
            overdue=sum(_summed(one, "plazo_overdue_deadlines") for one in told),
            dead_tuples=row["dead"],
            bytes_per_order=row["bytes"] / max(1, row["orders"]),
        )
        samples.append(sample)
        print(json.dumps(asdict(sample)), flush=True)
    publishing.result()
    await connection.close()
    return samples


def _summed(samples: Mapping[str, float], name: str) -> float:
    return sum(value for key, value in samples.items() if key.partition("{")[0] == name)


def _per_hour(samples: list[Sample], field: str) -> float:
    """Slope over the second half, by least squares."""
    half = samples[len(samples) // 2 :]
    xs = [sample.seconds / 3600 for sample in half]
    ys = [float(getattr(sample, field)) for sample in half]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread


def _judge(samples: list[Sample], seconds: float, rate: int) -> list[str]:
    limits = {
        "rss_mib": MAX_RSS_MIB_PER_HOUR,
        "tasks": MAX_TASKS_PER_HOUR,
        "files": MAX_FILES_PER_HOUR,
    }
    # The slope of a short run is mostly noise.
    factor = max(1.0, 1800 / seconds) ** 2
    faults = [
        f"{field} grows by {slope:.1f} an hour"
        for field, limit in limits.items()
        if (slope := _per_hour(samples, field)) > limit * factor
    ]
    middle, last = samples[len(samples) // 2], samples[-1]
    if last.bytes_per_order > MAX_BYTES_PER_ROW_RATIO * middle.bytes_per_order:
        faults.append("tables and indexes grow faster than their rows")
    if last.lag > rate or last.overdue > rate:  # a second's worth is on its way at any moment
        faults.append(f"it does not keep up: {last.lag} records, {last.overdue} overdue")
    return faults


def _tell(samples: list[Sample], decided: int, rate: int, faults: list[str]) -> None:
    print(f"\n{rate} records/s, {decided} decisions")
    print("| after | RSS | tasks | files | connections | dead rows | bytes an order |")
    print("|---|---|---|---|---|---|---|")
    for sample in samples[:: max(1, len(samples) // 10)]:
        print(
            f"| {sample.seconds / 60:.0f} min | {sample.rss_mib:.1f} MiB | {sample.tasks:.0f} | "
            f"{sample.files} | {sample.connections} | {sample.dead_tuples} | "
            f"{sample.bytes_per_order:.0f} |"
        )
    slopes = {field: _per_hour(samples, field) for field in ("rss_mib", "tasks", "files")}
    print("an hour, over the second half:", {k: round(v, 2) for k, v in slopes.items()})
    print("\n".join(faults) or "nothing leaks")
    RESULT.write_text(
        json.dumps(
            {"rate": rate, "decisions": decided, "slopes_per_hour": slopes, "faults": faults,
             "samples": [asdict(sample) for sample in samples]},
            indent=1,
        )
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
