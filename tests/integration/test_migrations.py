"""Migrations beside running workers: none holds up those who use the tables."""

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

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
    waits = max(n for n, step in enumerate(STEPS) if "ALTER TABLE orders" in step.read_text())
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
