"""A model of Kafka's servers: logs with transactions, and a consumer group."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.simulation.loop import Process
from worker.kafka.assignor import LaneAssignor
from worker.records import Partition, Record

if TYPE_CHECKING:
    from tests.simulation.kafka_clients import SimConsumer
    from tests.simulation.world import World

# The id of each topic, until it is made again.
FIRST_ID = b"first"
# Virtual time 0.
BASE = datetime(2026, 11, 22, 15, tzinfo=UTC)
EPOCH_MS = int(BASE.timestamp() * 1000)

HEARTBEAT = 1.0
REBALANCE_TIMEOUT = 15.0
# What a broker acknowledged to nobody arrives no later than this.
LATEST_ARRIVAL = 6.0


class Transaction:
    """A producer's transaction: open, committed or aborted."""

    def __init__(self) -> None:
        self.state = "open"
        self.logs: list[Log] = []


class Entry(NamedTuple):
    record: Record | None  # None: a marker, or compaction removed it
    transaction: Transaction | None
    stored_at: float
    is_marker: bool = False


class Log:
    """One partition. Offsets below ``begin`` were removed by retention."""

    def __init__(self, topic: str, partition: int, begin: int = 0) -> None:
        self.topic = topic
        self.partition = partition
        self.begin = begin
        self.entries: list[Entry] = []
        # Another topic of this name has another id; a log that was cut has another leader.
        self.topic_id = FIRST_ID
        self.leader_epoch = 0
        # Whether retention has removed offsets, and their records, whether or not somebody had read
        # them.
        self.shortened = False
        self.retained: list[Record] = []
        # What compaction has removed in between.
        self.compacted: list[Record] = []
        # When its first record was stored, if it began with it.
        self.first_at: float | None = None
        self.lag = 0.0  # a record is fetched no sooner than this after it was stored
        self.stalled_until = 0.0
        self.waiting: list[asyncio.Future[None]] = []

    @property
    def identity(self) -> tuple[bytes, int]:
        """What tells this log from one that was cut or made again."""
        return self.topic_id, self.leader_epoch

    @property
    def end(self) -> int:
        """The high watermark."""
        return self.begin + len(self.entries)

    @property
    def stable_end(self) -> int:
        """The last stable offset: nobody reads committed records beyond an open transaction."""
        for number, entry in enumerate(self.entries):
            if entry.transaction is not None and entry.transaction.state == "open":
                return self.begin + number
        return self.end

    def append(
        self,
        now: float,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
        transaction: Transaction | None = None,
        timestamp: int | None = None,
    ) -> int:
        offset = self.end
        if timestamp is None:
            timestamp = EPOCH_MS + math.floor(now * 1000 + 1e-6)
        record = Record(self.topic, self.partition, offset, timestamp, key, value, tuple(headers))
        self.entries.append(Entry(record, transaction, now))
        if offset == 0 and self.first_at is None:
            self.first_at = now
        if transaction is not None and self not in transaction.logs:
            transaction.logs.append(self)
        self.wake()
        return offset

    def mark(self, now: float, transaction: Transaction) -> None:
        """Append the marker that ends a transaction here."""
        self.entries.append(Entry(None, transaction, now, is_marker=True))
        self.wake()

    def forget_first(self, count: int) -> None:
        """Retention removes the first records; of a transaction that is open none."""
        count = min(count, self.stable_end - self.begin)
        self.retained += [
            entry.record
            for entry in self.entries[:count]
            if entry.record
            and (entry.transaction is None or entry.transaction.state == "committed")
        ]
        del self.entries[:count]
        self.begin += count
        self.shortened |= count > 0
        self.wake()

    def compact(self, count: int) -> None:
        """The cleaner removes, of the first records, those with a later one of the same key."""
        stable = self.stable_end - self.begin
        last = {
            entry.record.key: n for n, entry in enumerate(self.entries[:stable]) if entry.record
        }
        for number, entry in enumerate(self.entries[: min(count, stable)]):
            if entry.record and entry.record.key and last[entry.record.key] > number:
                if entry.transaction is None or entry.transaction.state == "committed":
                    self.compacted.append(entry.record)
                self.entries[number] = Entry(None, entry.transaction, entry.stored_at)
        self.wake()

    def forget_last(self, count: int) -> list[Record]:
        """A replica without the last records becomes the leader; returns what is lost."""
        kept = len(self.entries) - count
        lost = [entry.record for entry in self.entries[kept:] if entry.record]
        del self.entries[kept:]
        # Other records take the offsets of those that compaction had removed there, too.
        lost += [record for record in self.compacted if record.offset >= self.end]
        self.compacted = [record for record in self.compacted if record.offset < self.end]
        self.leader_epoch += 1
        self.wake()
        return lost

    def begin_anew(self) -> list[Record]:
        """The topic is deleted and made again; returns what is lost."""
        lost = [entry.record for entry in self.entries if entry.record]
        self.entries.clear()
        self.begin = 0
        self.topic_id = b"again %d" % len(self.topic_id)
        self.wake()
        return lost

    def wake(self) -> None:
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def fetch(self, now: float, position: int, limit: int) -> tuple[list[Record], int]:
        """Committed records behind ``position``, and the position behind them."""
        found: list[Record] = []
        if now < self.stalled_until:
            return found, position
        stable = self.stable_end
        while position < stable:
            entry = self.entries[position - self.begin]
            if entry.stored_at + self.lag > now:
                break
            aborted = entry.transaction is not None and entry.transaction.state == "aborted"
            if entry.record is not None and not aborted:
                if len(found) == limit:
                    break
                found.append(entry.record)
            position += 1
        return found, position

    def records(self) -> list[Record]:
        """What a reader of committed records finds in the end."""
        return self.fetch(float("inf"), self.begin, 1_000_000)[0]


