"""The intake: a lane's transaction that lets a batch of records take effect, once.

Positions move together with what the records become, so it happens whole or not at all.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from schemas.events import RefusalClass
from worker.clock import Clock
from worker.domain.policy import Policies
from worker.errors import KeyTaken, RowRejected
from worker.ingest.dead_letter_limit import DeadLetterLimit
from worker.ingest.decoder import Decoder
from worker.ingest.rows import Rows, act_columns, deadline_rows, order_columns, refuse, sort_out
from worker.lanes.lane import Lane
from worker.lanes.timers import TimerChange, arm_reminders, earlier
from worker.observability.labels import Effect, Purpose
from worker.observability.metrics import Metrics
from worker.observability.tracing import Traces, carries_context
from worker.records import Batch, Record, Refusal
from worker.storage import binary_copy
from worker.storage.transaction import Transaction, columns, text_array

_NO_MARK = (None, None)
# From so many orders and acts on COPY costs less, with all the statements around it.
MANY = 64


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch did beyond its records: which lanes have orders to look at again."""

    noticed: frozenset[int]
    dead_letters: int
    # Whether the lane has a deadline or a reminder that comes before all others.
    rearmed: bool


class _EntryResult(NamedTuple):
    """How many orders entered, what deadlines they brought, which may need another look, and how
    many of the deadlines the lane's row has counted already."""

    orders: int
    moved: TimerChange
    looked_at: set[str]
    counted: int = 0


