"""In which order the relay publishes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from tests.support.waiting import eventually
from worker.clock import SystemClock
from worker.metrics import Metrics
from worker.relay import Relay
from worker.settings import Settings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SETTINGS = Settings(_env_file=None)
DECISION = {"order_id": "a", "id": UUID(int=1), "kind": "escalation", "sequence": 1,
            "decided_at": NOW, "value": "{}"}  # fmt: skip
LETTER = {"topic": "t", "partition": 0, "offset": 0, "timestamp": NOW, "error": "not-json",
          "message": "", "key": None, "value": None, "header_names": [],
          "header_values": []}  # fmt: skip


class Parts:
    """Store, probe and publisher of a lane with very many unpublished dead letters."""

    def __init__(self, letters: int) -> None:
        self.letters = list(range(letters))
        self.lane: Any = SimpleNamespace(number=0, sequence=0, published=0)
        self.topics: list[str] = []

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Parts"]:
        yield self

    async def rows(self, name: str, *arguments: Any) -> Sequence[Any]:
        if name == "unpublished_decisions":
            return [DECISION]
        return [{**LETTER, "id": number} for number in self.letters[: arguments[1]]]

    async def execute(self, name: str, *arguments: Any) -> None:
        if name == "mark_dead_letters_published":
            self.letters = [number for number in self.letters if number not in set(arguments[0])]

    async def widths(self, topics: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(topics, 1)

    async def tail(self, *_: object) -> list[Any]:
        return []

    async def publish(self, messages: Sequence[Any]) -> None:
        self.topics.append(messages[0].topic)
        if len(self.topics) == 2:
            self.lane.sequence = 1  # a verdict is committed while letters are on their way
        await asyncio.sleep(0)


async def test_a_verdict_waits_for_no_more_than_one_batch_of_dead_letters() -> None:
    parts: Any = Parts(500)
    relay = Relay(parts.lane, SETTINGS, parts, parts, parts, SystemClock(), Metrics(SETTINGS))
    running = asyncio.create_task(relay.run())
    await eventually(lambda: not parts.letters, 10)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert not parts.letters
    assert parts.topics.index(SETTINGS.decisions_topic) == 2
