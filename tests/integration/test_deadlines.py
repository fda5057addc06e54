"""Deadlines that move, on the real parts: reminders, extensions, holds and outages."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from schemas import events as names
from schemas.decisions import DeadlineReminder
from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]
HASTY = {"stock_window": "PT4S", "grace": "PT0S"}
CANCEL = "auto-cancel stock-not-validated"
REMINDED = "deadline-reminder deadline-approaches"
REMINDING = """\
version: 1
policies:
  - name: reminding
    window: PT6S
    grace: PT0S
    reminders: [PT4S, PT2S]
"""


async def change(
    market: Market, order: str, kind: str, at: datetime, partition: int | None = None, **more: Any
) -> None:
    value = {"order_id": order, "occurred_at": at.isoformat(), "author": "Ana Rojas",
             "reason": "the portal was down"} | more  # fmt: skip
    record = (market.topics.order_status_changed, order, value)
    await market.publish(record, partition=partition, ce_type=kind)


async def extend(market: Market, order: str, due: datetime, at: datetime | None = None) -> None:
    await change(market, order, names.DEADLINE_EXTENDED, at or now(), due=due.isoformat())


async def explained(database: str, topics: Topics, tmp_path: Path, order: str) -> Any:
    command = WorkerProcess(
        tmp_path, topics.environment() | {"PLAZO_DATABASE_URL": database}, name=f"explain-{order}",
        arguments=("explain", order, "--json"),
    ).start()  # fmt: skip
    assert await command.wait() == 0
    return json.loads(command.stdout_file.read_text())


async def test_reminders_come_before_the_deadline_while_nothing_is_done(
    new_worker: NewWorker, topics: Topics, market: Market, tmp_path: Path
) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(REMINDING)
    worker = await new_worker(topics, policy_file=str(path)).start().wait_ready()
    entered = now()
    await market.publish(market.order("silent", entered), market.order("quick", entered))
    await market.publish(market.act("quick", "start-handling"))
    await market.told(f"silent {REMINDED}", f"silent {REMINDED}", f"silent {CANCEL}")
    first, second, verdict = (one for one in await market.decisions() if one.order == "silent")
    for told, before in ((first, 4), (second, 2)):
        DeadlineReminder.model_validate_json(json.dumps(told.value))
        made = datetime.fromisoformat(told.value["decided_at"])
        due = datetime.fromisoformat(told.value["due"])
        assert due - timedelta(seconds=before) <= made < due - timedelta(seconds=before - 1)
    assert len({first.id, second.id, verdict.id}) == 3
    assert (first.sequence, second.sequence, verdict.sequence) == (1, 2, 3)
    metrics = await worker.metrics()
    told_of = 'plazo_decisions_total{kind="deadline-reminder",reason="deadline-approaches"}'
    assert metrics[told_of] == 2


async def test_an_extension_moves_the_verdict_and_the_evidence_that_counts(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    """Even one by a foreign lane, or one that came before its order."""
    await new_worker(topics, **HASTY).start().wait_ready()
    entered = now()
    later = entered + timedelta(seconds=8)
    await extend(market, "early", later, entered)
    await market.publish(*(market.order(name, entered) for name in ("early", "saved", "lost")))
    for partition in range(2):
        await change(market, "lost", names.DEADLINE_EXTENDED, entered, partition,
                     due=later.isoformat())  # fmt: skip
    await extend(market, "saved", later)
    await market.publish(market.act("saved", "start-handling", entered + timedelta(seconds=5)))
    await market.told(f"early {CANCEL}", f"lost {CANCEL}", timeout=30)
    for told in await market.decisions():
        assert datetime.fromisoformat(told.value["due"]) == later
        assert datetime.fromisoformat(told.value["decided_at"]) >= later
        assert names.DEADLINE_EXTENDED.endswith(f"{told.value['evidence']['acts'][1]['status']}.v1")
    found = await explained(database, topics, tmp_path, "saved")
    assert found["order"]["outcome"] == "kept"
    assert [one["counted"] for one in found["deadline_changes"]] == [True]
    assert "Ana Rojas" not in json.dumps(found)


async def test_a_held_verdict_waits_for_its_release(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    worker = await new_worker(topics, **HASTY).start().wait_ready()
    entered = now()
    await market.publish(market.order("held", entered), market.order("free", entered))
    await change(market, "held", names.DEADLINE_HELD, entered)
    await market.told(f"free {CANCEL}")

    async def on_hold() -> bool:
        return (await worker.metrics())["plazo_deadlines_on_hold"] == 1

    await eventually(on_hold, 10)
    told = await explained(database, topics, tmp_path, "held")
    assert "an event holds its verdict" in told["summary"]
    await change(market, "held", names.DEADLINE_RELEASED, now())
    await market.told(f"free {CANCEL}", f"held {CANCEL}")


async def test_a_change_that_can_take_no_effect_is_told_to_its_publisher(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    """It is no evidence: it shields nobody, and no verdict is revoked for it."""
    await new_worker(topics, **HASTY).start().wait_ready()
    entered = now()
    await market.publish(market.order("hurried", entered), market.order("plain", entered))
    await extend(market, "hurried", entered + timedelta(seconds=1))
    await market.told(f"hurried {CANCEL}", f"plain {CANCEL}")
    await extend(market, "plain", now() + timedelta(hours=1), now())

    async def both() -> bool:
        return len(await market.dead_letters()) == 2

    await eventually(both, 10)
    letters = {
        record.key.decode(): dict(record.headers) | {"value": json.loads(record.value)}
        for record in await market.dead_letters()
    }
    assert letters["hurried"]["plazo-error-class"] == b"out-of-range"
    assert letters["plain"]["plazo-error-class"] == b"too-late"
    assert letters["plain"]["value"]["author"] == "Ana Rojas"
    assert letters["plain"]["ce_type"].decode() == names.DEADLINE_EXTENDED
    assert len(await market.decisions()) == 2
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM shields") == 0
    finally:
        await connection.close()


@pytest.mark.parametrize("given_back", [True, False])
async def test_an_outage_gives_time_back_where_that_is_wanted(
    new_worker: NewWorker, topics: Topics, market: Market, given_back: bool
) -> None:
    """Two orders lapse while no worker runs; the seller of one has a second chance."""
    terms = {"stock_window": "PT10S", "grace": "PT0S"}
    if given_back:
        terms["outage_after"] = "PT5S"
    first = await new_worker(topics, **terms).start().wait_ready()
    entered = now()
    await market.publish(market.order("chance", entered), market.order("lapsed", entered))
    first.sigkill()
    over = entered + timedelta(seconds=14)

    async def past() -> bool:
        return now() > over

    await eventually(past, 20)
    second = new_worker(topics, **terms).start()
    # Before the worker is ready, since a busy machine may take longer than the time given back.
    await market.publish(market.act("chance", "start-handling"))
    await second.wait_ready()
    if given_back:
        (told,) = await market.told(f"lapsed {CANCEL}")
        assert datetime.fromisoformat(told.value["due"]) > over
        return

    async def both() -> bool:
        # Its start of handling was too late, whether the verdict fell before it was read or after.
        told = {(one.order, one.reason) for one in await market.decisions()}
        return {("lapsed", "stock-not-validated"), ("chance", "handled-after-deadline")} <= told

    await eventually(both, 40)
