"""`plazo deliver` on a real Kafka, to real receivers that fail, hang and die."""

import asyncio
import base64
import json
import os
import sqlite3
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from standardwebhooks import Webhook

from schemas.registered import AVRO, registered_text
from tests.contract.samples import samples
from tests.support.apicurio import Apicurio, needs_a_registry
from tests.support.parts import Kafka
from tests.support.processes import ROOT, WorkerProcess
from tests.support.topics import create_topics
from tests.support.waiting import eventually
from worker.dev.process import free_port
from worker.outbox.encoding import avro_writer
from worker.registry.wire import frame

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two characters").decode()
PARTITIONS = 3
Answer = Callable[["Delivery"], Any]


class Delivery:
    """One request as the receiver saw it."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.value: dict[str, Any] = Webhook(SECRET).verify(body, headers)
        self.order: str = self.value["order_id"]
        self.id = headers["webhook-id"]


class Receiver:
    """A receiver that verifies each signature by the library; ``answer`` tells the status.

    Its port stays the same when it goes down and comes back.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: list[Delivery] = []
        self.asked: list[Delivery] = []
        self.answer: Answer = lambda _: 200
        self.busy: Counter[str] = Counter()
        self.overlaps: list[str] = []
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=not-for-logs"

    async def up(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._take), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def down(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        self._runner = None

    async def _take(self, request: web.BaseRequest) -> web.Response:
        one = Delivery(dict(request.headers), await request.read())
        self.asked.append(one)
        self.busy[one.order] += 1
        if self.busy[one.order] > 1:
            self.overlaps.append(one.order)
        try:
            status = self.answer(one)
            if asyncio.iscoroutine(status):
                status = await status
        finally:
            self.busy[one.order] -= 1
        if status == 200:
            self.taken.append(one)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    @property
    def ids(self) -> set[str]:
        return {one.id for one in self.taken}

    def by_order(self) -> dict[str, list[int]]:
        """By order, the numbers of its decisions as they were first taken."""
        found: dict[str, list[int]] = defaultdict(list)
        for one in self.taken:
            if (number := one.value["policy_version"]) not in found[one.order]:
                found[one.order].append(number)
        return found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.up()
    yield made
    await made.down()


class Decisions:
    """A decisions topic of its own, and the records that stand in it."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.topic = f"{uuid.uuid4().hex[:8]}.decisions"
        self.ids: set[str] = set()

    async def publish(
        self, *decisions: tuple[str, int, str], encode: Callable[[bytes], bytes] = bytes
    ) -> None:
        """Append (order, its number, kind); the number stands in ``policy_version``."""
        async with self._producer() as producer:
            for order, number, kind in decisions:
                id_ = str(uuid.uuid4())
                value = samples()[kind] | {"order_id": order, "policy_version": number, "id": id_}
                headers = {"ce_specversion": "1.0", "ce_id": id_, "ce_type": value["type"],
                           "ce_source": "/plazo/test", "ce_partitionkey": order}  # fmt: skip
                partition = sum(order.encode()) % PARTITIONS
                await producer.send_and_wait(
                    self.topic, encode(json.dumps(value).encode()), order.encode(), partition,
                    headers=[(name, text.encode()) for name, text in headers.items()],
                )  # fmt: skip
                self.ids.add(id_)

    async def publish_raw(self, value: bytes) -> None:
        async with self._producer() as producer:
            await producer.send_and_wait(self.topic, value, b"a", 0)

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka.bootstrap_servers,
            enable_idempotence=self.kafka.idempotence,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()


@pytest.fixture
async def decisions(kafka: Kafka) -> Decisions:
    made = Decisions(kafka)
    await create_topics(kafka.bootstrap_servers, {made.topic: PARTITIONS})
    return made


NewSink = Callable[..., WorkerProcess]


@pytest.fixture
def new_sink(kafka: Kafka, decisions: Decisions, tmp_path: Path) -> Iterator[NewSink]:
    """``new_sink("--to", URL, **variables)``: a process of `plazo deliver`, started.

    All of one test share a group and the dead-letter file.
    """
    made: list[WorkerProcess] = []
    group = f"deliver-{uuid.uuid4().hex[:8]}"

    def make(*arguments: str, **variables: str) -> WorkerProcess:
        environment = {
            "PLAZO_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "PLAZO_DECISIONS_TOPIC": decisions.topic,
            "PLAZO_SESSION_TIMEOUT": "PT6S",
            "PLAZO_DELIVER_GROUP_ID": group,
            "PLAZO_DELIVER_SECRET": SECRET,
            "PLAZO_DELIVER_DEAD_LETTERS": str(tmp_path / "dead-letters.jsonl"),
            **{f"PLAZO_{name.upper()}": value for name, value in variables.items()},
        }
        made.append(
            WorkerProcess(
                tmp_path, environment, name=f"deliver-{len(made)}",
                arguments=("deliver", *arguments),
            ).start()
        )  # fmt: skip
        return made[-1]

    yield make
    for one in made:
        one.kill_if_alive()


def dead_letters(tmp_path: Path) -> list[dict[str, Any]]:
    lines = (tmp_path / "dead-letters.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


async def is_zero(sink: WorkerProcess, name: str) -> bool:
    return (await sink.metrics())[name] == 0


ORDERS = [f"v{n}" for n in range(8)]


def of_each(count: int, first: int = 1) -> list[tuple[str, int, str]]:
    """So many decisions of each order, in turn."""
    return [(order, n, "escalation") for n in range(first, first + count) for order in ORDERS]


async def test_each_decision_arrives_signed_and_once_with_its_attributes(
    decisions: Decisions, receiver: Receiver, new_sink: NewSink
) -> None:
    await decisions.publish(("ñandú 1", 1, "auto-cancel"), *of_each(3))
    sink = await new_sink("--to", receiver.url).wait_ready()
    await eventually(lambda: receiver.ids == decisions.ids)
    assert await sink.sigterm() == 0
    # All was committed on the way out.
    again = await new_sink("--to", receiver.url).wait_ready()
    await decisions.publish(("last", 1, "escalation"))
    await eventually(lambda: receiver.ids == decisions.ids)
    assert len(receiver.taken) == len(decisions.ids)
    assert set(map(tuple, receiver.by_order().values())) == {(1, 2, 3), (1,)}
    one = next(one for one in receiver.taken if one.order == "ñandú 1")
    attributes = {name.lower(): text for name, text in one.headers.items()}
    assert attributes["content-type"] == "application/json"
    assert attributes["ce-type"] == one.value["type"] == "marketplace.order.auto-cancel.v1"
    assert attributes["ce-id"] == one.id == one.value["id"]
    assert attributes["ce-partitionkey"] == "%C3%B1and%C3%BA%201"
    age = 'plazo_deliver_oldest_age_seconds{receiver="default"}'
    await eventually(lambda: is_zero(again, age))
    metrics = await again.metrics()
    assert metrics['plazo_deliver_delivered_total{receiver="default"}'] == 1
    assert metrics['plazo_deliver_failed_total{receiver="default"}'] == 0
    assert "not-for-logs" not in sink.output + again.output


async def test_nothing_is_lost_and_each_order_keeps_its_order_whatever_happens(
    decisions: Decisions, receiver: Receiver, new_sink: NewSink
) -> None:
    """The receiver fails, is slow and dies; the sink is killed meanwhile, and shares its work."""
    asked: Counter[str] = Counter()

    async def moody(one: Delivery) -> int:
        asked[one.id] += 1
        await asyncio.sleep(0.02)
        return (503, 200)[asked[one.id] > 1] if one.value["policy_version"] % 3 else 200

    receiver.answer = moody
    await decisions.publish(*of_each(6))
    first = new_sink("--to", receiver.url)
    await eventually(lambda: len(receiver.ids) > 10)
    first.sigkill()
    second = new_sink("--to", receiver.url)
    await eventually(lambda: len(receiver.ids) > 20)
    await receiver.down()
    await decisions.publish(*of_each(2, first=7))
    await receiver.up()
    third = new_sink("--to", receiver.url)  # a rebalance in the middle
    await eventually(lambda: receiver.ids == decisions.ids, 60)
    await third.wait_ready()
    assert receiver.by_order() == {order: [*range(1, 9)] for order in ORDERS}
    assert receiver.overlaps == []
    assert await second.sigterm() == 0
    assert await third.sigterm() == 0


async def test_what_is_refused_for_good_goes_to_the_file_and_holds_up_nobody(
    decisions: Decisions, receiver: Receiver, new_sink: NewSink, tmp_path: Path
) -> None:
    statuses = {"v0": 410, "v1": 404, "v2": 500}
    receiver.answer = lambda one: statuses.get(one.order, 200)
    await decisions.publish_raw(b"\xff")
    await decisions.publish(*of_each(2))
    sink = await new_sink("--to", receiver.url, deliver_attempts="2").wait_ready()
    await eventually(lambda: len(receiver.taken) == 10)
    await eventually(lambda: len(dead_letters(tmp_path)) == 7)
    assert await sink.sigterm() == 0
    found = Counter((one["headers"].get("ce_partitionkey"), one["error"], one["attempts"])
                    for one in dead_letters(tmp_path))  # fmt: skip
    assert found == {
        ("v0", "status 410", 1): 2,
        ("v1", "status 404", 1): 2,
        ("v2", "attempts, the last with status 500", 2): 2,
        (None, "not-a-decision", 0): 1,
    }
    kept = next(one for one in dead_letters(tmp_path) if one["error"] == "status 410")
    assert json.loads(kept["body"])["id"] == kept["id"]
    assert (tmp_path / "dead-letters.jsonl").stat().st_mode & 0o077 == 0
    await new_sink("--to", receiver.url).wait_ready()
    await decisions.publish(("last", 1, "escalation"))
    await eventually(lambda: len(receiver.taken) == 11)
    assert len(dead_letters(tmp_path)) == 7


async def test_each_receiver_gets_its_types_and_waits_for_no_other(
    decisions: Decisions, receiver: Receiver, new_sink: NewSink
) -> None:
    other = Receiver()  # it is down
    await decisions.publish(*((order, 1, kind) for order in ORDERS for kind in samples()))
    sink = new_sink(
        "--to", f"erp={receiver.url}", "--types", "auto-cancel,decision-revoked",
        "--to", f"desk={other.url}", "--types", "escalation",
    )  # fmt: skip
    await eventually(lambda: len(receiver.taken) == 2 * len(ORDERS))
    await sink.wait_ready()
    assert (await sink.metrics())['plazo_deliver_retries_total{receiver="desk"}'] > 0
    assert (await sink.metrics())['plazo_deliver_oldest_age_seconds{receiver="desk"}'] > 0
    await other.up()
    await eventually(lambda: len(other.taken) == len(ORDERS))
    assert {one.value["type"] for one in other.taken} == {"marketplace.order.escalation.v1"}
    assert {one.value["type"] for one in receiver.taken} == {
        "marketplace.order.auto-cancel.v1", "marketplace.order.decision-revoked.v1",
    }  # fmt: skip
    await other.down()


async def test_a_sink_that_hung_sends_nothing_behind_its_successor(
    decisions: Decisions, receiver: Receiver, new_sink: NewSink
) -> None:
    receiver.answer = lambda _: 503
    await decisions.publish(*of_each(2))
    hung = new_sink("--to", receiver.url)
    await eventually(lambda: len(receiver.asked) > 8)
    hung.sigstop()
    receiver.answer = lambda _: 200
    new_sink("--to", receiver.url)
    await eventually(lambda: receiver.ids == decisions.ids, 60)
    count = len(receiver.asked)
    hung.sigcont()
    await decisions.publish(*of_each(1, first=3))
    await eventually(lambda: receiver.ids == decisions.ids, 60)
    repeats = [one for one in receiver.asked[count:] if one.value["policy_version"] < 3]
    assert repeats == []


async def test_redirects_are_not_followed(
    decisions: Decisions, receiver: Receiver, new_sink: NewSink
) -> None:
    receiver.answer = lambda _: 307 if len(receiver.asked) < 3 else 200
    await decisions.publish(("a", 1, "escalation"))
    sink = new_sink("--to", receiver.url)
    await eventually(lambda: receiver.ids == decisions.ids)
    assert len(receiver.asked) == 3
    assert '"error":"status 307"' in sink.output.replace('": "', '":"')


async def test_the_receiver_of_the_guide_takes_each_decision_once(
    decisions: Decisions, new_sink: NewSink, tmp_path: Path
) -> None:
    page = (ROOT / "docs/how-to/webhooks.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    (tmp_path / "receiver.py").write_text(code)
    port = free_port()
    url = f"http://127.0.0.1:{port}/hooks/plazo"
    sample = await asyncio.create_subprocess_exec(
        sys.executable, "receiver.py", str(port), cwd=tmp_path,
        env={**os.environ, "WEBHOOK_SECRET": SECRET},
    )  # fmt: skip

    async def refuses_what_is_not_signed() -> bool:
        with suppress(aiohttp.ClientConnectorError):  # not up yet
            async with aiohttp.ClientSession() as client, client.post(url, data=b"{}") as forged:
                return forged.status == 401
        return False

    try:
        await eventually(refuses_what_is_not_signed)
        await decisions.publish(*of_each(2))
        sink = new_sink("--to", url)

        async def stored() -> list[tuple[str, str]]:
            with closing(sqlite3.connect(tmp_path / "decisions.db")) as store:
                return store.execute("SELECT id, body FROM decisions").fetchall()

        async def all_stored() -> bool:
            return {id_ for id_, _ in await stored()} == decisions.ids

        await eventually(all_stored, 40)
        assert await sink.sigterm() == 0
        assert all(json.loads(body)["id"] == id_ for id_, body in await stored())
    finally:
        sample.kill()
        await sample.wait()


@needs_a_registry
async def test_decisions_in_avro_wait_for_the_registry_and_arrive_as_json(
    decisions: Decisions, receiver: Receiver, new_sink: NewSink, registry: Apicurio, tmp_path: Path
) -> None:
    text = registered_text(AVRO)
    with SchemaRegistryClient({"url": registry.url}) as client:
        known = client.register_schema(f"{decisions.topic}-value", Schema(text, "AVRO"))
    write = avro_writer(text)
    variables = {"schema_registry_url": registry.url, "schema_registry_timeout": "PT1S"}
    registry.pause()
    try:
        sink = new_sink("--to", receiver.url, **variables)
        await decisions.publish(*of_each(2), encode=lambda value: frame(known) + write(value))

        async def waits() -> bool:
            status, body = await sink.get("/readyz")
            return status == 503 and "schema registry" in body

        await eventually(waits)
        assert not receiver.asked
    finally:
        registry.resume()
    await eventually(lambda: receiver.ids == decisions.ids)
    assert set(map(tuple, receiver.by_order().values())) == {(1, 2)}
    assert {one.value["type"] for one in receiver.taken} == {"marketplace.order.escalation.v1"}
    # A schema that nobody registered holds up nothing for long.
    await decisions.publish(("lost", 1, "escalation"), encode=lambda value: frame(9_999) + b"\2")
    await decisions.publish(("last", 1, "escalation"))
    await eventually(lambda: any(one.order == "last" for one in receiver.taken))
    await eventually(lambda: (tmp_path / "dead-letters.jsonl").read_text() != "", 40)
    (letter,) = dead_letters(tmp_path)
    assert letter["error"] == "Confluent wire format, schema id 9999: the registry does not know it"
    assert await sink.sigterm() == 0
