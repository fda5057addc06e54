"""The transaction that applies batches: a large one alone, small ones of several lanes together.

The positions move in the same transaction as the rows of the records: both happen, or neither.
"""

from collections.abc import Sequence
from itertools import chain

from worker.clock import Clock, Clocks
from worker.domain.policy import Policies
from worker.errors import KeyTaken
from worker.ingest.dead_letter_limit import DeadLetterLimit
from worker.ingest.entering import Entering
from worker.ingest.joint import Apart, Joint
from worker.ingest.share import Share
from worker.ingest.unknown_statuses import store_unknown
from worker.ingest.versions import enter_versions
from worker.observability.labels import Purpose
from worker.observability.logs import logger
from worker.observability.metrics import Metrics
from worker.observability.tracing import Traces
from worker.storage.database import Database
from worker.storage.transaction import Transaction, columns

log = logger(__name__)

# From this number of records on, COPY costs less than enter_orders.sql, though it needs more
# statements around it.
COPY_THRESHOLD = 64
# Lanes in one transaction: their records are about as many as those of one large batch.
_MOST_TOGETHER = 16
# So that one transaction computes while others wait for Postgres and its disk.
_AT_ONCE = 3


class Writer:
    """Writes the batches of all lanes of a worker."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        clocks: Clocks,
        metrics: Metrics,
        policies: Policies,
        dead_letter_limit: DeadLetterLimit,
        traces: Traces | None,
        orders_topic: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._clocks = clocks
        self._metrics = metrics
        self._entering = Entering(policies, clock)
        self._dead_letter_limit = dead_letter_limit
        self._traces = traces
        self._orders_topic = orders_topic
        self._together = Joint(self._write, most=_MOST_TOGETHER, at_once=_AT_ONCE)

    async def write(self, share: Share) -> None:
        """Write a batch, once. The caller holds the lock of its lane.

        A small batch of a lane that keeps up costs little but for its transaction, so those of all
        lanes share one. Batches that may halt a lane, or that touch more than orders and acts, go
        alone.

        Raises: as :meth:`Intake.apply`.
        """
        if share.batch.count >= COPY_THRESHOLD:
            try:
                await self._write([share], by_copy=True)
            except KeyTaken:
                await self._write([share])
        elif share.rows.is_usual:
            await self._together(share)
        else:
            await self._write([share])

    async def _write(self, shares: Sequence[Share], *, by_copy: bool = False) -> None:
        """Write batches of different lanes in one transaction.

        Raises:
            Apart: something is wrong with one of several; nothing was written.
            Others, as :meth:`Intake.apply`.
        """
        started = self._clock.monotonic()
        shares = sorted(shares, key=lambda share: share.lane.number)
        together, written = len(shares) > 1, False
        for share in shares:
            if self._traces:
                rows = share.rows
                share.spans = self._traces.received(rows.traced, rows.home, rows.orders_by_offset())
        try:
            # All of these lanes wait while one of them does.
            async with self._database.transaction(
                impatient=together, planned_once=not by_copy
            ) as tx:
                await self._begin(tx, shares)
                if by_copy:
                    (share,) = shares
                    await self._entering.by_copy(tx, share)
                else:
                    await self._entering.by_statement(tx, shares)
                for share in shares:
                    await self._follow(tx, share)
                await self._mention(tx, shares)
                written = True
        except Exception as error:
            # A commit that fails may have taken effect.
            if together and not written:
                raise Apart from error
            raise
        for share in shares:
            for span in share.spans.values():
                span.end()
        elapsed = self._clock.monotonic() - started
        self._metrics.transaction_seconds.labels(Purpose.APPLY).observe(elapsed)

    async def _begin(self, tx: Transaction, shares: Sequence[Share]) -> None:
        """Pass the fence, as :meth:`Lane.fence`, and move the positions to the end of the batches.

        Raises:
            Halted: too many records of a batch would be refused.
            Others, as :meth:`Lane.fence`.
        """
        lanes = [share.lane for share in shares]
        moves = [move for share in shares for move in share.moves()]
        left_at = zip(*(share.lane.left_at(share.batch.after) for share in shares), strict=True)
        rows = await tx.rows(
            "begin_batch",
            [lane.number for lane in lanes],
            [lane.epoch for lane in lanes],
            [lane.owner for lane in lanes],
            *columns(moves),
            *([*chain.from_iterable(column)] for column in left_at),
        )
        passed = {row["lane"]: row for row in rows}
        if len(shares) > 1 and len(passed) < len(shares):
            raise Apart  # the one that is fenced will find that alone
        for share in shares:
            lane, after = share.lane, share.batch.after
            share.sequence, share.open_deadlines = lane.compare(
                tx,
                passed.get(lane.number),
                kept=len(lane.positions.keys() - after.keys()),
                moved=len(after),
            )
            share.noticed.clear()  # of an attempt that failed
            await self._dead_letter_limit.check(tx, share.rows.dead_letter_places())

    async def _follow(self, tx: Transaction, share: Share) -> None:
        """Write all that follows from the orders and acts of a batch, but for mentions."""
        lane, rows = share.lane.number, share.rows
        if self._traces and share.spans:
            contexts = [self._traces.context(span) for span in share.spans.values()]
            await tx.execute("insert_traces", list(share.spans), *columns(contexts))
        if rows.changes:
            await tx.execute_each("insert_changes", rows.changes)
        retold = await enter_versions(tx, rows, share.repeats)
        share.to_notice = {*share.to_notice, *rows.without_clock, *rows.changed, *retold}
        if to_notice := list(share.to_notice):
            # Another lane may turn a stub into an order at this moment. The second of the two must
            # see the first: else our act leaves no notice, and its lane decides without.
            await tx.rows("lock_stubs", to_notice)
            noticed = await tx.rows("insert_notices", to_notice, lane, list(rows.changed))
            share.noticed += [row["lane"] for row in noticed]
        if rows.dead_letters:
            letters = [(*each, each[1] != self._orders_topic) for each in rows.dead_letters]
            await tx.execute_each("insert_dead_letters", letters)
        if rows.unknown:
            await store_unknown(tx, rows.unknown)
        for partition in sorted(rows.unread):
            # By the later clock, as at a take-over that finds records gone.
            await tx.execute("raise_partition_coverage", *partition, self._clocks.latest())
            log.error("records_not_inflated", topic=partition[0], partition=partition[1])
        share.open_deadlines += share.timers.armed
        if share.timers.armed != share.counted:
            await tx.execute("update_lane", lane, share.sequence, share.open_deadlines)

    async def _mention(self, tx: Transaction, shares: Sequence[Share]) -> None:
        """Leave notices of acts that may say something by other policies."""
        mentioned = [share.rows.mentioned - share.to_notice for share in shares]
        ready = [share.rows.ready - share.to_notice for share in shares]
        if not any(mentioned) and not any(ready):
            return
        lanes = [
            share.lane.number for share, orders in zip(shares, ready, strict=True) for _ in orders
        ]
        noticed = await tx.rows(
            "notice_mentioned",
            [*chain.from_iterable(mentioned)],
            [*chain.from_iterable(ready)],
            lanes,
        )
        for row in noticed:
            for share, *named in zip(shares, mentioned, ready, strict=True):
                if any(row["order_id"] in orders for orders in named):
                    share.noticed.append(row["lane"])
