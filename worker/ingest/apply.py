"""The intake: decodes the records of a lane, and applies them a batch at a time, each once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schemas.events import RefusalClass
from worker.clock import Clock, Clocks
from worker.domain.policy import Policies
from worker.errors import RowRejected
from worker.ingest.decoder import Decoder
from worker.ingest.delays import SAMPLE, observe_delays
from worker.ingest.entry import Entry
from worker.ingest.plain import PlainReader
from worker.ingest.refusal_log import RefusalLog
from worker.ingest.registry.schemas import SchemasMissing
from worker.ingest.rows import Rows, add_dead_letter, decode_into
from worker.ingest.share import Share
from worker.ingest.writer import Writer
from worker.lanes.lane import Lane
from worker.observability.labels import Effect
from worker.observability.metrics import Metrics
from worker.observability.tracing import carries_context
from worker.records import Batch, Record, Refusal


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The work that a batch leaves to others.

    ``noticed`` are the lanes that have new notices. ``rearmed`` says that the lane's next deadline
    or reminder comes earlier now.
    """

    noticed: frozenset[int]
    dead_letters: int
    rearmed: bool


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
        writer: Writer,
        *,
        traced: bool = False,
        orders_topic: str = "",
        least_window: timedelta | None = None,
        keep_bodies: bool = False,
        native: Any = None,
    ) -> None:
        self._lane = lane
        self._decoder = decoder
        self._entry = Entry(policies, orders_topic, least_window, keep_bodies=keep_bodies)
        self._plain = native and PlainReader(native, decoder, self._entry, lane.number, metrics)
        self._clock = clock
        self._clocks = clocks
        self._metrics = metrics
        self._writer = writer
        self._refusal_log = RefusalLog(lane.number, clock)
        self._traced = traced

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
        if self._traced:
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
        async with self._lane.lock:
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

    async def _write(self, batch: Batch, rows: Rows) -> BatchResult:
        share = Share(self._lane, batch, rows, self._plain)
        await self._writer.write(share)
        lane = self._lane
        lane.positions.update(batch.after)
        lane.marks.update(batch.last)
        lane.open_deadlines = share.open_deadlines
        rearmed = lane.rearm(share.timers)
        self._count(rows, share.entered)
        self._refusal_log.committed(rows)
        self._metrics.handed_over.inc(len(share.noticed) - share.noticed.count(lane.number))
        return BatchResult(frozenset(share.noticed), len(rows.dead_letters), rearmed)

    def _count(self, rows: Rows, entered: int) -> None:
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
