"""The intake: the transaction of a lane that applies a batch of records, once.

The positions move in the same transaction as the rows of the records: both happen, or neither.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from schemas.events import RefusalClass
from worker.clock import Clock, Clocks
from worker.domain.policy import Policies
from worker.errors import KeyTaken, RowRejected
from worker.ingest.dead_letter_limit import DeadLetterLimit
from worker.ingest.decoder import Decoder
from worker.ingest.delays import SAMPLE, observe_delays
from worker.ingest.entry import Entry
from worker.ingest.plain import PlainReader
from worker.ingest.refusal_log import RefusalLog
from worker.ingest.registry.schemas import SchemasMissing
from worker.ingest.rows import (
    Rows,
    act_columns,
    add_dead_letter,
    deadline_rows,
    decode_into,
    is_salvaged,
    order_columns,
)
from worker.ingest.unknown_statuses import store_unknown
from worker.ingest.versions import enter_versions
from worker.lanes.lane import Lane
from worker.lanes.timers import TimerChange, arm_reminders, earlier
from worker.observability.labels import Effect, Purpose
from worker.observability.logs import logger
from worker.observability.metrics import Metrics
from worker.observability.tracing import Traces, carries_context
from worker.records import Batch, Record, Refusal
from worker.storage import binary_copy
from worker.storage.transaction import Transaction, columns, text_array

log = logger(__name__)

_NO_MARK = (None, None)
# From this number of records on, COPY costs less than enter_orders.sql, though it needs more
# statements around it.
COPY_THRESHOLD = 64


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The work that a batch leaves to others.

    ``noticed`` are the lanes that have new notices. ``rearmed`` says that the lane's next deadline
    or reminder comes earlier now.
    """

    noticed: frozenset[int]
    dead_letters: int
    rearmed: bool


class _EntryResult(NamedTuple):
    """The effect of entering a batch's orders and acts.

    ``orders`` is the number of new orders, ``to_notice`` the orders that may need a notice,
    ``repeats`` those that may have been known before, and ``counted`` the number of armed deadlines
    that the lane's row counts already.
    """

    orders: int
    timers: TimerChange
    to_notice: set[str]
    repeats: Collection[str] = ()
    counted: int = 0


