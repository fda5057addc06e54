"""kcat, the tool that people have at hand: it publishes, and reads what was decided."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics

from . import programs


def _kcat(program: Path, *arguments: str, told: str = "") -> str:
    done = subprocess.run(
        [program, *arguments], input=told, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_kcat_publishes_and_reads(
    new_worker: Callable[..., WorkerProcess], kafka: Kafka, topics: Topics, market: Market
) -> None:
    program = programs.required("kcat")
    worker = new_worker(topics, stock_window="PT2S", grace="PT0S")
    await worker.start().wait_ready()

    def publish(topic: str, kind: str, *records: tuple[str, Any]) -> None:
        _kcat(
            program, "-P", "-b", kafka.bootstrap_servers, "-t", topic, "-K", "\t",
            "-X", "partitioner=murmur2_random", "-H", f"ce_type=marketplace.order.{kind}.v1",
            "-H", "ce_specversion=1.0",
            told="".join(f"{key}\t{json.dumps(value)}\n" for key, value in records),
        )  # fmt: skip

    orders = [market.order(f"o-{n}") for n in range(20)]
    publish(topics.order_created, "created", *(order[1:] for order in orders))  # type: ignore[misc]
    handled = market.act("o-0", "start-handling", now())
    publish(topics.order_status_changed, "status-changed", handled[1:])  # type: ignore[arg-type]
    publish(topics.order_status_changed, "status-changed", ("o-1", "no event"))
    kinds = {f"o-{n}": "auto-cancel stock-not-validated" for n in range(2, 20)}
    kinds["o-1"] = "escalation unreadable-evidence"
    await market.told(*(f"{order} {kind}" for order, kind in kinds.items()))

    def read(topic: str) -> list[dict[str, Any]]:
        lines = _kcat(
            program, "-C", "-J", "-e", "-q", "-b", kafka.bootstrap_servers, "-t", topic,
            "-o", "beginning",
        ).splitlines()  # fmt: skip
        return [json.loads(line) for line in lines]

    decisions = read(topics.decisions)
    assert sorted(one["key"] for one in decisions) == sorted(kinds)
    for partition in {one["partition"] for one in decisions}:
        told = [_headers(one) for one in decisions if one["partition"] == partition]
        assert [int(one["ce_sequence"]) for one in told] == [*range(1, len(told) + 1)]
    (letter,) = read(topics.dead_letters)
    assert (letter["key"], letter["payload"]) == ("o-1", '"no event"')
    # Keys went where Java clients put them, so that no act had to be handed to another lane.
    assert not any(
        count for name, count in (await worker.metrics()).items()
        if name.startswith("plazo_handed_over_total")
    )  # fmt: skip


def _headers(record: dict[str, Any]) -> dict[str, str]:
    pairs = record["headers"]
    return dict(zip(pairs[::2], pairs[1::2], strict=True))
