"""Extensions and holds of many orders at once, and their topic of their own."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from schemas import events as names
from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics, create_topics
from tests.support.waiting import eventually
from worker.storage.migrate import migrate

NewWorker = Callable[..., WorkerProcess]
WINDOW = {"stock_window": "PT1H", "grace": "PT0S"}


class Site:
    """A worker with a topic for changes of deadlines."""

    def __init__(self, new_worker: NewWorker, topics: Topics, changes: str | None) -> None:
        self._new_worker, self._topics = new_worker, topics
        self.settings = WINDOW | ({"deadline_changes_topic": changes} if changes else {})

    async def start(self) -> WorkerProcess:
        return await self._new_worker(self._topics, **self.settings).start().wait_ready()

    async def plazo(self, *words: str, code: int = 0) -> Any:
        command = self._new_worker(
            self._topics, arguments=("deadlines", *words, "--json"), **self.settings
        )
        assert await command.start().wait() == code, command.output
        return json.loads(command.stdout_file.read_text())

    async def change(self, *words: str, code: int = 0) -> tuple[int, int]:
        told = await self.plazo(*words, "--reason", "the portal was down", "--by", "ana", code=code)
        return told["published"], told["already"]

    async def held(self) -> list[str]:
        return [row["order_id"] for row in await self.plazo("held")]


@pytest.mark.parametrize("own_topic", [False, True])
async def test_many_orders_are_changed_at_once(
    own_topic: bool, new_worker: NewWorker, topics: Topics, market: Market, kafka: Kafka
) -> None:
    changes = topics.order_status_changed
    if own_topic:
        changes = topics.order_status_changed + ".deadlines"
        await create_topics(kafka.bootstrap_servers, {changes: 2})
    site = Site(new_worker, topics, changes if own_topic else None)
    worker = await site.start()
    entered = now()
    for number in range(3):
        await market.publish(
            market.order(f"a{number}", entered), market.order(f"b{number}"), partition=number
        )
    await market.publish(market.act("b0", "handling"), partition=0)

    async def open_(number: int) -> bool:
        metrics = await worker.metrics()
        lanes = (v for k, v in metrics.items() if k.startswith("plazo_open_deadlines"))
        return sum(lanes) == number

    await eventually(lambda: open_(6), 20)
    extend = ("extend", "--seller", " S-1", "--add", "1d")
    assert await site.change(*extend, "--dry-run") == (6, 0)
    assert await site.change(*extend) == (6, 0)

    async def all_extended() -> bool:
        return await site.change(*extend) == (0, 6)

    await eventually(all_extended, 30, "a second run publishes nothing")
    to = (now() + timedelta(hours=26)).isoformat()
    assert await site.change("extend", "a0", "--to", to) == (1, 0)
    assert await site.change("extend", "a1", "nobody", "--to", to, code=1) == (1, 0)
    assert await site.change("extend", "--policy", "other", "--to", to) == (0, 0)
    assert await site.change("extend", "a2", "--add", "40d", code=1) == (0, 0), "too far"
    first = (entered - timedelta(seconds=1)).isoformat()
    assert await site.change("hold", "--entered-between", first, entered.isoformat()) == (3, 0)

    async def on_hold(*orders: str) -> bool:
        assert await site.held() == list(orders)
        return True

    await eventually(lambda: on_hold("a0", "a1", "a2"), 30)
    assert await site.change("hold", "a0", "b1") == (1, 1)
    await eventually(lambda: on_hold("a0", "a1", "a2", "b1"), 30)
    assert await site.change("release", "--policy", "default") == (4, 2)
    await eventually(on_hold, 30)
    letters = [letter.headers for letter in await market.dead_letters()]
    assert not letters
    if own_topic:
        metrics = await worker.metrics()
        assert metrics[f'plazo_records_total{{outcome="deadline",topic="{changes}"}}'] >= 16


async def test_with_a_topic_of_their_own_changes_are_refused_elsewhere(
    new_worker: NewWorker, topics: Topics, market: Market, kafka: Kafka
) -> None:
    changes = topics.order_status_changed + ".deadlines"
    await create_topics(kafka.bootstrap_servers, {changes: 1})
    await Site(new_worker, topics, changes).start()
    hold = {
        "order_id": "a", "occurred_at": now().isoformat(), "author": "a portal", "reason": "no time"
    }  # fmt: skip
    await market.publish(market.order("a"))
    await market.publish(
        (topics.order_status_changed, "a", hold), ce_type=names.DEADLINE_HELD,
    )  # fmt: skip
    (letter,) = await eventually(market.dead_letters, 20)
    told = {name: value.decode() for name, value in letter.headers}
    assert told[names.ERROR_CLASS] == "unknown-type"
    assert "PLAZO_DEADLINE_CHANGES_TOPIC" in told[names.ERROR_MESSAGE]


async def test_verdicts_wait_for_the_changes(
    new_worker: NewWorker, topics: Topics, market: Market, kafka: Kafka, database: str
) -> None:
    """An extension that stands in its log before the deadline counts, however late it is read."""
    await migrate(database)
    changes = topics.order_status_changed + ".deadlines"
    await create_topics(kafka.bootstrap_servers, {changes: 3})
    entered = now() - timedelta(hours=2)
    await market.publish(market.order("a", entered), market.order("b", entered), partition=0)
    value = {
        "order_id": "a", "occurred_at": entered.isoformat(), "author": "ana", "reason": "flood",
        "due": (now() + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    await market.publish((changes, "a", value), partition=2, ce_type=names.DEADLINE_EXTENDED)
    await Site(new_worker, topics, changes).start()
    await market.told("b auto-cancel stock-not-validated")
