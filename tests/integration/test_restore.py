"""A back-up comes back: the newest goes on, an older one never decides again what was told."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.dev.postgres import _wheel_programs

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up.md"
NewWorker = Callable[..., WorkerProcess]
CANCEL = "auto-cancel stock-not-validated"


async def back_up(database: str, directory: Path) -> str:
    """A copy of the database as it is now, made by the commands of the page."""
    parts = urlsplit(database)
    name = f"{parts.path.lstrip('/')}_copy"
    connection = await asyncpg.connect(parts._replace(path="/postgres").geturl())
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    restored = parts._replace(path=f"/{name}").geturl()
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", commands, cwd=directory,
        env={"PATH": f"{_wheel_programs()}:/usr/bin:/bin", "PLAZO_DATABASE_URL": database,
             "RESTORED_DATABASE_URL": restored},
    )  # fmt: skip
    assert await process.wait() == 0
    return restored


async def test_an_older_back_up_halts_and_the_newest_goes_on(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    terms = {"stock_window": "PT1S", "grace": "PT0S"}

    async def run(*, until: Callable[[WorkerProcess], object] | None = None, **more: str) -> None:
        worker = await new_worker(topics, **terms, **more).start().wait_ready()
        if until is not None:
            await eventually(lambda: until(worker), 30)
        assert await worker.sigterm() == 0

    def told(*orders: str) -> Callable[[WorkerProcess], object]:
        async def there(_: WorkerProcess) -> bool:
            return [one.order for one in await market.decisions()] == list(orders)

        return there

    await market.publish(market.order("first", now()), partition=0)
    await run(until=told("first"))
    older = await back_up(database, tmp_path)
    await market.publish(market.order("second", now()), partition=0)
    await run(until=told("first", "second"))

    # From the older one the second order is read again and lapses again; and must not be told.
    restored = new_worker(topics, **terms, database_url=older).start()

    async def halted() -> bool:
        return (await restored.metrics()).get("plazo_lanes_halted", 0) == 1

    await eventually(halted, 30)
    assert [one.order for one in await market.decisions()] == ["first", "second"]
    restored.sigkill()

    await market.publish(market.order("third", now()), partition=0)
    await run(until=told("first", "second", "third"))
    decisions = await market.decisions()
    assert [one.sequence for one in decisions] == [1, 2, 3]
    assert len({one.id for one in decisions}) == 3