class Intake:
    """Applies batches to one lane, under the epoch of its take-over."""

    def __init__(
        self,
        lane: Lane,
        decoder: Decoder,
        policies: Policies,
        clock: Clock,
        clocks: Clocks,
        metrics: Metrics,
        dead_letter_limit: DeadLetterLimit,
        traces: Traces | None = None,
        *,
        orders_topic: str = "",
        least_window: timedelta | None = None,
        keep_bodies: bool = False,
        native: Any = None,
    ) -> None:
        self._lane = lane
        self._decoder = decoder
        self._policies = policies
        self._entry = Entry(policies, orders_topic, least_window, keep_bodies=keep_bodies)
        self._plain = native and PlainReader(native, decoder, self._entry, lane.number, metrics)
        self._clock = clock
        self._clocks = clocks
        self._metrics = metrics
        self._dead_letter_limit = dead_letter_limit
        self._refusal_log = RefusalLog(lane.number, clock)
        self._traces = traces

    def new_rows(self) -> Rows:
        """Return empty rows for a batch that begins now."""
        return Rows(self._clock.now())

    def decode(self, rows: Rows, records: Sequence[Record], *, pack: bool = False) -> None:
        """Decode records and add them to ``rows``; the records need not be kept.

        ``pack`` packs the acts for COPY at once, which is for large batches.

        Raises:
            RowRejected: as :meth:`apply`.
            SchemasMissing: the records need schemas that are not known yet; nothing was added.
        """
        if missing := self._decoder.missing_schemas(records):
            raise SchemasMissing(missing)
        # By the later of two clocks: a worker whose clock is behind refuses nothing for that.
        latest = self._clocks.latest()
        at, sampled = 0, max(1, len(records) // SAMPLE)
        while at < len(records):
            begin = at
            if pack and self._plain is not None:
                at = self._plain.read(rows, records, begin, latest, sampled)
            # Where no record was plain, the others of a chunk hardly are.
            end = at + 1 if at > begin else len(records)
            self._decode(rows, records[at:end], latest)
            at = end
        if self._traces:
            rows.traced += filter(carries_context, records)
        if pack:
            try:
                rows.pack()
            except UnicodeError as error:
                raise RowRejected(type(error).__name__, "22000") from None

    def _decode(self, rows: Rows, records: Sequence[Record], latest: datetime) -> None:
        before = len(rows.acts)
        decode_into(rows, records, self._lane.number, self._decoder, self._entry, latest)
        observe_delays(self._metrics, records, rows.acts[before:])

    async def apply(self, batch: Batch, rows: Rows) -> BatchResult:
        """Apply a batch, once.

        Raises:
            Fenced: another worker owns the lane.
            StateLost: the database lost commits of this lane; take the lane again.
            Halted: too many of its records would be refused.
            RowRejected: Postgres refuses a row; nothing was written. Try fewer records.
            DatabaseUnavailable: the outcome is not known; take the lane again.
        """
        # There are two ways to enter orders and acts, for speed. COPY costs half as much in a large
        # batch, but it cannot skip a row whose key exists. If another lane inserts the same order
        # after _enter_by_copy() has looked, COPY fails with KeyTaken and the transaction is void.
        # The same rows then go through _enter(), whose INSERT waits for the other lane and leaves
        # its row as it is.
        #
        # By then the rows are half packed: the acts are bytes for COPY and their values are gone,
        # while orders and stubs are still values. So _enter() sends packed acts by COPY as well.
        # That cannot meet the same error, because the table of acts has no unique key.
        async with self._lane.lock:
            use_copy = batch.count >= COPY_THRESHOLD
            try:
                return await self._write(batch, rows, use_copy=use_copy)
            except KeyTaken:
                return await self._write(batch, rows)

    async def refuse(self, batch: Batch, record: Record, error: RowRejected) -> BatchResult:
        """Apply a batch of one record as a dead letter, because Postgres refuses its row.

        Raises:
            Fenced, StateLost, Halted, DatabaseUnavailable: as :meth:`apply`.
        """
        rows = self.new_rows()
        order_ids = self._decoder.named_orders(record)
        refusal = Refusal(RefusalClass.DATABASE, f"SQLSTATE {error.sqlstate}", order_ids)
        add_dead_letter(rows, record, refusal, self._lane.number)
        async with self._lane.lock:
            return await self._write(batch, rows)

    async def _write(self, batch: Batch, rows: Rows, *, use_copy: bool = False) -> BatchResult:
        started = self._clock.monotonic()
        notices = []
        spans = (
            self._traces.received(rows.traced, rows.home, rows.orders_by_offset())
            if self._traces
            else {}
        )
        async with self._lane.database.transaction() as tx:
            sequence, open_deadlines = await self._begin(tx, batch)
            await self._dead_letter_limit.check(tx, rows.dead_letter_places())
            enter = self._enter_by_copy if use_copy else self._enter
            entered, timers, to_notice, repeats, counted = await enter(tx, rows)
            if self._traces and spans:
                contexts = [self._traces.context(span) for span in spans.values()]
                await tx.execute("insert_traces", list(spans), *columns(contexts))
            if rows.changes:
                await tx.execute_each("insert_changes", rows.changes)
            retold = await enter_versions(tx, rows, repeats)
            if to_notice := to_notice | rows.without_clock | rows.changed | retold:
                # Another lane may turn a stub into an order at this moment. The second of the two
                # must see the first: else our act leaves no notice, and its lane decides without.
                await tx.rows("lock_stubs", list(to_notice))
                notices = await tx.rows(
                    "insert_notices", list(to_notice), self._lane.number, list(rows.changed)
                )
            mentioned, ready = rows.mentioned - to_notice, rows.ready - to_notice
            if mentioned or ready:
                notices += await tx.rows("notice_mentioned", list(mentioned), list(ready))
            if rows.dead_letters:
                letters = [
                    (*each, each[1] != self._entry.orders_topic) for each in rows.dead_letters
                ]
                await tx.execute_each("insert_dead_letters", letters)
            if rows.unknown:
                await store_unknown(tx, rows.unknown)
            for partition in sorted(rows.unread):
                # By the later clock, as at a take-over that finds records gone.
                since = self._clocks.latest()
                await tx.execute("raise_partition_coverage", *partition, since)
                log.error("records_not_inflated", topic=partition[0], partition=partition[1])
            open_deadlines += timers.armed
            if timers.armed != counted:
                await tx.execute("update_lane", self._lane.number, sequence, open_deadlines)
        for span in spans.values():
            span.end()
        self._lane.positions.update(batch.after)
        self._lane.marks.update(batch.last)
        self._lane.open_deadlines = open_deadlines
        rearmed = self._lane.rearm(timers)
        self._count(rows, entered, started)
        self._refusal_log.committed(rows)
        lanes = [row["lane"] for row in notices]
        self._metrics.handed_over.inc(len(lanes) - lanes.count(self._lane.number))
        return BatchResult(frozenset(lanes), len(rows.dead_letters), rearmed)

    async def _enter(self, tx: Transaction, rows: Rows) -> _EntryResult:
        """Enter orders, stubs and acts, though other lanes may enter the same at this moment."""
        rows.unpack([*rows.packed_orders])
        stubs, orders, touched = rows.stubs(), rows.orders, rows.touched
        if not (orders or rows.acts or rows.packed_acts):
            return _EntryResult(0, TimerChange(), touched)
        if rows.packed_acts:  # left by _enter_by_copy(), see apply()
            await tx.copy_packed("acts", binary_copy.ACT_COLUMNS, rows.packed_acts)
        result = await tx.row(
            "enter_orders",
            *self._order_constants(rows),
            stubs,
            *order_columns(orders.values()),
            list(touched),
            *act_columns(rows),
        )
        assert result is not None
        entered, armed, fires_at = result["entered"], result["armed"], result["first_fires_at"]
        counted = armed
        if entered < len(orders):
            # The others are repeats, or have no more than a stub or the half of an order yet.
            adopted = await self._adopt(tx, rows, list(orders))
            entered += adopted["entered"]
            armed += adopted["armed"]
            fires_at = earlier(fires_at, adopted["first_fires_at"])
        timers = TimerChange(armed, fires_at, await self._arm_reminders(tx, list(orders)))
        # An order that neither existed nor was inserted by us came while we waited for its key. The
        # statement's answer does not include it, so all touched orders may need a notice.
        missing = {*stubs}.difference(result["met"])
        complete = result["entered"] == len(orders) and result["stubs"] == len(missing)
        to_notice = {*result["watched"]} if complete else touched
        # Which of them were known is not worth a query of its own where all are new.
        repeats = orders if entered < len(orders) else ()
        return _EntryResult(entered, timers, to_notice, repeats, counted)

    async def _enter_by_copy(self, tx: Transaction, rows: Rows) -> _EntryResult:
        """Enter orders, stubs and acts at half the cost, if no other lane enters the same.

        Raises:
            KeyTaken: another lane entered one of them; the transaction is void.
        """
        lane, orders = self._lane.number, rows.orders
        order_ids = text_array(orders.keys() | rows.packed_orders.keys() | rows.touched)
        known = {row["order_id"]: row for row in await tx.rows("existing_orders", order_ids)}
        rows.unpack(known)
        new = [order for order_id, order in orders.items() if order_id not in known]
        if packed := rows.pack_orders(lane, new, rows.stubs(known)):
            # In the order of their keys: two lanes that meet wait for each other instead of
            # deadlocking.
            await tx.copy_packed("orders", binary_copy.ORDER_COLUMNS, packed)
        deadlines = deadline_rows(lane, new)
        fires_at = deadlines[0][1] if deadlines else None
        packed = binary_copy.deadlines(deadlines)
        if rows.packed_orders:
            plain, first = self._plain.deadlines(rows)
            packed.append(plain)
            fires_at = earlier(fires_at, first)
        if packed:
            await tx.copy_packed("deadlines", binary_copy.DEADLINE_COLUMNS, packed)
        rows.pack()
        await tx.copy_packed("acts", binary_copy.ACT_COLUMNS, rows.packed_acts)
        entered = len(new) + len(rows.packed_orders)
        armed = len(deadlines) + len(rows.packed_orders)
        unread = [o for o in orders if o in known and _is_unread(known[o], lane)]
        if unread:
            adopted = await self._adopt(tx, rows, unread)
            entered += adopted["entered"]
            armed += adopted["armed"]
            fires_at = earlier(fires_at, adopted["first_fires_at"])
        reminded = [*orders, *rows.packed_orders]
        timers = TimerChange(armed, fires_at, await self._arm_reminders(tx, reminded))
        # Skip the others: the fence guarantees that this lane's orders have not changed since we
        # read them, and new stubs belong to no lane yet.
        to_notice = {
            order_id
            for order_id in rows.touched & known.keys()
            if known[order_id]["lane"] != lane or known[order_id]["watched"]
        }
        repeats = [o for o in orders if o in known and not _is_unread(known[o], lane)]
        return _EntryResult(entered, timers, to_notice, repeats)

    async def _adopt(self, tx: Transaction, rows: Rows, order_ids: list[str]) -> Any:
        """Enter orders with no more than a stub or a salvaged row; return numbers and first time.

        A salvaged order is no news for its own row.
        """
        readable = [each for each in order_ids if not is_salvaged(rows.orders[each])]
        found = await tx.rows("lock_unread", order_ids, readable, self._lane.number)
        adopted = order_columns([rows.orders[row["order_id"]] for row in found])
        return await tx.row("adopt_orders", *self._order_constants(rows), *adopted)

    def _order_constants(self, rows: Rows) -> tuple[object, ...]:
        topic, partition = rows.home or (None, None)
        return self._lane.number, topic, partition, rows.now

    async def _arm_reminders(self, tx: Transaction, order_ids: Sequence[str]) -> datetime | None:
        if not order_ids or not self._policies.reminds:
            return None
        return await arm_reminders(
            tx, self._lane.number, order_ids, self._clock.now(), self._policies
        )

    async def _begin(self, tx: Transaction, batch: Batch) -> tuple[int, int]:
        """Pass the fence, as :meth:`Lane.fence`, and move the positions to the end of the batch."""
        lane, before = self._lane, self._lane.positions
        moves = [
            (*partition, before[partition], after, *batch.last.get(partition, _NO_MARK))
            for partition, after in batch.after.items()
        ]
        left_at = lane.left_at(batch.after)
        row = await tx.row(
            "begin_batch", lane.number, lane.epoch, lane.owner, *columns(moves), *left_at
        )
        return lane.compare(tx, row, kept=len(left_at[0]), moved=len(moves))

    def _count(self, rows: Rows, entered: int, started: float) -> None:
        for (topic, outcome), number in rows.outcomes.items():
            # Only the database knows that an order repeats one of an earlier batch.
            # Orders of refused records were entered beside those.
            repeats = max(0, number - entered) if outcome == Effect.CREATED else 0
            self._metrics.records.labels(topic, Effect.REPEAT).inc(repeats)
            self._metrics.records.labels(topic, outcome).inc(number - repeats)
        for error, number in rows.refusals.items():
            self._metrics.dead_letters.labels(error).inc(number)
        for (_, topic), found in rows.unknown.items():
            self._metrics.unknown_statuses.labels(topic).inc(found.records)
        if rows.outcomes:
            self._metrics.batch_records.observe(rows.outcomes.total())
        elapsed = self._clock.monotonic() - started
        self._metrics.transaction_seconds.labels(Purpose.APPLY).observe(elapsed)


def _is_unread(row: Mapping[str, Any], lane: int) -> bool:
    """Whether an order has no more than a stub, or what our lane salvaged of it."""
    return row["lane"] is None or (row["lane"] == lane and bool(row["salvaged"]))