class Intake:
    """Applies batches to one lane, under the epoch that it was taken with."""

    def __init__(
        self,
        lane: Lane,
        decoder: Decoder,
        policies: Policies,
        clock: Clock,
        metrics: Metrics,
        dead_letter_limit: DeadLetterLimit,
        traces: Traces | None = None,
    ) -> None:
        self._lane = lane
        self._decoder = decoder
        self._policies = policies
        self._clock = clock
        self._metrics = metrics
        self._dead_letter_limit = dead_letter_limit
        self._traces = traces

    def rows(self) -> Rows:
        """Those of a batch that begins now."""
        return Rows(self._clock.now())

    def sort_out(self, rows: Rows, records: Sequence[Record], *, pack: bool = False) -> None:
        """Read records and sort them into the rows they become.

        Those of a large batch are packed at once; the records need not be kept.

        Raises:
            RowRefused: as :meth:`apply`.
        """
        sort_out(rows, records, self._lane.number, self._decoder, self._policies)
        if self._traces:
            rows.traced += filter(carries_context, records)
        if pack:
            try:
                rows.pack()
            except UnicodeError as error:
                raise RowRejected(type(error).__name__, "22000") from None

    async def apply(self, batch: Batch, rows: Rows) -> BatchResult:
        """Let a batch take effect, once.

        Raises:
            Fenced: another worker owns the lane.
            Halted: too much of it would be refused.
            RowRefused: Postgres refuses a row; nothing has happened. Try fewer records.
            DatabaseUnavailable: the outcome is not known; take the lane anew.
        """
        async with self._lane.lock:
            many = batch.count >= MANY
            try:
                return await self._write(batch, rows, many=many)
            except KeyTaken:
                return await self._write(batch, rows)

    async def refuse(self, batch: Batch, record: Record, error: RowRejected) -> BatchResult:
        """Let a batch of one record take effect as a dead letter, for Postgres refuses its row.

        Raises:
            Fenced, Halted, DatabaseUnavailable: as :meth:`apply`.
        """
        rows = self.rows()
        named = self._decoder.named_orders(record)
        refused = Refusal(RefusalClass.DATABASE, f"SQLSTATE {error.sqlstate}", named)
        refuse(rows, record, refused, self._lane.number)
        async with self._lane.lock:
            return await self._write(batch, rows)

    async def _write(self, batch: Batch, rows: Rows, *, many: bool = False) -> BatchResult:
        started = self._clock.monotonic()
        noticed = []
        spans = (
            self._traces.received(rows.traced, rows.home, rows.brought()) if self._traces else {}
        )
        async with self._lane.database.transaction() as tx:
            sequence, open_deadlines = await self._begin(tx, batch)
            await self._dead_letter_limit.check(tx, rows.refused_places())
            enter = self._enter_many if many else self._enter
            entered, moved, looked_at, counted = await enter(tx, rows)
            if self._traces and spans:
                contexts = [self._traces.context(span) for span in spans.values()]
                await tx.execute("insert_traces", list(spans), *columns(contexts))
            if rows.changes:
                await tx.execute_each("insert_changes", rows.changes)
            if looked_at := looked_at | rows.waiting | rows.changed:
                # Another lane may be making a stub an order at this moment: whoever comes second
                # must see the other, or an act leaves no notice and the look comes before it.
                await tx.rows("lock_stubs", list(looked_at))
                noticed = await tx.rows(
                    "insert_notices", list(looked_at), self._lane.number, list(rows.changed)
                )
            if rows.dead_letters:
                await tx.execute_each("insert_dead_letters", rows.dead_letters)
            open_deadlines += moved.armed
            if moved.armed > counted:
                await tx.execute("update_lane", self._lane.number, sequence, open_deadlines)
        for span in spans.values():
            span.end()
        self._lane.positions.update(batch.after)
        self._lane.open_deadlines = open_deadlines
        rearmed = self._lane.rearm(moved)
        self._count(rows, entered, started)
        foreign = [row["lane"] for row in noticed if row["lane"] != self._lane.number]
        self._metrics.handed_over.inc(len(foreign))
        lanes = frozenset(row["lane"] for row in noticed)
        return BatchResult(lanes, len(rows.dead_letters), rearmed)

    async def _enter(self, tx: Transaction, rows: Rows) -> _EntryResult:
        """Enter what is new, whatever is there already and whoever enters it at this moment."""
        stubs, orders, touched = rows.stubs(), rows.orders, rows.touched
        if not rows.acts and not rows.packed:
            return _EntryResult(0, TimerChange(), touched)
        if rows.packed:  # for COPY alone, which met an order that another lane has entered
            await tx.copy_packed("acts", binary_copy.ACT_COLUMNS, rows.packed)
        found = await tx.row(
            "enter_orders",
            *self._common(rows),
            stubs,
            *order_columns(orders.values()),
            list(touched),
            *act_columns(rows),
        )
        assert found is not None
        entered, armed, fires_at = found["entered"], found["armed"], found["first_fires_at"]
        counted = armed
        if entered < len(orders):
            # Repeats, or orders whose acts came first.
            adopted = await self._adopt(tx, rows, list(orders))
            entered += adopted["entered"]
            armed += adopted["armed"]
            fires_at = earlier(fires_at, adopted["first_fires_at"])
        moved = TimerChange(armed, fires_at, await self._arm_reminders(tx, list(orders)))
        # What was neither there nor made by us has come while we waited for its key: look again.
        made, missing = found["stubs"], {*stubs}.difference(found["met"])
        all_told = found["entered"] == len(orders) and made == len(missing)
        return _EntryResult(entered, moved, {*found["watched"]} if all_told else touched, counted)

    async def _enter_many(self, tx: Transaction, rows: Rows) -> _EntryResult:
        """The same at half the cost, as long as no other lane enters one of them meanwhile.

        Raises:
            KeyTaken: one did.
        """
        lane, orders = self._lane.number, rows.orders
        asked = text_array(orders.keys() | rows.touched)
        known = {row["order_id"]: row for row in await tx.rows("existing_orders", asked)}
        new = [order for order_id, order in orders.items() if order_id not in known]
        if entering := rows.entering(lane, new, rows.stubs(known)):
            # In the order of their keys: two lanes that meet wait for each other instead of
            # deadlocking.
            await tx.copy_packed("orders", binary_copy.ORDER_COLUMNS, entering)
        if deadlines := deadline_rows(lane, new):
            packed = binary_copy.deadlines(deadlines)
            await tx.copy_packed("deadlines", binary_copy.DEADLINE_COLUMNS, packed)
        rows.pack()
        await tx.copy_packed("acts", binary_copy.ACT_COLUMNS, rows.packed)
        entered, armed = len(new), len(deadlines)
        fires_at = deadlines[0][1] if deadlines else None
        early = [o for o in orders if o in known and known[o]["lane"] is None]
        if early:
            adopted = await self._adopt(tx, rows, early)
            entered += adopted["entered"]
            armed += adopted["armed"]
            fires_at = earlier(fires_at, adopted["first_fires_at"])
        moved = TimerChange(armed, fires_at, await self._arm_reminders(tx, list(orders)))
        # Of the others nothing is asked: what was found of our own cannot have changed behind the
        # fence, and a stub that we have just made is nobody's.
        looked_at = {
            order_id
            for order_id in rows.touched & known.keys()
            if known[order_id]["lane"] != lane or known[order_id]["watched"]
        }
        return _EntryResult(entered, moved, looked_at)

    async def _adopt(self, tx: Transaction, rows: Rows, order_ids: list[str]) -> Any:
        early = [row["order_id"] for row in await tx.rows("lock_stubs", order_ids)]
        adopted = order_columns([rows.orders[order_id] for order_id in early])
        return await tx.row("adopt_stubs", *self._common(rows), *adopted)

    def _common(self, rows: Rows) -> tuple[object, ...]:
        topic, partition = rows.home or (None, None)
        return self._lane.number, topic, partition, rows.now

    async def _arm_reminders(self, tx: Transaction, order_ids: Sequence[str]) -> datetime | None:
        if not order_ids or not self._policies.reminds:
            return None
        return await arm_reminders(tx, self._lane.number, order_ids, self._clock.now())

    async def _begin(self, tx: Transaction, batch: Batch) -> tuple[int, int]:
        """The fence, as :meth:`Lane.fence`, and the positions behind the batch."""
        lane, before = self._lane, self._lane.positions
        moves = [
            (*partition, before[partition], after, *batch.last.get(partition, _NO_MARK))
            for partition, after in batch.after.items()
        ]
        found = await tx.row("begin_batch", lane.number, lane.epoch, *columns(moves))
        if found is None:
            raise lane.fenced()
        if found["moved"] != len(moves):
            raise lane.fenced("a stored position is not where it was left")
        return found["sequence"], found["open_deadlines"]

    def _count(self, rows: Rows, entered: int, started: float) -> None:
        for (topic, outcome), number in Counter(rows.outcomes).items():
            # A repeat of an order of an earlier batch shows only in the database.
            known = number - entered if outcome == Effect.CREATED else 0
            self._metrics.records.labels(topic, Effect.REPEAT).inc(known)
            self._metrics.records.labels(topic, outcome).inc(number - known)
        for error, number in rows.refusals.items():
            self._metrics.dead_letters.labels(error).inc(number)
        if rows.outcomes:
            self._metrics.batch_records.observe(len(rows.outcomes))
        elapsed = self._clock.monotonic() - started
        self._metrics.transaction_seconds.labels(Purpose.APPLY).observe(elapsed)
