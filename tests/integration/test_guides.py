"""What the guides for publishers and consumers promise, tried as they say."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import schemas
from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import ROOT, WorkerProcess
from tests.support.topics import Topics

GUIDES = Path(schemas.__file__).parent / "guides"
EXAMPLES = Path(schemas.__file__).parent / "examples"


async def test_the_sample_consumer_takes_each_decision_once(
    new_worker: Callable[..., WorkerProcess], topics: Topics, market: Market, kafka: Kafka
) -> None:
    await new_worker(topics, stock_window="PT1S", grace="PT0S").start().wait_ready()
    entered = now()
    await market.publish(market.order("silent", entered), market.order("late", entered))
    told = await market.told(
        "silent auto-cancel stock-not-validated", "late auto-cancel stock-not-validated"
    )
    await market.publish(market.act("late", "start-handling", entered))
    await market.told(*(f"{o} auto-cancel stock-not-validated" for o in ("silent", "late")),
                      "late decision-revoked late-evidence")  # fmt: skip
    consumer = await asyncio.create_subprocess_exec(
        sys.executable, str(GUIDES / "consumer.py"), kafka.bootstrap_servers, topics.decisions,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert consumer.stdout is not None
    try:
        lines = [
            (await asyncio.wait_for(consumer.stdout.readline(), 30)).decode().strip()
            for _ in range(3)
        ]
    finally:
        consumer.kill()
        await consumer.wait()
    cancel = next(one.id for one in told if one.order == "late")
    assert sorted(lines) == ["cancel late", "cancel silent", f"undo {cancel} of late"]
    assert lines.index("cancel late") < lines.index(f"undo {cancel} of late")


def test_a_repeat_has_no_effect_in_the_sample_consumer() -> None:
    space: dict[str, Any] = {"__name__": "consumer"}
    exec(compile((GUIDES / "consumer.py").read_text(), "consumer.py", "exec"), space)
    headers = {"ce_sequence": "1", "ce_type": "marketplace.order.auto-cancel.v1"}
    assert space["take"](0, headers, {"order_id": "a"}) == "cancel a"
    assert space["take"](0, headers, {"order_id": "a"}) is None
    assert space["take"](1, headers, {"order_id": "b"}) == "cancel b"
    unknown = {"ce_sequence": "2", "ce_type": "marketplace.order.new.v1"}
    assert space["take"](0, unknown, {"order_id": "a"}) == "ignore marketplace.order.new.v1"


def contract_check(file: Path) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "worker", "contract", "check", str(file), "--json"],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def recorded(tmp_path: Path, *lines: Any) -> Path:
    file = tmp_path / "recorded.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_a_publisher_learns_what_would_be_refused(tmp_path: Path) -> None:
    good = [json.loads(path.read_text()) for path in sorted((EXAMPLES / "valid").iterdir())]
    good = [one for one in good if "value" in one]
    assert contract_check(recorded(tmp_path, *good))[0] == 0
    future = {"order_id": "a", "status": "canceled",
              "occurred_at": (now() + timedelta(hours=1)).isoformat()}  # fmt: skip
    unkeyed = {"topic": "order-created", "key": None, "value": {"order_id": "a"}}
    code, found = contract_check(recorded(tmp_path, good[0], future, unkeyed))
    assert code == 1
    assert sum(found["read"].values()) == 1
    assert [(one["line"], one["error"]) for one in found["refused"]] == [
        (2, "future-time"), (3, "no-key"),
    ]  # fmt: skip


async def test_lanes_shows_who_reads_what(
    new_worker: Callable[..., WorkerProcess], topics: Topics, market: Market, database: str,
    kafka: Kafka, tmp_path: Path,
) -> None:  # fmt: skip
    await new_worker(topics).start().wait_ready()
    await market.publish(market.order("one"))

    async def shown() -> Any:
        environment = topics.environment() | {
            "PLAZO_DATABASE_URL": database,
            "PLAZO_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        }
        command = WorkerProcess(
            tmp_path, environment, name="lanes", arguments=("lanes", "--json")
        ).start()
        assert await command.wait() == 0
        return json.loads(command.stdout_file.read_text())

    for _ in range(10):
        lanes = await shown()
        if sum(lane["open_deadlines"] for lane in lanes) == 1:
            break
    assert [lane["lane"] for lane in lanes] == [0, 1, 2]
    assert all(lane["owner"] for lane in lanes)
    assert [lane["lag"] for lane in lanes] == [0, 0, 0]
    assert len([lane for lane in lanes if lane["next_verdict"]]) == 1
