"""``plazo replay``: the past decided again, without consequences, from an instant on."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from worker.cli.durations import parse_start

CANCEL = "would-auto-cancel stock-not-validated"
Command = Callable[..., Any]


@pytest.fixture
def replay(new_worker: Callable[..., WorkerProcess], topics: Topics) -> Command:
    """``replay(*arguments, **variables)``: exit code, stdout and stderr of the command."""

    async def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
        settings = {"mode": "shadow", "shadow_topic": topics.decisions,
                    "decisions_topic": "in-earnest", "grace": "PT0S"} | variables  # fmt: skip
        process = new_worker(topics, arguments=("replay", *arguments), **settings)
        code = await process.start().wait()
        return code, process.stdout_file.read_text(), process.stderr_file.read_text()

    return run


async def test_it_decides_what_came_since(replay: Command, market: Market) -> None:
    long_ago = now() - timedelta(days=2)
    await market.publish(market.order("before", long_ago), market.act("known", "start-handling"))
    await asyncio.sleep(0.05)  # timestamps of records are milliseconds
    start = now()
    await market.publish(
        market.order("silent", start - timedelta(hours=25)),
        market.order("kept", long_ago),
        market.act("kept", "start-handling", long_ago + timedelta(hours=1)),
        market.order("open"),
    )
    since = start.isoformat()
    code, out, _ = await replay("--from", since, "--dry-run", "--json")
    assert code == 0
    assert sum(row["records"] for row in json.loads(out)) == 4
    code, out, err = await replay("--from", since, "--json")
    assert code == 0, err
    # Acts of before the start may be lost, so silence proves nothing of orders that are older.
    told = await market.told("silent would-escalation evidence-incomplete")
    assert [one.order for one in told] == ["silent"]
    (row,) = [row for row in json.loads(out) if row["outcome"] == "escalated"]
    assert (row["orders"], row["examples"]) == (1, ["silent"])
    # It is not done twice over the same database.
    code, _, err = await replay("--from", "1h")
    assert code == 1
    assert "a database of its own" in err


async def test_the_whole_log_needs_no_escalation(
    replay: Command, market: Market, database: str
) -> None:
    entered = now() - timedelta(days=2)
    await market.publish(
        *(market.order(f"o-{number}", entered) for number in range(300)),
        *(market.act(f"o-{number}", "start-handling", entered) for number in range(0, 300, 3)),
    )
    code, _, err = await replay("--from", "30d")
    assert code == 0, err
    await market.told(*(f"o-{number} {CANCEL}" for number in range(300) if number % 3))
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM deadlines") == 0
        assert await connection.fetchval("SELECT count(*) FROM lanes WHERE owner IS NOT NULL") == 0
    finally:
        await connection.close()


async def test_it_refuses_what_could_do_harm(replay: Command, market: Market) -> None:
    code, _, err = await replay("--from", "1h", mode="live", decisions_topic="in-earnest")
    assert code == 2
    assert "PLAZO_MODE=shadow" in err
    await market.publish((market.topics.decisions, "o-1", b"{}"))
    code, _, err = await replay("--from", "1h")
    assert code == 1
    assert "holds verdicts already" in err


@pytest.mark.parametrize("text", ["2026-01-31T08:00", "2999-01-01T00:00Z", "yesterday", "-1d", ""])
def test_a_start_is_an_instant_or_a_duration(text: str) -> None:
    with pytest.raises(Exception, match="not a"):
        parse_start(text, "--from")
    assert parse_start("2m", "--from") <= now() - timedelta(minutes=2)
    assert parse_start("2026-01-31T08:00+01:00", "--from").hour == 7
