"""The examples of docs/how-to/orders-that-change.md, published as they stand there."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.support.market import Market
from tests.support.processes import ROOT, WorkerProcess
from tests.support.topics import Topics

PAGE = ROOT / "docs" / "how-to" / "orders-that-change.md"


async def test_the_examples_end_as_the_page_says(
    new_worker: Callable[..., WorkerProcess], topics: Topics, market: Market
) -> None:
    records = [json.loads(line) for line in _lines("jsonl")]
    expected = dict(line.split(" ", 1) for line in _lines("text"))
    for record in records:
        topic = topics.order_created if "entered_at" in record else topics.order_status_changed
        await market.publish((topic, record["order_id"], record))
    # All is published before anything is read, as in the two days that the page tells of.
    worker = await new_worker(topics, before_adoption="decide").start().wait_ready()
    await market.told(*(f"{order} {end.split(' due ')[0]}" for order, end in expected.items()))
    told = {one.order: datetime.fromisoformat(one.value["due"]) for one in await market.decisions()}
    assert told == {
        order: datetime.fromisoformat(end.split(" due ")[1]) for order, end in expected.items()
    }
    metrics = await worker.metrics()
    silent = {record["order_id"] for record in records} - expected.keys()
    assert silent == {"parts-2"}
    assert metrics['plazo_outcomes_total{outcome="cancelled"}'] >= len(silent)


def _lines(language: str) -> list[Any]:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    return [line for block in blocks for line in block.splitlines()]
