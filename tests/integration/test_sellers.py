"""The scorecard: what a seller's day looked like, counted from what the worker wrote."""

import json
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

from schemas.statuses import STATUSES, Meaning
from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from worker.storage.migrate import migrate
from worker.storage.migrations import VERSIONS


async def test_a_day_of_one_seller(
    new_worker: Callable[..., WorkerProcess], kafka: Kafka, topics: Topics, database: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    await migrate(database)
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    # All on one day, and long past.
    noon = (now() - timedelta(days=2)).replace(hour=12, minute=0, second=0, microsecond=0)
    await market.publish(
        market.act("quick", "start-handling", noon + timedelta(minutes=10)),
        market.act("slow", "invoiced", noon + timedelta(minutes=30)),
        market.act("late", "start-handling", noon + timedelta(hours=25)),
        market.act("cancelled", "canceled", noon + timedelta(hours=1)),
    )
    names = ("quick", "slow", "late", "cancelled", "silent")
    await market.publish(*(market.order(name, noon) for name in names))
    worker = await new_worker(topics).start().wait_ready()
    await market.told(
        "late escalation handled-after-deadline", "silent auto-cancel stock-not-validated"
    )
    assert await worker.sigterm() == 0

    expected = {
        "seller_id": "s-1", "day": noon.astimezone(UTC).date().isoformat(), "orders": 5,
        "validated_in_time": 2, "cancelled_in_time": 1, "auto_cancelled": 1, "escalated": 1,
        "median_to_validate": 1200.0, "p95_to_validate": 1740.0,
    }  # fmt: skip
    told = await output(database, tmp_path, "--json")
    assert json.loads(told) == [expected]
    lines = (await output(database, tmp_path, "--csv", "--seller", "s-1")).splitlines()
    assert lines == [",".join(expected), ",".join(map(str, expected.values()))]
    assert len((await output(database, tmp_path, "--csv", "--since", "1d")).splitlines()) == 1


async def output(database: str, tmp_path: Path, *words: str) -> str:
    command = WorkerProcess(
        tmp_path, {"PLAZO_DATABASE_URL": database}, name="".join(words),
        arguments=("sellers", *words),
    ).start()  # fmt: skip
    assert await command.wait() == 0, command.output
    return command.stdout_file.read_text()


def test_the_view_counts_as_handling_what_the_rule_does() -> None:
    view = (VERSIONS / "0013_cycles.sql").read_text()
    handling = [status for status, meaning in STATUSES.items() if meaning == Meaning.HANDLING]
    assert all(f"'{status}'" in view for status in handling)
