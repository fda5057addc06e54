"""The commands, as an operator calls them: a process each, against real parts."""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
import typer
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from tests.conftest import MakeTopics
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.cli.context import author_of
from worker.kafka.admin import Sample, Skew, TopicState, partition_by_murmur2
from worker.kafka.offsets import Bounds
from worker.operations import facts
from worker.operations.checks.model import Check, DatabaseFacts, KafkaFacts, Status
from worker.operations.checks.publishers import partitioner_of
from worker.operations.checks.report import checks
from worker.settings import Settings
from worker.storage.migrations import HEAD

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


@pytest.fixture
async def new(kafka: Kafka, database: str, topics: Topics, tmp_path: Path) -> AsyncIterator[Plazo]:
    """An installation whose database is still empty."""
    plazo = Plazo(kafka, database, topics, tmp_path)
    yield plazo
    plazo.end()


@pytest.fixture
async def plazo(new: Plazo) -> Plazo:
    assert (await new("migrate")).code == 0
    return new


@pytest.fixture
async def producer(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, enable_idempotence=kafka.idempotence
    )
    await client.start()
    yield client
    await client.stop()


class Market:
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


@pytest.fixture
def market(producer: AIOKafkaProducer, topics: Topics) -> Market:
    return Market(producer, topics)


def found(answer: Answer, name: str) -> dict[str, str]:
    checks: dict[str, dict[str, str]] = {one["name"]: one for one in answer.json["checks"]}
    return checks[name]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_shells_complete_commands(new: Plazo, shell: str) -> None:
    """What `plazo --install-completion` makes a shell ask."""
    typed = {
        "bash": {"COMP_WORDS": "plazo dead-letters re", "COMP_CWORD": "2"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "plazo dead-letters re"},
        "fish": {"_TYPER_COMPLETE_ARGS": "plazo dead-letters re",
                 "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("plazo"),
        env={"PATH": "/usr/bin:/bin", "_PLAZO_COMPLETE": f"complete_{shell}", **typed},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert b"replay" in out
    assert b"discard" not in out


# check


async def test_check_names_every_fault_and_its_cure(new: Plazo, make_topics: MakeTopics) -> None:
    missing = {"order_created_topic": "no.such.topic"}
    answer = await new("check", "--json", **missing)
    assert answer.code == 1
    assert found(answer, "kafka")["status"] == "ok"
    assert found(answer, "topic no.such.topic")["cure"].startswith("run `plazo topics create`")
    assert found(answer, "schema")["cure"].startswith("run `plazo migrate`")
    assert found(answer, "clock of Postgres")["status"] == "ok"
    screen = await new("check", **missing)
    assert screen.code == 1
    assert "no.such.topic" in screen.out


async def test_check_passes_where_nothing_is_at_fault(plazo: Plazo) -> None:
    before = await plazo("check", "--json")
    assert before.code == 0
    assert found(before, "lanes")["status"] == "warning"
    await plazo.worker()
    answer = await plazo("check", "--json")
    assert answer.code == 0
    assert found(answer, "lanes")["finding"] == "3, each with an owner"
    assert found(answer, "workers")["status"] in ("ok", "not measured")
    assert found(answer, "outbox")["finding"] == "every verdict is published"
    if plazo.kafka.idempotence:  # the embedded broker does not report its time
        assert found(answer, "clock of Kafka")["status"] == "ok"
        assert found(answer, "workers")["finding"].startswith("1 in the group")


async def test_check_says_what_does_not_answer_and_looks_at_the_rest(plazo: Plazo) -> None:
    answer = await plazo("check", "--json", kafka_bootstrap_servers="127.0.0.1:1")
    assert answer.code == 4
    assert found(answer, "kafka")["status"] == "fault"
    assert found(answer, "schema")["status"] == "ok"
    answer = await plazo("check", "--json", database_url="postgresql://u:pass-word@127.0.0.1:1/d")
    assert answer.code == 4
    assert found(answer, "postgres")["status"] == "fault"
    assert found(answer, f"topic {plazo.topics.decisions}")["status"] == "ok"
    assert "pass-word" not in answer.out + answer.err


async def test_check_reports_all_faults_of_the_settings_at_once(new: Plazo) -> None:
    answer = await new("check", batch_size="0", grace="soon", http_port="99999")
    assert answer.code == 2
    lines = answer.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "PLAZO_GRACE", "PLAZO_BATCH_SIZE", "PLAZO_HTTP_PORT",
    ]  # fmt: skip


@pytest.mark.apache_kafka
async def test_check_sees_publishers_built_on_librdkafka(plazo: Plazo) -> None:
    other = Producer({"bootstrap.servers": plazo.kafka.bootstrap_servers})
    for number in range(60):
        other.produce(plazo.topics.order_status_changed, b"{}", key=f"order-{number}".encode())
    await asyncio.to_thread(other.flush, 20)
    name = f"partitioner of {plazo.topics.order_status_changed}"
    seen = found(await plazo("check", "--json"), name)
    assert seen["status"] == "warning"
    assert "of the last 60 records" in seen["finding"]
    assert "elsewhere" not in seen["finding"], "all are explained by CRC32"
    assert "murmur2_random" in seen["cure"]
    narrow = await plazo("check", "--json", proof="lane")
    assert narrow.code == 1
    assert found(narrow, name)["status"] == "fault"


async def test_check_sees_from_outside_that_lanes_halt(
    plazo: Plazo, producer: AIOKafkaProducer
) -> None:
    await plazo.sql("INSERT INTO positions VALUES ($1, 1, 7)", plazo.topics.order_created)
    await producer.send_and_wait(
        plazo.topics.decisions, b"{}", partition=2, headers=[("ce_sequence", b"9")]
    )
    answer = await plazo("check", "--json")
    assert answer.code == 1
    assert "ends at 0, but was read up to 7" in found(answer, "lane 1")["finding"]
    assert "holds sequence 9, the database only 0" in found(answer, "lane 2")["finding"]


async def test_check_takes_no_progress_for_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two questions a worker publishes one more verdict and reads one more record."""
    look = count(1)

    async def kafka(_: Settings) -> KafkaFacts:
        return cluster(published={0: next(look)}, samples={(ORDERS, 0): []})

    async def database(_: Settings) -> DatabaseFacts:
        seen = next(look)
        lanes = [{**OWNED[0], "sequence": seen, "published": seen}, *OWNED[1:]]
        return DatabaseFacts(NOW, Skew(0, 0), HEAD, lanes, {(ORDERS, 0): seen})

    async def with_bounds(_: Settings, known: KafkaFacts) -> KafkaFacts:
        return replace(known, logs={(ORDERS, 0): Bounds(0, next(look), None)})

    for part in (kafka, database, with_bounds):
        monkeypatch.setattr(facts, f"_{part.__name__}", part)
    found = list(checks(SETTINGS, *await facts.gather(SETTINGS)))
    assert [one for one in found if one.status == Status.FAULT] == []
    assert next(one for one in found if one.name == "lag").finding == "1 records in 1 partition"


NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SETTINGS = Settings(_env_file=None)


def judged(kafka: KafkaFacts | None = None, **database: Any) -> Iterator[Check]:
    facts = {"now": NOW, "clock": Skew(0, 0), "schema": HEAD, **database}
    return checks(SETTINGS, kafka or cluster(), DatabaseFacts(**facts))


def cluster(replicas: int = 3, in_sync: int = 3, status: int = 3, **facts: Any) -> KafkaFacts:
    state = TopicState(3, replicas, in_sync, 0)
    topics = dict.fromkeys(
        [*SETTINGS.input_topics, SETTINGS.decisions_topic, SETTINGS.dead_letters_topic], state
    )
    topics[SETTINGS.order_status_changed_topic] = TopicState(status, replicas, in_sync, 0)
    return KafkaFacts(3, topics, **{"configs": {}, "members": 1, "clock": Skew(0, 0), **facts})


LANE = {"owner": "w", "sequence": 0, "published": 0, "open_deadlines": 0, "unpublished_since": None}
OWNED = [{**LANE, "lane": number} for number in range(3)]
ORDERS, STATUSES = SETTINGS.input_topics


@pytest.mark.parametrize(
    ("name", "status", "kafka", "database"),
    [
        ("replication", Status.WARNING, cluster(replicas=1, in_sync=1), {}),
        ("replication", Status.WARNING, cluster(in_sync=2), {}),
        ("width of inputs", Status.WARNING, cluster(status=4), {}),
        ("width of decisions", Status.FAULT, KafkaFacts(1, {
            ORDERS: TopicState(3, 1, 1, 0), SETTINGS.decisions_topic: TopicState(2, 1, 1, 0)}), {}),
        ("min.insync.replicas", Status.WARNING,
         cluster(configs={(ORDERS, "min.insync.replicas"): "3"}), {}),
        ("min.insync.replicas", Status.WARNING,
         cluster(configs={(ORDERS, "min.insync.replicas"): "1"}), {}),
        ("timestamps", Status.WARNING,
         cluster(configs={(ORDERS, "message.timestamp.after.max.ms"): "9223372036854775807"}), {}),
        ("timestamps", Status.WARNING,  # brokers before 3.6
         cluster(configs={(ORDERS, "message.timestamp.difference.max.ms"): "86400000"}), {}),
        ("retention", Status.WARNING, cluster(configs={(STATUSES, "retention.ms"): "3600000"}), {}),
        ("retention", Status.WARNING, cluster(configs={(STATUSES, "cleanup.policy"): "compact"}),
         {}),
        ("clock of Kafka", Status.NOT_MEASURED, cluster(clock="refused"), {}),
        ("clock of Kafka", Status.WARNING, cluster(clock=Skew(-5, 0.1)), {}),
        ("clock of Postgres", Status.OK, None, {"clock": Skew(3, 2.5)}),
        ("clock of Postgres", Status.WARNING, None, {"clock": Skew(3, 0.1)}),
        ("clock of Postgres", Status.FAULT, None, {"clock": Skew(-600, 0.1)}),
        ("workers", Status.WARNING, cluster(members=0), {}),
        ("lanes", Status.OK, None, {"lanes": OWNED}),
        ("lanes", Status.WARNING, None, {"lanes": OWNED[:2]}),
        ("lanes", Status.WARNING, None, {"lanes": [*OWNED[:2], {**OWNED[2], "owner": None}]}),
        ("positions", Status.WARNING, cluster(logs={(ORDERS, 0): Bounds(5, 9, None)}),
         {"positions": {(ORDERS, 0): 3}}),
        ("outbox", Status.WARNING, None, {"lanes": [
            {**OWNED[0], "sequence": 4, "unpublished_since": NOW - timedelta(minutes=5)}]}),
        ("deadlines", Status.WARNING, None,
         {"overdue": 3, "oldest_overdue": NOW - timedelta(minutes=5)}),
        ("dead letters", Status.WARNING, None, {"dead_letters": [{"error": "time", "letters": 2}]}),
        ("orphans", Status.WARNING, None, {"orphans": 2}),
        ("orphans", Status.WARNING, None, {"astray": 1}),
        ("orphans", Status.OK, None, {}),
        ("adoption", Status.OK, None, {"adopted_at": NOW, "before_adoption": 7}),
        (f"delay of {STATUSES}", Status.NOT_MEASURED, None, {}),
        (f"delay of {STATUSES}", Status.OK,
         cluster(samples={(STATUSES, 0): [Sample(b"a", (), 5.0)] * 200}), {}),
        (f"delay of {STATUSES}", Status.WARNING,
         cluster(samples={(STATUSES, 0): [Sample(b"a", (), 5.0)] * 97,
                          (STATUSES, 1): [Sample(b"a", (), 3600.0)] * 3}), {}),
        ("one database", Status.FAULT, None, {"elsewhere": "{[6,12)}"}),
    ],
)  # fmt: skip
def test_each_fault_is_seen(
    name: str, status: Status, kafka: KafkaFacts | None, database: dict[str, Any]
) -> None:
    seen = [one for one in judged(kafka, **database) if one.name == name]
    assert [one.status for one in seen] == [status]
    assert all(one.cure for one in seen if one.status in (Status.FAULT, Status.WARNING))


def test_records_from_before_partitions_were_added_are_not_taken_for_crc32() -> None:
    keys = [f"order-{number}".encode() for number in range(50)]
    assert {partitioner_of(key, partition_by_murmur2(key, 6), 6) for key in keys} == {"murmur2"}
    samples = {(ORDERS, p): [Sample(k, ()) for k in keys if partition_by_murmur2(k, 2) == p]
               for p in range(3)}  # fmt: skip
    kinds = {one.name: one for one in judged(cluster(samples=samples))}
    assert "before partitions were added" in kinds[f"partitioner of {ORDERS}"].finding


# topics create


async def test_topics_are_created_once_and_decisions_widened(
    new: Plazo, make_topics: MakeTopics
) -> None:
    prefix = uuid.uuid4().hex[:8]
    names = {
        "order_created_topic": f"{prefix}.a",
        "order_status_changed_topic": f"{prefix}.b",
        "decisions_topic": f"{prefix}.c",
        "dead_letters_topic": f"{prefix}.d",
    }

    async def create(*options: str, **other: str) -> dict[str, tuple[str, int]]:
        answer = await new("topics", "create", "--json", *options, **{**names, **other})
        assert answer.code == 0, answer.err
        return {
            topic["topic"].removeprefix(f"{prefix}."): (topic["action"], topic["partitions"])
            for topic in answer.json["topics"]
        }

    planned = await create("--dry-run")
    assert planned == dict.fromkeys("abc", ("create", 12)) | {"d": ("create", 1)}
    # Nothing was done, or they would be there now.
    made = await create("--partitions", "4", "--replication-factor", "1")
    assert made == dict.fromkeys("abc", ("create", 4)) | {"d": ("create", 1)}
    again = await create("--partitions", "9")
    assert again == dict.fromkeys("abc", ("keep", 4)) | {"d": ("keep", 1)}
    # As wide as the input that is there.
    more = {"order_status_changed_topic": f"{prefix}.e", "decisions_topic": f"{prefix}.f"}
    assert await create(**more) == {
        "a": ("keep", 4), "e": ("create", 4), "f": ("create", 4), "d": ("keep", 1),
    }  # fmt: skip
    if new.kafka.idempotence:  # the embedded broker cannot add partitions
        topics = await make_topics(created=4, decisions=2)
        narrow = {"decisions_topic": topics.decisions}
        widened = await create(**narrow)
        assert widened[topics.decisions] == ("widen", 4)
        assert (await create(**narrow))[topics.decisions] == ("keep", 4)


def test_a_topic_that_stamps_records_itself_needs_no_limit_on_their_times() -> None:
    configs = {
        (ORDERS, "message.timestamp.type"): "LogAppendTime",
        (ORDERS, "message.timestamp.after.max.ms"): "9223372036854775807",
        (STATUSES, "message.timestamp.after.max.ms"): "3600000",
    }
    assert "timestamps" not in {check.name for check in judged(cluster(configs=configs))}


async def test_topics_create_says_what_the_cluster_refuses(new: Plazo) -> None:
    answer = await new("topics", "create", "--replication-factor", "9",
                       decisions_topic=f"{uuid.uuid4().hex}.x")  # fmt: skip
    if new.kafka.idempotence:
        assert answer.code == 1
        assert "InvalidReplicationFactor" in answer.err
    answer = await new("topics", "create", kafka_bootstrap_servers="127.0.0.1:1")
    assert answer.code == 4


# explain


async def test_explain_gives_the_reason(plazo: Plazo, market: Market) -> None:
    worker = await plazo.worker(stock_window="PT2S")
    form = {"text": f"no stock, says {SECRET}", "type": "CS", "responsible": SECRET}
    for order in ("lapsed", "handled", "revoked", "broken"):
        await market.enter(order)
    await market.act("handled", "start-handling", validation={"in_stock": True})
    await market.act("handled", "packed\x1b[2J", dispute=form)
    await market.write("broken", b'{"no": "json"')
    await market.act("early", "canceled", dispute=form)

    async def decided() -> bool:
        rows = await plazo.sql("SELECT FROM orders WHERE outcome IS NOT NULL")
        pending = await plazo.sql(
            "SELECT FROM decisions d LEFT JOIN published p USING (lane)"
            " WHERE d.sequence > coalesce(p.sequence, 0)"
        )
        return len(rows) == 4 and not pending

    await eventually(decided, message=worker.output)
    lapsed = await plazo.explain("lapsed")
    assert lapsed["summary"] == (
        "auto-cancelled because nobody had validated its stock, cancelled it or opened a dispute "
        "by the deadline"
    )
    assert [(v["sequence"] > 0, v["published"], v["revoked_by"]) for v in lapsed["verdicts"]] == [
        (True, True, None)
    ]
    assert set(lapsed["verdicts"][0]["evidence"]["read_to"]) == {
        plazo.topics.order_created, plazo.topics.order_status_changed,
    }  # fmt: skip

    handled = await plazo.explain("handled")
    assert handled["summary"].startswith("kept because")
    assert [(a["status"], a["in_time"], a["decisive"]) for a in handled["acts"]] == [
        ("order-created", None, False),
        ("start-handling", True, True),
        ("packed-2-j", True, True),  # no table knows it
    ]
    assert handled["verdicts"] == []

    broken = await plazo.explain("broken")
    assert "could not be read" in broken["summary"]
    assert [(r["error"], r["shields"]) for r in broken["refusals"]] == [("not-json", True)]

    early = await plazo.explain("early")
    assert early["order"] is None
    assert "the order itself has not arrived" in early["summary"]
    assert [act["status"] for act in early["acts"]] == ["canceled"]

    await market.act("revoked", "start-handling", timedelta(seconds=30))

    async def corrected() -> bool:
        return len((await plazo.explain("revoked"))["verdicts"]) == 2

    await eventually(corrected, interval=0.5)
    revoked = await plazo.explain("revoked")
    assert revoked["summary"].startswith("kept because")
    assert "revoked because an act in time arrived only after it" in revoked["summary"]
    assert [v["revoked_by"] for v in revoked["verdicts"]] == [2, None]

    screens = ""
    for order in ("lapsed", "handled", "revoked", "broken", "early"):
        screen = await plazo("explain", order)
        assert screen.code == 0
        assert "\x1b" not in screen.out, "what a record says may not steer a terminal"
        screens += screen.out + json.dumps(await plazo.explain(order))
    assert SECRET not in screens
    assert SECRET in (await plazo("explain", "early", "--with-personal-data")).out
    assert SECRET in json.dumps(await plazo.explain("early", "--with-personal-data"))


async def test_explain_shows_coming_and_late_verdicts(plazo: Plazo, market: Market) -> None:
    worker = await plazo.worker()
    await market.enter("open")

    async def known() -> bool:
        return bool(await plazo.sql("SELECT FROM orders WHERE lane IS NOT NULL"))

    await eventually(known)
    summary = (await plazo.explain("open"))["summary"]
    assert summary.startswith("not decided yet: nobody has validated")
    assert "the verdict comes in 24 h, and would be: auto-cancelled because" in summary
    assert await worker.sigterm() == 0
    await plazo.sql("UPDATE orders SET fires_at = now() - interval '5 minutes'")
    assert "the verdict was due 5 min ago" in (await plazo.explain("open"))["summary"]
    assert "no worker reads its lane" in (await plazo.explain("open"))["summary"]


async def test_explain_says_when_it_knows_nothing(plazo: Plazo) -> None:
    answer = await plazo("explain", "nobody", "--json")
    assert (answer.code, answer.out) == (1, "")
    assert "nothing is known of this order" in answer.err


async def test_commands_want_the_schema_first(new: Plazo) -> None:
    answer = await new("explain", "x")
    assert answer.code == 3
    assert "run `plazo migrate`" in answer.err
    assert (await new("dead-letters", "list")).code == 3
    answer = await new("explain", "x", database_url="postgresql://u@127.0.0.1:1/d")
    assert answer.code == 4
    assert answer.err.startswith("plazo: Postgres: ")


async def test_a_newer_schema_serves_and_an_older_one_does_not(plazo: Plazo) -> None:
    """An upgrade migrates first; whoever runs still, or again after a way back, must not stop."""
    await plazo.sql("UPDATE alembic_version SET version_num = '9999'")
    answer = await plazo("check", "--json")
    assert (answer.code, found(answer, "schema")["finding"]) == (0, "9999")
    await plazo.worker()
    await plazo.sql("UPDATE alembic_version SET version_num = '0000'")
    answer = await plazo("check", "--json")
    assert (answer.code, found(answer, "schema")["status"]) == (1, "fault")
    assert (await plazo("explain", "x")).code == 3


async def test_one_of_several_databases_is_refused_and_named(plazo: Plazo) -> None:
    """A version before this one kept lanes elsewhere: here they would be decided again."""
    await plazo.sql("INSERT INTO installation (mode, elsewhere) VALUES ('live', '{[6,12)}')")
    refused = await plazo("run", http_port="0")
    assert refused.code == 2
    told = json.loads(refused.err.splitlines()[-1])
    assert told["message"].startswith("lanes {[6,12)} live in another database")
    answer = await plazo("check", "--json")
    assert (answer.code, found(answer, "one database")["status"]) == (1, "fault")
    assert "{[6,12)}" in found(answer, "one database")["finding"]
    # What has been decided can still be looked at.
    assert (await plazo("lanes", "--json")).json == []


# dead-letters


async def refused(plazo: Plazo, number: int) -> list[int]:
    async def there() -> list[int]:
        rows = await plazo.sql("SELECT id FROM dead_letters ORDER BY id")
        return [row["id"] for row in rows] if len(rows) >= number else []

    found: list[int] = await eventually(there)
    return found


async def test_dead_letters_are_listed_and_shown_without_personal_data(
    plazo: Plazo, market: Market
) -> None:
    await plazo.worker()
    value = f'{{"responsible": "{SECRET}"'
    await market.write("order-1", value.encode())
    await market.act("order-2", "canceled", timedelta(hours=-2))
    number, _ = await refused(plazo, 2)
    listed = (await plazo("dead-letters", "list", "--json")).json
    assert {(one["error"], *one["shields"]) for one in listed} == {
        ("not-json", "order-1"), ("future-time", "order-2"),
    }  # fmt: skip
    only = (await plazo("dead-letters", "list", "--json", "--error", "future-time")).json
    assert [one["error"] for one in only] == ["future-time"]
    assert "1 of 2" in (await plazo("dead-letters", "list", "--limit", "1")).out
    numbers = {one["error"]: str(one["id"]) for one in listed}
    shown = await plazo("dead-letters", "show", numbers["not-json"])
    assert f"{len(value)} bytes" in shown.out
    assert SECRET not in shown.out
    bare = (await plazo("dead-letters", "show", numbers["not-json"], "--json")).json
    assert bare["value"] == {"bytes": len(value)}
    full = (
        await plazo("dead-letters", "show", numbers["not-json"], "--json", "--with-personal-data")
    ).json
    assert full["value"]["text"] == value
    assert full["headers"] == [{"name": "x", "bytes": 1, "text": "1"}]
    answer = await plazo("dead-letters", "show", str(number + 99))
    assert answer.code == 1


async def test_a_replayed_record_takes_effect_and_its_shield_goes(
    plazo: Plazo, market: Market
) -> None:
    """Refused for a wrong clock of ours, sent round again once the clock is right."""
    first = await plazo.worker(max_clock_skew="PT0S")
    await market.enter("order-1", timedelta(minutes=1))
    await market.act("order-1", "start-handling", timedelta(seconds=-60))
    [number] = await refused(plazo, 1)
    assert await first.sigterm() == 0

    dry = await plazo("dead-letters", "replay", "--all", "--dry-run", "--json")
    assert dry.json["replayed"] == [number]
    assert await plazo.sql("SELECT FROM shields")

    await plazo.worker()
    answer = "--json", "--by", "ana", "--wait", "60"
    done = await plazo("dead-letters", "replay", str(number), *answer)
    assert done.code == 0, done.err
    assert done.json["replayed"] == [number]
    assert done.json["still_shielded"] == []
    history = await plazo.explain("order-1")
    assert [act["status"] for act in history["acts"]] == ["order-created", "start-handling"]
    assert [(r["settled"], r["settled_by"], r["shields"]) for r in history["refusals"]] == [
        ("replayed", "ana", False)
    ]
    again = await plazo("dead-letters", "replay", str(number))
    assert again.code == 1
    assert "settled already" in again.err
    listed = (await plazo("dead-letters", "list", "--json", "--all")).json
    assert [one["settled"] for one in listed] == ["replayed"]


async def test_a_record_refused_again_is_a_new_dead_letter_of_the_same_bytes(
    plazo: Plazo, market: Market
) -> None:
    await plazo.worker()
    await market.write("order-1", b"\xff not json")
    [number] = await refused(plazo, 1)
    assert (await plazo("dead-letters", "replay", "--error", "not-json")).code == 0
    old, new = await refused(plazo, 2)
    assert old == number
    rows = await plazo.sql("SELECT * FROM dead_letters ORDER BY id")
    for column in ("topic", "partition", "key", "value"):
        assert rows[0][column] == rows[1][column]
    place = f"{rows[0]['topic']}/{rows[0]['partition']}/{rows[0]['offset']}".encode()
    assert rows[1]["header_names"] == [b"x", b"plazo-replayed-from"]
    assert rows[1]["header_values"] == [b"1", place]
    shields = await plazo.sql("SELECT dead_letter FROM shields")
    assert [row["dead_letter"] for row in shields] == [new]


async def test_no_shield_goes_before_the_replayed_record_is_read_if_a_verdict_is_due(
    plazo: Plazo, market: Market
) -> None:
    """A proof made before the replay would see neither the record nor the shield."""
    worker = await plazo.worker()
    for order in ("due", "ahead", "decided"):
        await market.enter(order)
        await market.write(order, b"?")
    await market.write("unknown", b"?")
    await refused(plazo, 4)
    await eventually(lambda: _entered(plazo, 3))
    assert await worker.sigterm() == 0
    await plazo.sql("UPDATE orders SET fires_at = now() - interval '1 s' WHERE order_id <> 'ahead'")
    await plazo.sql("UPDATE orders SET finding = 'silent' WHERE order_id = 'decided'")
    done = await plazo("dead-letters", "replay", "--all", "--wait", "0.5", "--json")
    assert done.code == 0, done.err
    assert len(done.json["replayed"]) == 4
    assert done.json["still_shielded"] == ["due", "unknown"]


async def _entered(plazo: Plazo, number: int) -> bool:
    return len(await plazo.sql("SELECT FROM orders WHERE lane IS NOT NULL")) == number


async def test_many_are_replayed_beside_running_workers(plazo: Plazo, market: Market) -> None:
    await plazo.worker()
    for number in range(230):
        await market.write(f"order-{number % 50}", b"?")
    await refused(plazo, 230)
    done = await plazo("dead-letters", "replay", "--all", "--json")
    assert len(done.json["replayed"]) == 230
    assert len(await refused(plazo, 460)) == 460


async def test_what_cannot_be_replayed_stays_open(plazo: Plazo, market: Market) -> None:
    await plazo.worker()
    await market.write("order-1", b"?")
    [number] = await refused(plazo, 1)
    await plazo.sql("UPDATE dead_letters SET topic = 'of.old'")
    answer = await plazo("dead-letters", "replay", "--all", "--json")
    assert answer.code == 1
    assert list(answer.json["failed"]) == [str(number)]
    assert await plazo.sql("SELECT FROM shields")


async def test_discarding_wants_a_yes_and_lowers_the_shield(plazo: Plazo, market: Market) -> None:
    await plazo.worker()
    await market.write("order-1", b"?")
    [number] = await refused(plazo, 1)
    assert (await plazo("dead-letters", "discard", str(number))).code == 2
    assert await plazo.sql("SELECT FROM shields")
    answer = await plazo("dead-letters", "discard", str(number), "--yes", "--by", "ana")
    assert answer.code == 0
    rows = await plazo.sql("SELECT settled, settled_by, settled_at FROM dead_letters")
    assert (rows[0]["settled"], rows[0]["settled_by"]) == ("discarded", "ana")
    assert not await plazo.sql("SELECT FROM shields")
    assert (await plazo("dead-letters", "discard", str(number), "--yes")).code == 1


async def test_many_are_discarded_by_their_class_of_error(plazo: Plazo, market: Market) -> None:
    await plazo.worker()
    for number in range(230):
        await market.write(f"order-{number}", b"?")
    await market.write("other", b"{}")
    await refused(plazo, 231)
    options = "dead-letters", "discard", "--error", "not-json", "--json"
    planned = await plazo(*options, "--dry-run")
    assert (planned.json["dry_run"], len(planned.json["discarded"])) == (True, 230)
    assert len(await refused(plazo, 231)) == 231, "nothing was done"
    done = await plazo(*options, "--yes")
    assert done.json["discarded"] == planned.json["discarded"]
    rows = await plazo.sql("SELECT error, settled FROM dead_letters WHERE settled IS NULL")
    assert [row["error"] for row in rows] == ["invalid"]
    assert len(await plazo.sql("SELECT FROM shields")) == 1


# actions


async def test_each_action_is_recorded_with_its_author(
    new: Plazo, market: Market, topics: Topics
) -> None:
    plazo, by = new, ("--by", "ana")
    await plazo("migrate", *by)
    await plazo("migrate", *by)  # nothing to do
    await plazo.worker()
    for _ in range(2):
        await market.write("order", SECRET.encode())
    first, second = await refused(plazo, 2)
    await plazo("brake", "release", "--for", "1h", *by)
    await plazo("brake", "reset", "--by", "eva")
    await plazo("dead-letters", "discard", str(first), "--yes", *by)
    await plazo("dead-letters", "replay", str(second), *by)
    await plazo("dead-letters", "replay", "--all", "--dry-run", *by)
    await plazo("forget", "--older-than", "90d", "--dry-run", *by)
    await plazo("forget", "--older-than", "90d", *by)
    await plazo("topics", "create", *by)  # all are there
    missing = f"{topics.dead_letters}.new"
    await plazo("topics", "create", *by, dead_letters_topic=missing)
    actions = (await plazo("actions", "--json")).json
    assert all(datetime.fromisoformat(one.pop("at")).tzinfo for one in actions)
    assert actions[1]["arguments"].pop("settled_before")
    assert [(one["author"], one["command"], one["arguments"]) for one in reversed(actions)] == [
        ("ana", "migrate", {"before": None, "after": HEAD}),
        ("ana", "brake release", {"for": 3600.0}),
        ("eva", "brake reset", {}),
        ("ana", "dead-letters discard", {"ids": [first]}),
        ("ana", "dead-letters replay", {"ids": [second]}),
        ("ana", "forget", {}),
        ("ana", "topics create", {missing: "create"}),
    ]
    shown = await plazo("actions", "--limit", "1")
    assert "topics create" in shown.out
    assert "1 of 7" in shown.out
    assert SECRET not in (await plazo("actions")).out


async def test_topics_are_created_before_there_is_a_schema(
    new: Plazo, make_topics: MakeTopics
) -> None:
    """It reports that there is no record of the author."""
    missing = f"{new.topics.dead_letters}.new"
    answer = await new("topics", "create", dead_letters_topic=missing)
    assert answer.code == 0
    assert "keeps no record" in answer.err


def test_a_person_without_a_name_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose user has none."""

    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nameless)
    assert author_of("ana") == "ana"
    assert author_of(None, nobody="a job") == "a job"
    with pytest.raises(typer.BadParameter):
        author_of(None)


@pytest.mark.parametrize("arguments", [(), ("1", "--all"), ("--all", "--error", "time"), ("0",)])
async def test_replay_requires_one_selection(new: Plazo, arguments: tuple[str, ...]) -> None:
    assert (await new("dead-letters", "replay", *arguments)).code == 2
