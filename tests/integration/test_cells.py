"""Cells: several installations in the schemas of one database. None knows of the others."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from tests.conftest import MakeTopics
from tests.integration.test_restore import _wheel_programs
from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from worker.errors import PlazoError, SchemaNotCurrent, SessionNotKept
from worker.kafka.admin import Skew, partition_by_murmur2
from worker.observability.metrics import Metrics
from worker.operations.cells import other_cells
from worker.operations.checks.cells import cell_checks
from worker.operations.checks.model import DatabaseFacts, OtherCell, Status
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate
from worker.storage.migrations import HEAD

PAGE = Path(__file__).parents[2] / "docs/how-to/scale.md"
SILENT = "auto-cancel stock-not-validated"
POLICIES = """
version: 1
policies:
  - {name: quick, window: PT1S, grace: PT0S}
"""
NewWorker = Callable[..., WorkerProcess]


class Cell(NamedTuple):
    """Topics and a group of its own, and one worker, not yet started."""

    market: Market
    worker: WorkerProcess


async def _cell(
    name: str,
    kafka: Kafka,
    make_topics: MakeTopics,
    new_worker: NewWorker,
    database: str,
    file: Path,
) -> Cell:
    topics = await make_topics()
    await migrate(database, cell=name)
    worker = new_worker(
        topics, group_id=f"{name}-{topics.decisions}", database_schema=name, policy_file=str(file)
    )
    return Cell(Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence), worker)


async def test_two_cells_decide_for_themselves(
    kafka: Kafka, make_topics: MakeTopics, new_worker: NewWorker, database: str, tmp_path: Path
) -> None:
    """With one policy file. The same order, told to both, has a verdict in each."""
    file = tmp_path / "policies.yaml"
    file.write_text(POLICIES)
    a, b = [
        await _cell(name, kafka, make_topics, new_worker, database, file)
        for name in ("cell_a", "user")  # a word of SQL's own, too
    ]
    for cell in (a, b):
        cell.worker.start()
    for cell in (a, b):
        await cell.worker.wait_ready()
    await a.market.publish(a.market.order("both"), a.market.order("a-1"))
    await b.market.publish(b.market.order("both"), b.market.order("b-1"))
    told = [
        *await a.market.told(f"both {SILENT}", f"a-1 {SILENT}"),
        *await b.market.told(f"both {SILENT}", f"b-1 {SILENT}"),
    ]
    assert {one.value["policy"] for one in told} == {"quick"}

    check = new_worker(a.market.topics, arguments=("check", "--json"), database_schema="cell_a")
    assert await check.start().wait() == 1
    faults = {
        one["name"]: one["finding"]
        for one in json.loads(check.stdout_file.read_text())["checks"]
        if one["status"] == "fault"
    }
    assert faults == {"cell user": "1 order of the 2 looked at is told to it, too: both"}

    # Cell a is away, and even its tables are locked: the other goes on.
    assert await a.worker.sigterm() == 0
    stranger = await asyncpg.connect(database)
    try:
        held = stranger.transaction()
        await held.start()
        await stranger.execute("LOCK TABLE cell_a.lanes, cell_a.orders, cell_a.brake")
        await a.market.publish(a.market.order("a-2"))
        await b.market.publish(b.market.order("b-2"))
        await b.market.told(f"both {SILENT}", f"b-1 {SILENT}", f"b-2 {SILENT}")
        await held.rollback()
        # All that a worker wrote is in its own schema.
        assert await stranger.fetchval("SELECT to_regclass('public.orders')") is None
        assert await stranger.fetchval("SELECT count(*) FROM cell_a.decisions") == 2
        assert await stranger.fetchval('SELECT count(*) FROM "user".decisions') == 3
        moved = await _moved(stranger, database, tmp_path)
    finally:
        await stranger.close()
    again = new_worker(
        a.market.topics, group_id=f"cell_a-{a.market.topics.decisions}", database_schema="cell_a",
        policy_file=str(file), database_url=moved,
    )  # fmt: skip
    await again.start().wait_ready()
    told = await a.market.told(f"both {SILENT}", f"a-1 {SILENT}", f"a-2 {SILENT}")
    again.sigkill()
    await _drop(moved)
    by_lane: dict[int, list[int]] = {}
    for one in told:
        by_lane.setdefault(partition_by_murmur2(one.order.encode(), 3), []).append(one.sequence)
    assert all(found == [*range(1, len(found) + 1)] for found in by_lane.values())


async def _moved(connection: asyncpg.Connection, database: str, directory: Path) -> str:
    """A database with cell a, moved by the commands of the page."""
    name = f"{urlsplit(database).path.lstrip('/')}_moved"
    await connection.execute(f"CREATE DATABASE {name}")
    moved = urlsplit(database)._replace(path=f"/{name}").geturl()
    (commands,) = re.findall(r"```sh\n(pg_dump.*?)```", PAGE.read_text(), re.DOTALL)
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", commands, cwd=directory,
        env={"PATH": f"{_wheel_programs()}:/usr/bin:/bin", "PLAZO_DATABASE_URL": database,
             "PLAZO_DATABASE_SCHEMA": "cell_a", "NEW_DATABASE_URL": moved},
    )  # fmt: skip
    assert await process.wait() == 0
    return moved


async def _drop(database: str) -> None:
    parts = urlsplit(database)
    connection = await asyncpg.connect(parts._replace(path="/postgres").geturl())
    try:
        await connection.execute(f"DROP DATABASE {parts.path.lstrip('/')} WITH (FORCE)")
    finally:
        await connection.close()


async def test_the_migrations_of_two_cells_do_not_wait_for_each_other(database: str) -> None:
    """An advisory lock is one for the whole database; those of one cell do wait."""
    holder = await asyncpg.connect(database)
    try:
        for cell in ("cell_a", "public"):
            await migrate(database, cell=cell)
        held = holder.transaction()
        await held.start()
        await holder.execute("SET LOCAL search_path = cell_a")
        await _lock(holder)
        for other in ("cell_b", "public", None):
            assert await asyncio.wait_for(migrate(database, cell=other), 20) == HEAD
        waiting = asyncio.create_task(migrate(database, cell="cell_a"))
        await asyncio.wait({waiting}, timeout=0.5)
        assert not waiting.done()
        await held.rollback()
        assert await asyncio.wait_for(waiting, 20) == HEAD
    finally:
        await holder.close()


async def _lock(connection: asyncpg.Connection) -> None:
    """As a migration that finds its schema by the role's search_path."""
    from worker.storage.migrate import _LOCK
    from worker.storage.statements import sql

    await connection.execute(sql("lock_migration"), _LOCK, None)


