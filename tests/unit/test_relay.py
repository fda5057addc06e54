"""What the relay must not forget while it is busy."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from tests.support.waiting import eventually
from worker.clock import SystemClock
from worker.lane import Lane
from worker.metrics import Metrics
from worker.probe import KafkaProbe
from worker.publisher import Publisher
from worker.relay import Relay
from worker.settings import Settings
from worker.store import Store


class SlowStore:
    """Answers each look for dead letters only when told to, and says how many there were."""

    def __init__(self) -> None:
        self.looks = 0
        self.answer = asyncio.Semaphore(0)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["SlowStore"]:
        yield self

    async def rows(self, name: str, *_: object) -> Sequence[Any]:
        assert name == "unpublished_dead_letters"
        self.looks += 1
        await self.answer.acquire()
        return []


class EmptyTopics:
    async def widths(self, topics: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(topics, 1)

    async def tail(self, *_: object) -> list[object]:
        return []


class IdleLane:
    number = sequence = published = 0


async def test_a_dead_letter_that_comes_while_the_relay_looks_is_looked_for_again() -> None:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    store = SlowStore()
    relay = Relay(
        cast("Lane", IdleLane()),
        settings,
        cast("Store", store),
        cast("Publisher", None),
        cast("KafkaProbe", EmptyTopics()),
        SystemClock(),
        Metrics(settings),
    )
    running = asyncio.create_task(relay.run())
    store.answer.release()  # the look on starting
    await eventually(lambda: store.looks == 2, 5)
    relay.committed(dead_letters=True)
    store.answer.release()  # finds nothing: the letter was committed after the look began
    await eventually(lambda: store.looks == 3, 5, "it looks again")
    running.cancel()
