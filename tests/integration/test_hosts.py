"""An address that names several hosts: the worker finds the primary, and follows it."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.market import Market
from tests.support.processes import WorkerProcess
from tests.support.proxy import Proxy
from tests.support.standby import Standby
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.dev.postgres import EmbeddedPostgres
from worker.errors import DatabaseUnavailable
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.hosts import Hosts
from worker.storage.migrate import migrate
from worker.storage.statements import sql

CANCEL = "auto-cancel stock-not-validated"
NewWorker = Callable[..., WorkerProcess]


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[tuple[EmbeddedPostgres, Standby]]:
    """A primary and its standby; the last test lets them change places."""
    settings = {"max_connections": 200}
    async with (
        EmbeddedPostgres(trust=True, settings=settings) as primary,
        Standby(primary) as standby,
    ):
        await migrate(primary.url)
        yield primary, standby


def both(*urls: str) -> str:
    hosts = [urlsplit(url).netloc.rpartition("@")[2] for url in urls]
    return urlsplit(urls[0])._replace(netloc=f"postgres@{','.join(hosts)}").geturl()


async def test_a_host_that_takes_connections_and_never_answers_hides_no_other(
    database: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        port = silent.getsockname()[1]
        hosts = Hosts(both(database.replace(f":{urlsplit(database).port}", f":{port}"), database))
        for _ in range(3):
            connection = await hosts.connect(timeout=10)
            await connection.close()
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()  # from the second time on, the other one was asked first


async def test_connections_to_a_host_that_fell_silent_are_not_tried_one_by_one(
    database: str,
) -> None:
    port = urlsplit(database).port
    assert port is not None
    async with Proxy(port) as proxy:
        url = both(database.replace(f":{port}", f":{proxy.port}"), database)
        settings = Settings(
            _env_file=None,
            database_url=url,
            database_timeout="PT1S",  # type: ignore[arg-type]
        )
        store = Database(settings, Metrics(settings))
        await store.open(any_schema=True)
        try:
            async with AsyncExitStack() as several:
                for _ in range(3):
                    await several.enter_async_context(store.transaction())
            proxy.silence()
            with pytest.raises(DatabaseUnavailable):
                await store.rows("server_role")
            assert await store.rows("server_role")  # by the other host
        finally:
            await store.close()


async def test_a_refusal_is_not_hidden_by_another_host(database: str) -> None:
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await Hosts(both(f"{database}_not", database)).connect()


async def test_standbys_alone_are_named(
    servers: tuple[EmbeddedPostgres, Standby], new_worker: NewWorker, topics: Topics
) -> None:
    _, standby = servers
    for url, words in (
        (standby.url, "takes no writes"),
        (both(standby.url, standby.url), "none of the hosts that answer is a primary"),
    ):
        command = new_worker(topics, arguments=("check",), database_url=url)
        assert await command.start().wait() == 4
        assert words in command.output, command.output


async def test_a_standby_that_commits_do_not_wait_for_is_told(
    servers: tuple[EmbeddedPostgres, Standby], new_worker: NewWorker, topics: Topics
) -> None:
    primary, standby = servers
    connection = await asyncpg.connect(primary.url)

    async def asynchronous(wanted: bool) -> bool:
        return bool((await connection.fetchrow(sql("server_role")))["asynchronous"] is wanted)

    try:
        assert await asynchronous(False)
        await standby.follow("standby")
        await eventually(lambda: asynchronous(True), 10)
        command = new_worker(topics, arguments=("check",), database_url=primary.url)
        assert await command.start().wait() == 0, command.output
        assert "commits do not wait for a standby" in command.output
        await connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await connection.execute("SELECT pg_reload_conf()")
        await eventually(lambda: asynchronous(False), 10)
        # The last test lets them change places: who is the primary then has no standby at first.
        await connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


async def test_the_worker_follows_a_primary_that_becomes_a_standby_in_place(
    servers: tuple[EmbeddedPostgres, Standby], new_worker: NewWorker, topics: Topics,
    market: Market,
) -> None:  # fmt: skip
    """The standby stands first in the address, so that it is passed over at the start."""
    primary, standby = servers
    url = both(standby.url, primary.url)
    settings = {"database_url": url, "stock_window": "PT1S", "grace": "PT0S"}
    worker = await new_worker(topics, **settings).start().wait_ready()
    await market.publish(market.order("before"))
    await market.told(f"before {CANCEL}")
    await standby.take_over()
    await market.publish(market.order("after"))
    await market.told(f"before {CANCEL}", f"after {CANCEL}", timeout=60)
    assert await worker.sigterm() == 0
    connection = await asyncpg.connect(standby.url)
    assert await connection.fetchval("SELECT count(*) FROM orders") == 2
    await connection.close()
