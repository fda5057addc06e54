"""Two versions of the worker side by side, while the schema moves on under them."""

import asyncio
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.end_to_end.world import World
from tests.support.processes import ROOT, WorkerProcess
from worker.storage.migrations import HEAD, VERSIONS

from .stage import GRACE, WINDOW, Stage


async def test_from_the_version_before(bare_stage: Stage, tmp_path: Path) -> None:
    """Old, migrated under load, mixed, crashed while mixed, new alone."""
    await _upgrade(bare_stage, tmp_path, _previous(tmp_path), ROOT)


async def test_to_the_next_version_and_back(bare_stage: Stage, tmp_path: Path) -> None:
    """The same, and then old again, on the schema that stays."""
    await _upgrade(bare_stage, tmp_path, ROOT, _next(tmp_path), back=True)


async def _upgrade(
    stage: Stage, directory: Path, before: Path, after: Path, *, back: bool = False
) -> None:
    topics = await stage.make_topics(created=6, status=6)
    world = World(81, 1500, topics, WINDOW, GRACE, spread=40)
    await _migrate(stage, directory, before)
    old = [stage.worker(topics, before), stage.worker(topics, before)]
    for worker in old:
        await worker.wait_ready()

    async with stage.publishing(world) as reader:
        await asyncio.sleep(3)
        schema = await stage.value("SELECT version_num FROM alembic_version")
        async with stage.fault("schema migrated under load"):
            await _migrate(stage, directory, after)
        assert await stage.value("SELECT version_num FROM alembic_version") > schema
        await asyncio.sleep(3)

        stage.strike("a new worker beside two old ones")
        new = await stage.worker(topics, after).wait_ready()
        await asyncio.sleep(3)
        lanes = [(await one.metrics())["plazo_lanes_owned"] for one in (*old, new)]
        assert min(lanes) > 0, lanes
        assert sum(lanes) == 6, lanes
        stage.strike("the new worker killed while the versions are mixed")
        new.sigkill()
        await asyncio.sleep(5)

        for worker in old:
            await _replace(stage, world, worker, after)
        for worker in stage.workers[3:] if back else ():
            await _replace(stage, world, worker, before)
    stage.judge(world, reader)


async def _replace(stage: Stage, world: World, worker: WorkerProcess, code: Path) -> None:
    stage.strike("one worker for another")
    await stage.worker(world.topics, code).wait_ready()
    assert await worker.sigterm() == 0
    await asyncio.sleep(2)


async def _migrate(stage: Stage, directory: Path, code: Path) -> None:
    command = WorkerProcess(
        directory,
        {"PLAZO_DATABASE_URL": stage.database},
        name=f"migrate-{code.name}",
        arguments=("migrate",),
        code=code,
    ).start()
    assert await command.wait() == 0, command.output


def _previous(directory: Path) -> Path:
    """The checkout of `PLAZO_TEST_PREVIOUS`, else of the last commit before the schema moved on."""

    def git(*arguments: str) -> bytes:
        return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout

    (step,) = VERSIONS.glob(f"{HEAD}_*.sql")
    added = git("log", "--diff-filter=A", "--format=%H", "-n1", "--", str(step)).decode().strip()
    ref = os.environ.get("PLAZO_TEST_PREVIOUS") or f"{added}^"
    path = directory / "previous"
    with tarfile.open(fileobj=io.BytesIO(git("archive", ref, "worker", "schemas"))) as archive:
        archive.extractall(path, filter="data")
    return path


def _next(directory: Path) -> Path:
    """A checkout of this version whose schema is one step further."""
    path = directory / "next"
    for part in ("worker", "schemas"):
        shutil.copytree(ROOT / part, path / part)
    step = path / VERSIONS.relative_to(ROOT) / "9999_test.sql"
    step.write_text("ALTER TABLE orders ADD COLUMN test text;")
    return path
