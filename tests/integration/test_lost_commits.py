"""A database that goes back in time under a running worker: each lane notices, and starts over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.raw import Raw, append
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.errors import DatabaseUnavailable, Fenced, SessionNotKept, StateLost
from worker.lanes.lane import Lane
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

NewWorker = Callable[..., WorkerProcess]
CANCEL = "auto-cancel stock-not-validated"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    settings = Settings(database_url=SecretStr(url))
    store = Database(settings, Metrics(settings))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def lane(database: str) -> AsyncIterator[Lane]:
    """A lane that has read up to offset 5."""
    await migrate(database)
    async with opened(database) as store:
        lane = Lane(0, store, Metrics(Settings()))
        await lane.acquire("me")
        await lane.start_position(("acts", 0), 5, None)
        await lane.verify()
        yield lane


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("UPDATE lanes SET sequence = 3", "last sequence is 3, ours 0"),
        ("UPDATE positions SET next_offset = 4", "a stored position"),
        ("DELETE FROM positions", "a stored position"),
    ],
)
async def test_the_fence_notices_lost_commits(
    lane: Lane, database: str, lost: str, said: str
) -> None:
    await run(database, lost)
    with pytest.raises(StateLost, match=said):
        await lane.verify()


async def test_the_relay_looks_before_it_publishes(lane: Lane, database: str) -> None:
    await lane.look(0)
    with pytest.raises(StateLost, match="last sequence is 0, to publish is 1"):
        await lane.look(1)
    await run(database, "UPDATE lanes SET owner = 'another'")
    with pytest.raises(Fenced):
        await lane.look(0)


async def test_an_epoch_that_was_given_twice_is_fenced(lane: Lane, database: str) -> None:
    await run(database, "UPDATE lanes SET owner = 'another'")
    with pytest.raises(Fenced):
        await lane.verify()
    await lane.release()
    assert await _owner(database) == "another"


async def _owner(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        owner: str = await connection.fetchval("SELECT owner FROM lanes")
        return owner
    finally:
        await connection.close()


async def test_a_server_that_restarted_is_another_one(lane: Lane, database: str) -> None:
    # As its recovery after a crash does.
    await run(database, "SELECT pg_stat_reset_shared('bgwriter')")
    await lane.verify()  # an old connection cannot tell
    await run(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'plazo'",
    )

    async def noticed() -> bool:
        try:
            await lane.verify()
        except DatabaseUnavailable:
            return False
        except StateLost as error:
            return "failed over" in str(error)
        return False

    await eventually(noticed, 10)
    await lane.acquire("me")
    await lane.verify()


async def test_sessions_do_not_take_the_defaults_of_the_database(database: str) -> None:
    name = database.rpartition("/")[2]
    await run(
        database,
        f"ALTER DATABASE {name} SET synchronous_commit = off",
        f"ALTER DATABASE {name} SET default_transaction_isolation = serializable",
        f"ALTER DATABASE {name} SET idle_session_timeout = '5min'",
    )
    await migrate(database)
    async with opened(database) as store:
        assert await store.risky_settings() == ["synchronous_commit"]
        settings = ["synchronous_commit", "default_transaction_isolation", "idle_session_timeout"]
        rows = await store.rows("session_settings", settings)
        assert [row["setting"] for row in rows] == ["on", "read committed", "0"]


async def test_a_pooler_that_drops_the_settings_is_named(database: str) -> None:
    host, _, port = database.rpartition("@")[2].partition("/")[0].partition(":")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection(host, int(port))

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
                target.close()

        while True:
            size = int.from_bytes(await reader.readexactly(4))
            message = await reader.readexactly(size - 4)
            if message[:4] == (80877103).to_bytes(4):  # asks for TLS
                writer.write(b"N")
                continue
            break
        texts = message[4:].rstrip(b"\0").split(b"\0")
        kept = dict(zip(texts[::2], texts[1::2], strict=True))
        kept.pop(b"lock_timeout")
        start = message[:4] + b"".join(n + b"\0" + v + b"\0" for n, v in kept.items()) + b"\0"
        to.write((len(start) + 4).to_bytes(4) + start)
        await asyncio.gather(pump(reader, to), pump(there, writer))

    pooler = await asyncio.start_server(forward, "127.0.0.1")
    try:
        at = f"127.0.0.1:{pooler.sockets[0].getsockname()[1]}"
        with pytest.raises(SessionNotKept, match=r"settings lock_timeout did not"):
            async with opened(database.replace(f"{host}:{port}", at)):
                pass
    finally:
        pooler.close()


async def test_an_idle_lane_whose_verdict_the_database_lost_halts(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    """Else the next verdict would take the sequence of the one that consumers have seen."""
    worker = await new_worker(topics, stock_window="PT1S", grace="PT0S").start().wait_ready()
    await market.publish(market.order("first", now()), partition=0)
    await market.told(f"first {CANCEL}")
    await run(
        database,
        "UPDATE lanes SET sequence = 0 WHERE lane = 0",
        "DELETE FROM decisions",
        "DELETE FROM published",
        "UPDATE orders SET finding = NULL, outcome = NULL, decided_at = NULL, decisions = 0",
    )

    async def halted() -> bool:
        return (await worker.metrics()).get("plazo_lanes_halted", 0) == 1

    await eventually(halted, 30)


async def test_a_quiet_partition_whose_record_the_database_lost_is_read_again(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    """The verdicts of all lanes wait for that record."""
    worker = await new_worker(topics, stock_window="PT1S", grace="PT0S").start().wait_ready()
    entered = now() - timedelta(minutes=1)
    await market.publish(market.act("first", "start-handling", entered), partition=1)

    async def stored() -> bool:
        connection = await asyncpg.connect(database)
        try:
            return bool(await connection.fetchval("SELECT count(*) = 1 FROM acts"))
        finally:
            await connection.close()

    await eventually(stored, 30)
    await run(
        database,
        "DELETE FROM acts",
        "DELETE FROM orders",
        "UPDATE positions SET next_offset = 0, last_offset = NULL, last_timestamp = NULL "
        f"WHERE topic = '{topics.order_status_changed}' AND partition = 1",
    )
    await eventually(stored, 30)
    await market.publish(market.order("silent", entered), partition=0)
    await market.told(f"silent {CANCEL}")
    assert await worker.sigterm() == 0


@pytest.mark.apache_kafka
async def test_the_backlog_shows_while_no_relay_publishes_it(
    new_worker: NewWorker, kafka: Kafka, topics: Topics, database: str
) -> None:
    await migrate(database)
    await run(
        database,
        "INSERT INTO lanes (lane, sequence) VALUES (0, 1)",
        "INSERT INTO decisions VALUES (0, 1, 'a', 1, gen_random_uuid(), 'escalation', 'policy', "
        "NULL, now() - interval '1 hour', '{}')",
    )
    ahead = Raw(b"a", b"{}", [(b"ce_sequence", b"9"), (b"ce_id", b"x")])
    await append(kafka.bootstrap_servers, topics.decisions, 0, [ahead])
    worker = new_worker(topics).start()

    async def shown() -> bool:
        with suppress(AssertionError):
            told = await worker.metrics()
            return (
                told["plazo_lanes_halted"] == 1
                and told.get('plazo_outbox_pending{lane="0"}') == 1
                and told["plazo_outbox_oldest_age_seconds"] > 3600
            )
        return False

    await eventually(shown, 30)
