"""A lane: its owner, its positions, and the fence at which its transactions begin.

Records and decisions take effect only in :mod:`worker.ingest.apply` and
:mod:`worker.decide.sweep`.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from worker.errors import Fenced, StateLost
from worker.lanes.timers import TimerChange, earlier
from worker.observability.metrics import Metrics
from worker.records import Mark, Partition
from worker.storage.database import Database
from worker.storage.transaction import Transaction


class Lane:
    """One lane under one fencing epoch. After :class:`Fenced` or any fault, take the lane again.

    A database that fails over may lose commits, and then its rows speak of an earlier time than
    ``sequence`` and ``positions`` here. Each transaction compares the two.
    """

    def __init__(self, number: int, database: Database, metrics: Metrics) -> None:
        self.number = number
        self.database = database
        self.epoch = 0
        self.owner = ""
        # The server on which the lane was taken over.
        self.incarnation = ""
        self.sequence = 0
        self.published = 0
        self.open_deadlines = 0
        self.positions: dict[Partition, int] = {}
        self.marks: dict[Partition, Mark] = {}
        # The logs that no longer held all that was to be read, or that a person set back.
        self.cut: set[Partition] = set()
        # Why logs are not those that were read.
        self.others: dict[Partition, str] = {}
        # Of the topics, where a broker told them.
        self.topic_ids: dict[Partition, bytes] = {}
        self.next_fires_at: datetime | None = None
        self.next_reminds_at: datetime | None = None
        # Two transactions of one lane would only wait for each other at the fence, each with its
        # own connection.
        self.lock = asyncio.Lock()
        # Set when the stored state may not be the one in memory; then verify() decides.
        self.doubted = asyncio.Event()
        self._metrics = metrics

    async def acquire(self, owner: str) -> None:
        """Take the lane over: from here on, transactions of older epochs fail.

        Raises:
            DatabaseUnavailable: try again later.
        """
        async with self.database.session() as session:
            await session.rows("end_frozen_sessions")
        async with self.database.transaction(impatient=True) as tx:
            row = await tx.row("acquire_lane", self.number, owner)
            self.owner, self.incarnation = owner, tx.incarnation
            due = await tx.row("next_deadline", self.number)
            reminder = await tx.row("next_reminder", self.number)
        assert row is not None
        assert due is not None
        assert reminder is not None
        self.epoch = row["epoch"]
        self.sequence = row["sequence"]
        self.published = row["published"]
        self.open_deadlines = row["open_deadlines"]
        self.next_fires_at = due[0]
        self.next_reminds_at = reminder[0]
        self._metrics.take_overs.inc()

    async def stored_positions(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The next offset to read of each partition; without those that were never read."""
        async with self.database.session() as session:
            rows = await session.rows(
                "lane_positions", self.number, [topic for topic, _ in partitions]
            )
        self.positions = {(r["topic"], r["partition"]): r["next_offset"] for r in rows}
        self.marks = {
            (r["topic"], r["partition"]): Mark(r["last_offset"], r["last_timestamp"])
            for r in rows
            if r["last_offset"] is not None
        }
        self.topic_ids = {
            (r["topic"], r["partition"]): r["topic_id"] for r in rows if r["topic_id"] is not None
        }
        self.cut = {(r["topic"], r["partition"]) for r in rows if r["covered_since"] is not None}
        self.others = {
            (r["topic"], r["partition"]): r["other_log"] for r in rows if r["other_log"] is not None
        }
        return dict(self.positions)

    async def start_position(
        self,
        partition: Partition,
        next_offset: int,
        covered_since: datetime | None,
        begins_at: datetime | None = None,
        topic_id: bytes | None = None,
    ) -> None:
        """Set a position that was never stored, or that retention has removed from the log.

        The log is complete from ``covered_since`` on if it was cut. ``begins_at`` is the beginning
        of the topic, for the first of its partitions. ``topic_id`` tells it from later topics of
        its name.
        """
        async with self.lock, self.database.transaction() as tx:
            await self.fence(tx)
            await tx.execute(
                "start_position", *partition, next_offset, covered_since, begins_at, topic_id
            )
        self.positions[partition] = next_offset
        if covered_since is not None:
            self.cut.add(partition)
        if topic_id is not None:
            self.topic_ids[partition] = topic_id

    async def keep_finding(self, partition: Partition, reason: str) -> None:
        """Keep why a log is not the one that was read, until a person sets its position back.

        Raises: as :meth:`fence`.
        """
        async with self.lock, self.database.transaction() as tx:
            await self.fence(tx)
            await tx.execute("keep_finding", *partition, reason)
        self.others[partition] = reason

    async def identify(self, topic_ids: Mapping[Partition, bytes]) -> None:
        """Keep the ids of topics whose positions are older than this knowledge.

        Raises: as :meth:`fence`.
        """
        async with self.lock, self.database.transaction() as tx:
            await self.fence(tx)
            for partition, topic_id in topic_ids.items():
                await tx.execute("identify_topic", *partition, topic_id)
        self.topic_ids.update(topic_ids)

    async def stored_sequence(self) -> int:
        """The last sequence of a decision in the database.

        Raises: as :meth:`fence`.
        """
        async with self.lock, self.database.transaction() as tx:
            sequence, *_ = await self.fence(tx)
        return sequence

    async def verify(self) -> None:
        """Check that the database holds what this lane committed.

        Raises: as :meth:`fence`.
        """
        # Not before: a doubt that comes while the fence is passed counts.
        self.doubted.clear()
        await self.stored_sequence()

    async def look(self, sequence: int) -> None:
        """Check that decisions up to this sequence are ours to publish, without a lock.

        Raises: as :meth:`fence`.
        """
        async with self.database.session() as session:
            row = await session.row("look_at_lane", self.number, self.epoch, self.owner)
            self._same_server(session, row)
        assert row is not None
        if row["sequence"] < sequence:
            raise self._lost(f"its last sequence is {row['sequence']}, to publish is {sequence}")

    async def release(self) -> None:
        """Give up the ownership: the next owner need not wait for us."""
        async with self.lock, self.database.session() as session:
            await session.execute("release_lane", self.number, self.epoch, self.owner)

    async def fence(self, tx: Transaction) -> tuple[int, int, datetime]:
        """Begin a transaction of this lane.

        Returns its last sequence, the number of open deadlines, and the database's time.

        Raises:
            Fenced: another worker owns the lane.
            StateLost: the database lost commits of this lane; take the lane again.
            DatabaseUnavailable: the outcome is not known; take the lane again.
        """
        left_at = self.left_at()
        row = await tx.row("lock_lane", self.number, self.epoch, self.owner, *left_at)
        sequence, open_deadlines = self.compare(tx, row, kept=len(left_at[0]))
        assert row is not None
        return sequence, open_deadlines, row["told_at"]

    def left_at(self, moving: Collection[Partition] = ()) -> tuple[list[str], list[int], list[int]]:
        """The positions as this lane left them, in columns; without those that are ``moving``."""
        rest = [(*place, at) for place, at in self.positions.items() if place not in moving]
        return [r[0] for r in rest], [r[1] for r in rest], [r[2] for r in rest]

    def compare(self, tx: Transaction, row: Any, *, kept: int, moved: int = 0) -> tuple[int, int]:
        """Compare the row of a fence with the memory of this lane.

        Returns its last sequence and the number of open deadlines.
        ``kept`` positions must be where they were left, and ``moved`` must have moved from there.

        Raises:
            Fenced, StateLost: as :meth:`fence`.
        """
        self._same_server(tx, row)
        if row["sequence"] != self.sequence:
            raise self._lost(f"its last sequence is {row['sequence']}, ours {self.sequence}")
        if row["kept"] != kept or (moved and row["moved"] != moved):
            raise self._lost("a stored position is not where it was left")
        return row["sequence"], row["open_deadlines"]

    def _same_server(self, tx: Transaction, row: Any) -> None:
        if row is None:
            self._metrics.fenced.inc()
            raise Fenced(f"lane {self.number}: another worker has taken it over")
        if not tx.incarnation == self.database.incarnation == self.incarnation:
            # What it lost may lie in rows that nobody compares, such as acts of other lanes.
            raise StateLost(f"lane {self.number}: the database failed over or restarted")

    def _lost(self, what: str) -> StateLost:
        return StateLost(f"lane {self.number}: the database lost commits of this lane: {what}")

    def rearm(self, change: TimerChange) -> bool:
        """Update the timers after an addition; returns whether one of them moved forward."""
        before = self.next_fires_at, self.next_reminds_at
        self.next_fires_at = earlier(self.next_fires_at, change.first_fires_at)
        self.next_reminds_at = earlier(self.next_reminds_at, change.first_reminds_at)
        return (self.next_fires_at, self.next_reminds_at) != before
