"""Settles dead letters: replays their records, or discards them.

The order of the steps of a replay keeps the promise of no false cancel: see :meth:`Replay.chunk`.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from worker.kafka.offsets import OffsetReader
from worker.kafka.producer import Message, Producer, TooLarge
from worker.operations.actions import record
from worker.records import Partition
from worker.settings import Settings
from worker.storage.database import Database

REPLAYED_FROM = "plazo-replayed-from"
CHUNK = 100

_COMMANDS = {"replayed": "dead-letters replay", "discarded": "dead-letters discard"}
_POLL = 0.1
_CLOSE_WITHIN = 5.0  # seconds

# Called with the number of dead letters that are done, and with the total.
Progress = Callable[[int, int], None]


@dataclass
class ReplayResult:
    """The ids of dead letters, by what the replay did with them."""

    replayed: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    # Settled before, or never there.
    not_open: list[int] = field(default_factory=list)
    # The ids of orders.
    still_shielded: list[str] = field(default_factory=list)


@dataclass
class DiscardResult:
    """The ids of dead letters, by what the command did with them."""

    discarded: list[int]
    not_open: list[int]


async def replay(
    settings: Settings,
    database: Database,
    numbers: Collection[int],
    *,
    error: str | None,
    dry_run: bool,
    author: str,
    wait: float,
    progress: Progress = lambda _done, _total: None,
) -> ReplayResult:
    """Publish records again and settle their dead letters.

    No ``numbers`` and no ``error`` means all that are open. Workers get ``wait`` seconds to read
    each chunk.

    Raises:
        PublishFailed, KafkaUnavailable, DatabaseUnavailable: the dead letters that are not settled
            yet stay open.
    """
    selected = await _open(database, error, numbers)
    not_open = sorted(set(numbers) - set(selected))
    if dry_run:
        return ReplayResult(selected, not_open=not_open)
    offsets, producer = OffsetReader(settings), Producer(settings)
    steps = Replay(database, offsets, producer, settings.input_topics, author=author, wait=wait)
    steps.result.not_open = not_open
    try:
        done = 0
        progress(done, len(selected))
        for chunk in _chunks(selected):
            await steps.chunk(chunk)
            progress(done := done + len(chunk), len(selected))
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN):
                await producer.close()
                await offsets.close()
    return steps.result


async def discard(
    database: Database,
    numbers: Collection[int],
    *,
    error: str | None,
    dry_run: bool,
    author: str,
    progress: Progress = lambda _done, _total: None,
) -> DiscardResult:
    """Settle dead letters without a replay: they no longer shield an order.

    No ``numbers`` and no ``error`` means all that are open.

    Raises:
        DatabaseUnavailable: the dead letters that are not settled yet stay open.
    """
    selected = await _open(database, error, numbers)
    if not dry_run:
        done = 0
        progress(done, len(selected))
        for chunk in _chunks(selected):
            await _settle(database, chunk, "discarded", author, read=True)
            progress(done := done + len(chunk), len(selected))
    return DiscardResult(selected, sorted(set(numbers) - set(selected)))


class Replay:
    """The steps of a replay, and their result so far."""

    def __init__(
        self,
        database: Database,
        offsets: OffsetReader,
        producer: Producer,
        topics: Sequence[str],
        *,
        author: str,
        wait: float,
    ) -> None:
        self._database = database
        self._offsets = offsets
        self._producer = producer
        self._topics = topics
        self._author = author
        self._wait = wait
        self.result = ReplayResult()

    async def chunk(self, numbers: Sequence[int]) -> None:
        """Replay a few.

        Raises:
            PublishFailed, KafkaUnavailable, DatabaseUnavailable: all of them stay open.
        """
        rows = await self._database.rows("dead_letters_by_id", list(numbers))
        messages = await self._messages(rows)
        for number in await self._publish(messages) if messages else ():
            del messages[number]
            self.result.failed[number] = "the topic takes no record of this size"
        if not messages:
            return
        sent = list(messages)
        # Acknowledged first, settled after. If we die in between, the letter stays open and its
        # record is sent twice, which changes nothing; the other way round it would be lost.
        #
        # The shield may go once the record has taken effect. Before that, a verdict that is due
        # might rest on a proof of freshness made before the record stood in the log: it would
        # neither see what the record says nor the shield, and cancel. Orders whose deadline lies
        # ahead have no such proof, so where no worker reads only theirs are lowered:
        # sql/delete_shields.sql.
        ends = await self._ends({(m.topic, m.partition) for m in messages.values()})
        read = await self._wait_until_read(ends)
        await _settle(self._database, sent, "replayed", self._author, read=read)
        shields = await self._database.rows("remaining_shields", sent)
        self.result.still_shielded += [row["order_id"] for row in shields]
        self.result.replayed += sent
        if not read:
            self._wait = 0.0  # no worker reads: one wait is enough to find that out

    async def _messages(self, rows: Iterable[Any]) -> dict[int, Message]:
        widths = await self._offsets.widths(self._topics)
        messages = {}
        for row in rows:
            if row["topic"] in widths:
                messages[row["id"]] = _message(row, widths[row["topic"]])
            else:
                self.result.failed[row["id"]] = (
                    f"{row['topic']} is no input topic, or does not exist"
                )
        return messages

    async def _publish(self, messages: dict[int, Message]) -> list[int]:
        """Append all and wait for the acknowledgements; return the ids of those too large."""
        try:
            await self._producer.publish(list(messages.values()))
        except TooLarge:
            # Some are appended already: their repeats change nothing.
            too_large = []
            for number, message in messages.items():
                try:
                    await self._producer.publish([message])
                except TooLarge:
                    too_large.append(number)
            return too_large
        return []

    async def _ends(self, partitions: set[tuple[str, int | None]]) -> dict[Partition, int]:
        """The ends of these partitions; a record without a known one may be in any of its topic."""
        ends = await self._offsets.ends()
        return {p: end for p, end in ends.items() if p in partitions or (p[0], None) in partitions}

    async def _wait_until_read(self, ends: dict[Partition, int]) -> bool:
        """Return whether workers have read up to these ends in the time they are given."""
        deadline = time.monotonic() + self._wait
        while True:
            rows = await self._database.rows("positions")
            positions = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            if all(positions.get(p, -1) >= end for p, end in ends.items()):
                return True
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL)


async def _settle(
    database: Database, numbers: list[int], state: str, author: str, *, read: bool
) -> None:
    async with database.transaction() as tx:
        await tx.execute("delete_shields", numbers, read)
        await tx.execute("settle_dead_letters", numbers, state, author, read)
        await record(tx, author, _COMMANDS[state], ids=numbers)


def _chunks(numbers: Sequence[int]) -> Iterator[list[int]]:
    return ([*numbers[n : n + CHUNK]] for n in range(0, len(numbers), CHUNK))


async def _open(database: Database, error: str | None, numbers: Collection[int]) -> list[int]:
    rows = await database.rows("unsettled_dead_letters", error, list(numbers) or None)
    return [row["id"] for row in rows]


def _message(row: Any, width: int) -> Message:
    """The original record for its original partition: the order's other records are there too."""
    headers = [
        (name.decode("utf-8", "backslashreplace"), value)
        for name, value in zip(row["header_names"], row["header_values"], strict=True)
    ]
    source = f"{row['topic']}/{row['partition']}/{row['offset']}"
    headers.append((REPLAYED_FROM, source.encode()))
    partition = row["partition"] if row["partition"] < width else None
    return Message(row["topic"], partition, row["key"], row["value"], headers)
