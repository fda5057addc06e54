"""In which order the relay publishes."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import orjson
import pytest

from schemas import events as names
from tests.support.waiting import eventually
from worker.clock import SystemClock
from worker.errors import Halted, StateLost
from worker.kafka.producer import Message, TooLarge
from worker.observability.metrics import Metrics
from worker.outbox.dead_letters import DeadLetterOutbox
from worker.outbox.events import Event
from worker.outbox.relay import Relay
from worker.settings import Settings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SETTINGS = Settings(_env_file=None)
VERDICT = Event("a", 1, UUID(int=1), "escalation", "policy", None, NOW, b'{"reason":"policy"}')
DECISION = {"sequence": 1, **VERDICT._asdict(), "value": VERDICT.value.decode()}
LETTER = {"topic": "t", "partition": 0, "offset": 0, "timestamp": NOW, "error": "not-json",
          "message": "", "key": None, "value": None, "header_names": [],
          "header_values": []}  # fmt: skip


class Topic:
    """Database, offsets and producer of a lane, and its topics as a broker would hold them.

    A message whose value is larger than ``limit`` bytes is refused.
    """

    def __init__(self, *, letters: int = 0, limit: int = 10**9) -> None:
        self.letters = list(range(letters))
        self.limit = limit
        self.lane: Any = SimpleNamespace(
            number=0, sequence=0, published=0, database=self, look=self.look
        )
        self.lost: Exception | None = None
        self.records: list[Message] = []
        self.stored: dict[int, UUID] = {}

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Topic"]:
        yield self

    async def rows(self, name: str, *arguments: Any) -> Sequence[Any]:
        if name == "unpublished_decisions":
            later = range(arguments[1] + 1, self.lane.sequence + 1)
            return [DECISION | {"sequence": number} for number in later]
        if name == "decision_ids":
            return [{"sequence": n, "id": self.stored[n]} for n in arguments[1] if n in self.stored]
        return [{**LETTER, "id": number} for number in self.letters[: arguments[1]]]

    async def execute(self, name: str, *arguments: Any) -> None:
        if name == "mark_dead_letters_published":
            self.letters = [number for number in self.letters if number not in set(arguments[0])]

    async def widths(self, topics: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(topics, 1)

    async def look(self, _sequence: int) -> None:
        if self.lost:
            raise self.lost

    async def tail(self, _topic: str, _partition: int, count: int) -> list[Any]:
        return [message.headers for message in self.records[-count:]]

    async def publish(self, messages: Sequence[Message]) -> None:
        for index, message in enumerate(messages):
            size = sum(len(part or b"") for part in (message.key, message.value))
            if size + sum(len(value) for _, value in message.headers) > self.limit:
                raise TooLarge(index)
            self.records.append(message)
        await asyncio.sleep(0)

    def append(self, *sequences: int, id_: UUID = VERDICT.id) -> None:
        """Decisions of a worker before this one."""
        for sequence in sequences:
            headers = [
                (names.CE_SEQUENCE, str(sequence).encode()), (names.CE_ID, str(id_).encode())
            ]  # fmt: skip
            self.records.append(Message("decisions", 0, b"a", b"{}", headers))

    def relay(self) -> Relay:
        parts: Any = self
        return Relay(self.lane, SETTINGS, parts, parts, SystemClock(), Metrics(SETTINGS))

    def dead_letters(self) -> DeadLetterOutbox:
        parts: Any = self
        return DeadLetterOutbox(self.lane, SETTINGS, parts, parts)

    @property
    def sequences(self) -> list[int]:
        return [int(dict(m.headers)[names.CE_SEQUENCE]) for m in self.records]


@asynccontextmanager
async def running(run: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(run)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_no_verdict_waits_for_dead_letters() -> None:
    topic = Topic(letters=500)
    topic.lane.sequence = 1
    relay, dead_letters = topic.relay(), topic.dead_letters()
    async with running(dead_letters.run()), running(relay.run()):
        await asyncio.wait_for(relay.drained(), 10)
        published = [message.topic for message in topic.records]
        await asyncio.wait_for(dead_letters.drained(), 10)
    assert SETTINGS.decisions_topic in published
    assert published.count(SETTINGS.dead_letters_topic) <= 150
    assert len(topic.records) == 501


async def test_after_a_hole_in_the_topic_publishing_goes_on_at_the_hole() -> None:
    topic = Topic()
    topic.append(1, 2, 5, 6)
    topic.lane.sequence, topic.lane.published = 7, 1
    relay = topic.relay()
    async with running(relay.run()):
        await asyncio.wait_for(relay.drained(), 10)
    assert topic.sequences[4:] == [3, 4, 5, 6, 7]


async def test_the_value_tells_what_the_headers_tell_and_a_repeat_has_the_same_bytes() -> None:
    topic = Topic()
    for taken_over in range(2):
        topic.lane.sequence, topic.lane.published = 2, 0
        relay = topic.relay()
        if not taken_over:
            relay.committed({1: VERDICT, 2: VERDICT._replace(id=UUID(int=2))})
        else:  # its predecessor hung before it could mark them, and the tail is not there yet
            topic.tail = AsyncMock(return_value=[])  # type: ignore[method-assign]
            rows = [DECISION, DECISION | {"sequence": 2, "id": UUID(int=2)}]
            topic.rows = AsyncMock(side_effect=[[], rows, []])  # type: ignore[method-assign]
        async with running(relay.run()):
            await asyncio.wait_for(relay.drained(), 10)
    for message in topic.records:
        headers, value = dict(message.headers), orjson.loads(message.value or b"")
        assert value["id"].encode() == headers[names.CE_ID]
        assert value["type"].encode() == headers[names.CE_TYPE]
        assert value["sequence"] == int(headers[names.CE_SEQUENCE] or 0)
        assert value["reason"] == "policy"
    assert topic.records[:2] == topic.records[2:]


async def test_a_mark_that_was_lost_is_found_further_back() -> None:
    topic = Topic()
    topic.append(*range(1, 5_001))
    topic.lane.sequence, topic.lane.published = 5_000, 100
    relay = topic.relay()
    async with running(relay.run()):
        await asyncio.wait_for(relay.tail_known.wait(), 10)
    assert topic.lane.published == 5_000


async def test_one_sequence_with_two_decisions_halts_the_lane() -> None:
    topic = Topic()
    topic.append(1, 2, id_=UUID(int=7))
    topic.lane.sequence, topic.stored = 2, {1: UUID(int=7), 2: UUID(int=8)}
    with pytest.raises(Halted, match="sequence 2 is one decision"):
        await topic.relay().run()


async def test_a_sequence_of_five_thousand_digits_is_not_ours() -> None:
    topic = Topic()
    topic.append(1)
    topic.records[0].headers[0] = (names.CE_SEQUENCE, b"9" * 5_000)  # type: ignore[index]
    topic.lane.sequence = 1
    relay = topic.relay()
    async with running(relay.run()):
        await asyncio.wait_for(relay.drained(), 10)
    assert len(topic.records) == 2


async def test_a_decision_that_does_not_fit_goes_out_without_its_acts() -> None:
    acts = [{"status": "x" * 100} for _ in range(20)]
    value = orjson.dumps({"evidence": {"acts": acts, "omitted": 3, "read_to": {"t": [1]}}})
    topic = Topic(limit=700)
    relay = topic.relay()
    topic.lane.sequence = 2
    relay.committed({1: VERDICT._replace(value=value), 2: VERDICT})
    async with running(relay.run()):
        await asyncio.wait_for(relay.drained(), 10)
    assert topic.sequences == [1, 2]
    small = topic.records[0]
    assert orjson.loads(small.value or b"")["evidence"]["omitted"] == 23
    assert (names.EVIDENCE_OMITTED, b"too-large") in small.headers


async def test_a_dead_letter_with_a_long_key_goes_out_in_its_smallest_form() -> None:
    topic = Topic(letters=1, limit=1_000)
    key = b"k" * 1_048_500
    letter = LETTER | {"id": 0, "key": key, "value": b"v" * 5_000,
                       "header_names": [b"n"], "header_values": [b"h" * 5_000]}  # fmt: skip
    topic.rows = AsyncMock(side_effect=[[letter], [letter], []])  # type: ignore[method-assign]
    dead_letters = topic.dead_letters()
    async with running(dead_letters.run()):
        await asyncio.wait_for(dead_letters.drained(), 10)
    (record,) = topic.records
    assert record.value is None
    assert record.key == b"k" * 64 + sha256(key).hexdigest().encode()
    for marker in (names.VALUE_OMITTED, names.HEADERS_OMITTED, names.KEY_OMITTED):
        assert (marker, b"too-large") in record.headers
    assert dict(record.headers)[names.SOURCE_TOPIC] == b"t"


class Decided:
    """Store, probe and publisher of a lane whose sweeps have committed so many verdicts."""

    def __init__(self, sequence: int) -> None:
        self.lane: Any = SimpleNamespace(
            number=0, sequence=sequence, published=0, database=self, look=self.look
        )
        self.read: list[int] = []
        self.sent: list[int] = []

    async def look(self, _sequence: int) -> None:
        pass

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


async def test_a_lane_whose_decisions_are_lost_is_taken_over_again() -> None:
    topic = Topic()
    topic.lane.sequence, topic.lost = 1, StateLost("lost")
    topic.rows = AsyncMock(return_value=[])  # type: ignore[method-assign]
    with pytest.raises(StateLost):
        await asyncio.wait_for(topic.relay().run(), 10)


async def test_a_lane_halts_whose_decisions_are_missing_for_no_known_reason() -> None:
    topic = Topic()
    topic.lane.sequence, topic.lane.published = 3, 1
    topic.rows = AsyncMock(return_value=[])  # type: ignore[method-assign]
    with pytest.raises(Halted, match="decisions 2 to 3 are not in the database"):
        await asyncio.wait_for(topic.relay().run(), 10)


async def test_nothing_is_published_by_a_lane_that_was_fenced_or_lost_its_state() -> None:
    topic = Topic()
    topic.lane.sequence, topic.lost = 1, StateLost("lost")
    with pytest.raises(StateLost):
        await asyncio.wait_for(topic.relay().run(), 10)
    assert topic.records == []