async def test_a_worker_finds_no_table_of_another_cell(database: str) -> None:
    await migrate(database)
    with pytest.raises(SchemaNotCurrent, match="schema cell_a is none"):
        await _open(database, "cell_a")
    await migrate(database, cell="cell_a")
    await _open(database, "cell_a")


async def test_a_role_that_may_not_create_the_schema_is_told(database: str) -> None:
    role = f"migrates_{database.rpartition('_')[2]}"
    owner = await asyncpg.connect(database)
    try:
        await owner.execute(f"CREATE ROLE {role} LOGIN")
        url = database.replace("postgres@", f"{role}@")
        with pytest.raises(PlazoError, match="CREATE SCHEMA cell_a AUTHORIZATION"):
            await migrate(url, cell="cell_a")
        await owner.execute(f"CREATE SCHEMA cell_a AUTHORIZATION {role}")
        assert await migrate(url, cell="cell_a") == HEAD
    finally:
        await owner.execute(f"DROP SCHEMA IF EXISTS cell_a CASCADE; DROP ROLE IF EXISTS {role}")
        await owner.close()


async def test_a_session_of_another_schema_is_refused(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a pooler gives it that takes the setting and drops it: rows would go to another cell."""
    for cell in ("cell_a", "cell_b"):
        await migrate(database, cell=cell)
    name = database.rpartition("/")[2]
    role = await asyncpg.connect(database)
    try:
        await role.execute(f'ALTER DATABASE {name} SET search_path = "cell_b"')
        create_pool = asyncpg.create_pool

        def dropped(url: str, *, server_settings: dict[str, str], **more: object) -> object:
            kept = {n: v for n, v in server_settings.items() if n != "search_path"}
            return create_pool(url, server_settings=kept, **more)

        with monkeypatch.context() as patch:
            patch.setattr(asyncpg, "create_pool", dropped)
            with pytest.raises(SessionNotKept, match="settings search_path did not"):
                await _open(database, "cell_a")
            # As the role says it, a pooler may drop it.
            await _open(database, "cell_b")
    finally:
        await role.close()


ORDERS = """
INSERT INTO installation (mode) VALUES ('{mode}');
INSERT INTO lanes (lane) VALUES (0), (1);
INSERT INTO positions (topic, partition, next_offset, topic_id)
    VALUES ('{topic}', 0, 1, '{topic}'), ('same-name', 0, 1, NULL);
INSERT INTO orders (order_id, lane, received_at)
    SELECT id, 0, now() FROM unnest('{{{orders}}}'::text[]) AS id;
INSERT INTO orders (order_id, received_at) VALUES ('act-only', now())
    ON CONFLICT DO NOTHING;
INSERT INTO deadlines SELECT lane, now(), order_id FROM orders WHERE lane = 0 AND order_id < 'o5';
INSERT INTO decisions SELECT lane, row_number() OVER (), order_id, 1, gen_random_uuid(),
    'escalation', 'policy', NULL, now(), '{{}}' FROM orders WHERE lane = 0 AND order_id >= 'o5';
"""


async def test_check_names_the_orders_that_are_told_to_two_cells(database: str) -> None:
    """Undecided or decided; not those of a rehearsal, and no act without an order."""
    connection = await asyncpg.connect(database)
    try:
        for cell, mode, topic, orders in (
            ("cell_a", "live", "t-a", "o1,o2,o8,act-only"),
            ("cell_b", "live", "t-b", "o2,o3,o8"),
            ("cell_c", "live", "t-a", "o4"),
            ("cell_d", "live", "t-d", "o5"),
            ("rehearsal", "shadow", "t-a", "o1,o2,o8"),
        ):
            await migrate(database, cell=cell)
            await connection.execute(f"SET search_path = {cell}")
            await connection.execute(ORDERS.format(mode=mode, topic=topic, orders=orders))
        await migrate(database, cell="older")
        await connection.execute("UPDATE older.alembic_version SET version_num = '0001'")
        # Tables of other programs, with names of ours.
        await connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders (lane int)")
        async with _opened(database, "cell_a") as store:
            found, compared = await other_cells(store)
        assert compared == 4
        assert found == [
            OtherCell("cell_b", HEAD, ["o2", "o8"], []),
            OtherCell("cell_c", HEAD, [], ["t-a"]),
            OtherCell("cell_d", HEAD, [], []),
            OtherCell("older", "0001"),
        ]
        facts = DatabaseFacts(now(), Skew(0, 0), HEAD, cells=found, compared=compared)
        fault, warning, fine, older = cell_checks(facts)
        assert [one.status for one in (fault, warning, fine, older)] == [
            Status.FAULT, Status.WARNING, Status.OK, Status.NOT_MEASURED
        ]  # fmt: skip
        assert fault.finding == "2 orders of the 4 looked at are told to it, too: o2, o8"
        async with _opened(database, "rehearsal") as store:
            assert await other_cells(store) == ([], 0)
    finally:
        await connection.close()


async def _open(database: str, cell: str) -> None:
    async with _opened(database, cell):
        pass


@asynccontextmanager
async def _opened(database: str, cell: str) -> AsyncIterator[Database]:
    settings = Settings(_env_file=None, database_url=SecretStr(database), database_schema=cell)
    store = Database(settings, Metrics(settings))
    await store.open()
    try:
        yield store
    finally:
        await store.close()