class Broker:
    """Logs and the group's coordinator."""

    def __init__(self, world: "World", widths: Mapping[str, int]) -> None:
        self.world = world
        self.logs = {(t, p): Log(t, p) for t, width in widths.items() for p in range(width)}
        self.widths = dict(widths)
        self.down_until = 0.0
        self.group = Group(world, self)

    @property
    def down(self) -> bool:
        return self.world.loop.now < self.down_until

    def end_transaction(self, transaction: Transaction, state: str) -> None:
        transaction.state = state
        for log in transaction.logs:
            log.mark(self.world.loop.now, transaction)


class Group:
    """The coordinator: eager rebalances, session time-outs, and the assignment by lanes."""

    def __init__(self, world: "World", broker: Broker) -> None:
        self.world = world
        self.broker = broker
        self.members: dict[str, SimConsumer] = {}
        self.joined: dict[str, asyncio.Future[list[Partition]]] = {}
        self.committed: dict[Partition, int] = {}
        self.generation = 0

    def join(self, member: "SimConsumer") -> "asyncio.Future[list[Partition]]":
        future: asyncio.Future[list[Partition]] = self.world.loop.create_future()
        self.members[member.id] = member
        first = not self.joined
        self.joined[member.id] = future
        if first:
            self.rebalance()
        # A new group waits a moment for more members.
        self.world.later(0.2, self._complete)
        return future

    def rebalance(self) -> None:
        """Ask everybody to join anew; who does not in time is thrown out."""
        for member in self.members.values():
            if member.id not in self.joined:
                self.world.later(self.world.rng.uniform(0, HEARTBEAT), member.rejoin)
        self.world.later(REBALANCE_TIMEOUT, self._expire, self.generation)

    def remove(self, member: "SimConsumer") -> None:
        if self.members.pop(member.id, None) is not None:
            self.joined.pop(member.id, None)
            self.rebalance()
            self._complete()

    def silent(self, process: Process) -> None:
        """A process did not heartbeat for a session: its members are out."""
        for member in [one for one in self.members.values() if one.process is process]:
            self.world.note(process, "kicked", member.id, None)
            member.kicked = True
            self.remove(member)

    def _expire(self, generation: int) -> None:
        if generation == self.generation and self.joined:
            for member in [m for m in self.members.values() if m.id not in self.joined]:
                member.kicked = True
                self.remove(member)

    def _complete(self) -> None:
        if not self.joined or any(number not in self.joined for number in self.members):
            return
        self.generation += 1
        joined, self.joined = self.joined, {}
        subscription = LaneAssignor.metadata(self.world.settings.input_topics)
        plan = LaneAssignor.assign(_Cluster(self.broker), dict.fromkeys(joined, subscription))
        for number, future in joined.items():
            parts = [(t, p) for t, numbers in plan[number].assignment for p in numbers]
            self.world.note(None, "assigned", number, parts)
            process: Any = self.members[number].process
            if process.frozen:
                process.given |= {lane for _, lane in parts}
            if not future.done():
                self.world.later(self.world.latency(), resolve, future, parts)


class _Cluster:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self._broker.widths[topic]))


def resolve(future: Any, result: Any = None) -> None:
    if not future.done():
        future.set_result(result)
