"""The order of a replay's steps, on which the promise of no false cancel rests."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from worker.errors import PublishFailed
from worker.kafka.producer import Message, TooLarge
from worker.operations.dead_letters import Replay

TOPIC = "order-status-changed"


def letter(number: int, topic: str = TOPIC, partition: int = 0, value: bytes = b"?") -> Any:
    return {
        "id": number, "topic": topic, "partition": partition, "offset": number, "key": b"o-1",
        "value": value, "header_names": [b"x"], "header_values": [b"1"],
    }  # fmt: skip


class Parts:
    """Database, offsets and producer in one; ``steps`` are the calls of all three, in order."""

    def __init__(self, *letters: Any, read_to: int = 10, end: int = 10) -> None:
        self.letters = {one["id"]: one for one in letters}
        self.read_to, self.end = read_to, end
        self.steps: list[tuple[Any, ...]] = []
        self.published: list[Message] = []
        self.fails: Exception | None = None

    async def rows(self, name: str, *arguments: Any) -> list[Any]:
        self.steps.append((name,))
        if name == "dead_letters_by_id":
            return [self.letters[number] for number in arguments[0]]
        if name == "positions":
            return [{"topic": TOPIC, "partition": 0, "next_offset": self.read_to}]
        return [{"order_id": "o-1"}] if name == "remaining_shields" else []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Parts"]:
        self.steps.append(("begin",))
        yield self
        self.steps.append(("commit",))

    async def execute(self, name: str, *arguments: Any) -> None:
        self.steps.append((name, *arguments[:2]))

    async def widths(self, topics: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(topics, 2)

    async def ends(self) -> dict[tuple[str, int], int]:
        self.steps.append(("ends",))
        return {(TOPIC, 0): self.end, (TOPIC, 1): 99, ("order-created", 0): 99}

    async def publish(self, messages: Sequence[Message]) -> None:
        self.steps.append(("publish", len(messages)))
        if self.fails is not None:
            raise self.fails
        large = [len(one.value or b"") > 10 for one in messages]
        if any(large):
            raise TooLarge(large.index(True))
        self.published += messages


def replay_with(parts: Parts, wait: float = 0.0) -> Replay:
    made: Any = parts
    return Replay(made, made, made, [TOPIC], author="ana", wait=wait)


async def test_a_record_is_acknowledged_and_read_before_its_letter_is_settled() -> None:
    parts = Parts(letter(7))
    replay = replay_with(parts)
    await replay.chunk([7])
    assert parts.steps == [
        ("dead_letters_by_id",),
        ("publish", 1),
        ("ends",),
        ("positions",),
        ("begin",),
        ("delete_shields", [7], True),
        ("settle_dead_letters", [7], "replayed"),
        ("record_action", "ana", "dead-letters replay"),
        ("commit",),
        ("remaining_shields",),
    ]
    (message,) = parts.published
    assert message.headers == [("x", b"1"), ("plazo-replayed-from", f"{TOPIC}/0/7".encode())]
    assert replay.result.replayed == [7]
    assert replay.result.still_shielded == ["o-1"]


async def test_without_a_reader_the_shields_of_due_orders_stay() -> None:
    parts = Parts(letter(7), read_to=9)
    await replay_with(parts).chunk([7])
    assert ("delete_shields", [7], False) in parts.steps


async def test_without_a_reader_only_the_first_chunk_waits() -> None:
    parts = Parts(letter(7), letter(8), read_to=9)
    replay = replay_with(parts, wait=0.05)
    await replay.chunk([7])
    parts.steps.clear()
    await replay.chunk([8])
    assert parts.steps.count(("positions",)) == 1


async def test_a_record_without_a_known_partition_waits_for_all_of_its_topic() -> None:
    parts = Parts(letter(7, partition=5))
    await replay_with(parts).chunk([7])
    assert parts.published[0].partition is None
    assert ("delete_shields", [7], False) in parts.steps, "partition 1 is not read to its end"


async def test_nothing_is_settled_if_a_record_is_not_acknowledged() -> None:
    parts = Parts(letter(7))
    parts.fails = PublishFailed("no answer")
    with pytest.raises(PublishFailed):
        await replay_with(parts).chunk([7])
    assert parts.steps == [("dead_letters_by_id",), ("publish", 1)]


async def test_a_letter_that_cannot_be_sent_stays_open_beside_the_others() -> None:
    parts = Parts(letter(7, value=b"?" * 11), letter(8, topic="of.old"), letter(9))
    replay = replay_with(parts)
    await replay.chunk([7, 8, 9])
    assert list(replay.result.failed) == [8, 7]
    assert replay.result.replayed == [9]
    assert ("settle_dead_letters", [9], "replayed") in parts.steps
    parts.steps.clear()
    await replay.chunk([8])
    assert parts.steps == [("dead_letters_by_id",)], "nothing to send, nothing to settle"
