"""In which order the relay publishes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from schemas import events as names
from tests.support.waiting import eventually
from worker.clock import SystemClock
from worker.observability.metrics import Metrics
from worker.outbox.events import Event
from worker.outbox.relay import Relay
from worker.settings import Settings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SETTINGS = Settings(_env_file=None)
VERDICT = Event("a", 1, UUID(int=1), "escalation", "policy", None, NOW, "{}")
DECISION = {"sequence": 1, **VERDICT._asdict()}
LETTER = {"topic": "t", "partition": 0, "offset": 0, "timestamp": NOW, "error": "not-json",
          "message": "", "key": None, "value": None, "header_names": [],
          "header_values": []}  # fmt: skip


class Parts:
    """Store, probe and publisher of a lane with very many unpublished dead letters."""

    def __init__(self, letters: int) -> None:
        self.letters = list(range(letters))
        self.lane: Any = SimpleNamespace(number=0, sequence=0, published=0, database=self)
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
    relay = Relay(parts.lane, SETTINGS, parts, parts, SystemClock(), Metrics(SETTINGS))
    running = asyncio.create_task(relay.run())
    await eventually(lambda: not parts.letters, 10)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert not parts.letters
    assert parts.topics.index(SETTINGS.decisions_topic) == 2


class Decided:
    """Store, probe and publisher of a lane whose sweeps have committed so many verdicts."""

    def __init__(self, sequence: int) -> None:
        self.lane: Any = SimpleNamespace(number=0, sequence=sequence, published=0, database=self)
        self.read: list[int] = []
        self.sent: list[int] = []

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Decided"]:
        yield self

    async def rows(self, name: str, *arguments: Any) -> Sequence[Any]:
        if name != "unpublished_decisions":
            return []
        found = range(arguments[1] + 1, min(self.lane.sequence, arguments[1] + arguments[2]) + 1)
        self.read += found
        return [DECISION | {"sequence": number} for number in found]

    async def execute(self, name: str, *arguments: Any) -> None:
        assert name == "mark_published"

    async def widths(self, topics: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(topics, 1)

    async def tail(self, *_: object) -> list[Any]:
        return []

    async def publish(self, messages: Sequence[Any]) -> None:
        self.sent += [int(dict(message.headers)[names.CE_SEQUENCE]) for message in messages]


@pytest.mark.parametrize(
    ("handed_over", "read"),
    [
        (range(1, 6), []),
        (range(3, 6), [1, 2, 3, 4, 5]),  # a gap: those behind it are read with it
        (range(1, 4), [4, 5]),
        (range(0), [1, 2, 3, 4, 5]),
    ],
    ids=["all", "a gap before", "not the last", "none"],
)
async def test_each_verdict_is_published_once_whether_it_was_handed_over_or_not(
    handed_over: range, read: list[int]
) -> None:
    parts: Any = Decided(5)
    relay = Relay(parts.lane, SETTINGS, parts, parts, SystemClock(), Metrics(SETTINGS))
    relay.committed(dict.fromkeys(handed_over, VERDICT))
    running = asyncio.create_task(relay.run())
    await eventually(lambda: len(parts.sent) >= 5, 10)
    await relay.drained()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert parts.sent == [1, 2, 3, 4, 5]
    assert parts.read == read


async def test_what_is_handed_over_is_bounded() -> None:
    parts: Any = Decided(5_000)
    relay = Relay(parts.lane, SETTINGS, parts, parts, SystemClock(), Metrics(SETTINGS))
    for first in range(1, 5_000, 1_000):
        relay.committed(dict.fromkeys(range(first, first + 1_000), VERDICT))
    running = asyncio.create_task(relay.run())
    await eventually(lambda: len(parts.sent) >= 5_000, 10)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert parts.sent == list(range(1, 5_001))
    assert parts.read == list(range(2_001, 5_001))
