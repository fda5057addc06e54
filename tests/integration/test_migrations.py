"""Migrations beside running workers: none holds up those who use the tables."""

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from worker.errors import DatabaseUnavailable, SchemaNotCurrent
from worker.storage import migrate as steps
from worker.storage.migrate import migrate
from worker.storage.migrations import HEAD, VERSIONS

STEPS = sorted(VERSIONS.glob("*.sql"))
# Matters of taste, and what holds for every step alike: worker/storage/migrate.py sets the
# time-outs and keeps them in a transaction each.
EXCLUDED = "prefer-text-field,prefer-bigint-over-int,prefer-robust-stmts,require-timeout-settings"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_no_step_takes_locks_that_hurt(step: Path) -> None:
    assert lint(step) == "", lint(step)


def test_the_linter_finds_what_it_is_for(tmp_path: Path) -> None:
    step = tmp_path / "step.sql"
    step.write_text("CREATE INDEX orders_by_seller ON orders (seller_id);")
    assert "require-concurrent-index-creation" in lint(step)


def lint(step: Path) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("squawk"), "--pg-version", "15", "--assume-in-transaction",
         "--exclude", EXCLUDED, str(step)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr


async def test_a_step_that_must_wait_lets_others_through(database: str) -> None:
    """A report that holds `orders` for long: a step that queued for it would stop every worker."""
    # A step that adds a column needs the table for itself.
    waits = max(n for n, step in enumerate(STEPS) if "ALTER TABLE orders ADD" in step.read_text())
    before = STEPS[:waits]
    reader = await asyncpg.connect(database)
    worker = await asyncpg.connect(database)
    try:
        for step in before:
            await reader.execute(step.read_text())
        await reader.execute(
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
            f"INSERT INTO alembic_version VALUES ('{before[-1].stem.split('_')[0]}')"
        )
        report = reader.transaction()
        await report.start()
        await reader.fetch("SELECT FROM orders")
        migrating = asyncio.create_task(migrate(database))
        longest = 0.0
        loop = asyncio.get_running_loop()
        for _ in range(20):
            began = loop.time()
            await worker.execute("UPDATE orders SET finding = 'silent' WHERE order_id = 'x'")
            longest = max(longest, loop.time() - began)
            await asyncio.sleep(0.2)
        assert not migrating.done()
        assert longest < 3
        await report.rollback()
        assert await asyncio.wait_for(migrating, 30) == HEAD
    finally:
        await reader.close()
        await worker.close()


async def test_a_newer_schema_stays_as_it_is(database: str) -> None:
    """Someone goes back a version and repeats all steps of the way there."""
    assert await migrate(database) == HEAD
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")
        actions = await connection.fetchval("SELECT count(*) FROM actions")
        assert await migrate(database) == "9999"
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == "9999"
        assert await connection.fetchval("SELECT count(*) FROM actions") == actions
    finally:
        await connection.close()


@pytest.mark.parametrize("versions", [["1975ea83b712"], ["0001", "0002"], ["0000"]])
async def test_the_schema_of_another_program_is_left_alone(
    database: str, versions: list[str]
) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("CREATE TABLE alembic_version (version_num varchar(32))")
        insert = "INSERT INTO alembic_version VALUES ($1)"
        await connection.executemany(insert, [(one,) for one in versions])
        with pytest.raises(SchemaNotCurrent, match=versions[0]):
            await migrate(database)
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert await connection.fetchval(tables) == 1
    finally:
        await connection.close()


async def test_a_step_that_fails_takes_all_others_back(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = tmp_path / "9999_broken.sql"
    last.write_text("SELECT no_such_column FROM orders")
    monkeypatch.setattr(steps, "STEPS", {**steps.STEPS, "9999": last})
    with pytest.raises(DatabaseUnavailable, match="42703"):
        await migrate(database)
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_tables "
                                         "WHERE schemaname = 'public'") == 0  # fmt: skip
    finally:
        await connection.close()


async def test_two_at_once_do_it_once(database: str) -> None:
    assert await asyncio.gather(*(migrate(database) for _ in range(3))) == [HEAD] * 3
    connection = await asyncpg.connect(database)
    try:
        asked = "SELECT count(*) FROM actions WHERE command = 'migrate'"
        assert await connection.fetchval(asked) == 1
    finally:
        await connection.close()
