"""Shadow mode: nothing is told in earnest, and the report knows what happened instead."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from worker.storage.migrate import migrate


async def test_it_decides_and_tells_nobody(
    new_worker: Callable[..., WorkerProcess], kafka: Kafka, topics: Topics, database: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    await migrate(database)
    # What a live worker would write to is a name that does not exist: writing there would fail.
    shadow = {"mode": "shadow", "shadow_topic": topics.decisions, "decisions_topic": "in-earnest"}
    assert "in-earnest" not in replace(topics).widths
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    entered = now() - timedelta(days=2)
    names = ("silent", "spared", "agreed", "handled")
    await market.publish(
        *(market.order(name, entered) for name in names),
        market.act("handled", "start-handling", entered),
    )
    worker = await new_worker(topics, **shadow).start().wait_ready()
    verdict = "would-auto-cancel stock-not-validated"
    await market.told(*(f"{name} {verdict}" for name in names[:3]))
    late = entered + timedelta(hours=30)
    await market.publish(
        market.act("spared", "start-handling", late), market.act("agreed", "canceled", late)
    )
    told = await market.told(
        *(f"{name} {verdict}" for name in names[:3]),
        "spared would-escalation handled-after-deadline",
    )
    assert [one.value["dispute"]["type"] for one in told if one.kind == "would-auto-cancel"] == [
        "CS"
    ] * 3
    assert await worker.sigterm() == 0

    command = WorkerProcess(
        tmp_path, {"PLAZO_DATABASE_URL": database}, name="report",
        arguments=("shadow", "report", "--json"),
    ).start()  # fmt: skip
    assert await command.wait() == 0, command.output
    rows = json.loads(command.stdout_file.read_text())
    assert {(row["outcome"], row["happened"]): row["examples"] for row in rows} == {
        ("auto_cancelled", "nothing heard"): ["silent"],
        ("auto_cancelled", "handled late"): ["spared"],
        ("auto_cancelled", "cancelled by somebody"): ["agreed"],
        ("kept", "handled in time"): ["handled"],
    }

    live = new_worker(topics).start()
    assert await live.wait(30) == 3
    assert "verdicts of a rehearsal would count as decided" in live.output
