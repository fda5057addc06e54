"""The commands of one installation, each a process, and the records that it reads."""

import asyncio
import json
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaProducer

from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

# A person whom no command shows unasked.
SECRET = "Rosa Quispe"
_ROOT = Path(__file__).parents[2]


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Plazo:
    """One installation: topics, a database, a group; and the commands of it."""

    def __init__(self, kafka: Kafka, database: str, topics: Topics, directory: Path) -> None:
        self.kafka, self.database, self.topics = kafka, database, topics
        self._directory = directory
        self._workers: list[WorkerProcess] = []
        self._environment = {
            "PLAZO_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "PLAZO_KAFKA_IDEMPOTENCE": str(kafka.idempotence),
            "PLAZO_DATABASE_URL": database,
            "PLAZO_GROUP_ID": f"test-{uuid.uuid4().hex[:8]}",
            "PLAZO_GRACE": "PT0S",
            **topics.environment(),
        }

    async def __call__(self, *arguments: str, **variables: str) -> Answer:
        # Port 0 is free whatever else runs here; `plazo check` looks at it.
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(_ROOT), "PLAZO_HTTP_PORT": "0",
                       **self._environment}  # fmt: skip
        environment |= {f"PLAZO_{name.upper()}": value for name, value in variables.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "worker", *arguments,
            cwd=self._directory, env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        assert '"crashed"' not in err.decode(), err.decode()
        return Answer(process.returncode, out.decode(), err.decode())

    async def worker(self, **variables: str) -> WorkerProcess:
        """A worker that is ready."""
        environment = self._environment | {
            f"PLAZO_{name.upper()}": value for name, value in variables.items()
        }
        name = f"worker-{len(self._workers)}"
        self._workers.append(WorkerProcess(self._directory, environment, name=name).start())
        return await self._workers[-1].wait_ready()

    async def sql(self, statement: str, *arguments: object) -> list[Any]:
        connection = await asyncpg.connect(self.database)
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()

    async def explain(self, order: str, *options: str) -> Any:
        answer = await self("explain", order, "--json", *options)
        assert answer.code == 0, answer.err
        return answer.json

    def end(self) -> None:
        for worker in self._workers:
            worker.kill_if_alive()


class Upstream:
    """Writes what upstream systems write."""

    def __init__(self, producer: AIOKafkaProducer, topics: Topics) -> None:
        self._producer, self._topics = producer, topics

    async def enter(self, order: str, ago: timedelta = timedelta()) -> None:
        moment = (datetime.now(UTC) - ago).isoformat()
        body = {"order_id": order, "seller_id": "s-1", "fulfilment": "courier"}
        value = json.dumps({**body, "entered_at": moment}).encode()
        await self._producer.send_and_wait(self._topics.order_created, value, key=order.encode())

    async def act(self, order: str, status: str, ago: timedelta = timedelta(), **more: Any) -> None:
        moment = (datetime.now(UTC) - ago).isoformat()
        body = {"order_id": order, "status": status, "occurred_at": moment, **more}
        await self.write(order, json.dumps(body).encode())

    async def write(self, order: str, value: bytes) -> None:
        await self._producer.send_and_wait(
            self._topics.order_status_changed, value, key=order.encode(), headers=[("x", b"1")]
        )


def found(answer: Answer, name: str) -> dict[str, str]:
    checks: dict[str, dict[str, str]] = {one["name"]: one for one in answer.json["checks"]}
    return checks[name]


async def refused(plazo: Plazo, number: int) -> list[int]:
    async def there() -> list[int]:
        rows = await plazo.sql("SELECT id FROM dead_letters ORDER BY id")
        return [row["id"] for row in rows] if len(rows) >= number else []

    found: list[int] = await eventually(there)
    return found
