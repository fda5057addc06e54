"""A lane's transactions: the only place where anything takes effect.

Each begins at the fence (``sql/lock_lane.sql``) and moves positions, deadlines and sequence
together with what they stand for, so it happens whole or not at all.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from worker import cases
from worker.batch import ACT_COLUMNS, Batch, Rows, fixed, order_columns, refuse, sort_out
from worker.brake import Brake, Permit, Sweep
from worker.clock import Clock
from worker.codec import Codec
from worker.domain.acts import ORDER_CREATED
from worker.domain.case import Case, Judgement, Kind, Outcome, Reason
from worker.domain.decide import decide, remind
from worker.domain.policy import Book, Facts
from worker.errors import Fenced, RowRefused
from worker.logs import logger
from worker.metrics import Metrics
from worker.poison import DeadLetterLimit
from worker.proof import Partition, Proof
from worker.records import Mark, RefusalClass, Refused
from worker.scope import Scope
from worker.store import Store, Transaction
from worker.timetable import Moved, Timetable
from worker.traces import Traces
from worker.verdicts import Event, events

log = logger(__name__)

# How long an order that our own code failed on waits for its next attempt.
_RETRY = timedelta(minutes=1)
# And how long one that the brake holds: behind it there may be others that it does not.
_HELD = timedelta(seconds=5)

_NO_MARK = (None, None)

DECISION_COLUMNS = ("lane", "sequence", *Event._fields)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch did beyond its records: which lanes have orders to look at again."""

    noticed: frozenset[int]
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What a sweep did. ``more``: it was cut at the batch size."""

    orders: int
    events: tuple[Event, ...]
    more: bool
    dead_letters: int = 0


class Lane:
    """One lane under one epoch. Not usable after :class:`Fenced` or any fault: take it anew."""

    def __init__(
        self,
        number: int,
        store: Store,
        scope: Scope,
        codec: Codec,
        book: Book,
        clock: Clock,
        metrics: Metrics,
        batch_size: int,
        dead_letter_limit: DeadLetterLimit,
        brake: Brake | None = None,
        confirm_within: timedelta | None = None,
        outage_after: timedelta | None = None,
        traces: Traces | None = None,
    ) -> None:
        self.number = number
        self.epoch = 0
        self.sequence = 0
        self.published = 0
        self.open_deadlines = 0
        self.positions: dict[Partition, int] = {}
        self.marks: dict[Partition, Mark] = {}
        self.next_fires_at: datetime | None = None
        self.next_reminds_at: datetime | None = None
        self._store = store
        self._scope = scope
        self._codec = codec
        self._book = book
        self._clock = clock
        self._metrics = metrics
        self._batch_size = batch_size
        self._dead_letter_limit = dead_letter_limit
        self._brake = brake
        self._confirm_within = confirm_within
        self._outage_after = outage_after
        self._traces = traces
        # Two transactions of one lane would only wait for each other at the fence, each with a
        # connection in hand.
        self._turn = asyncio.Lock()

    async def take(self, owner: str) -> None:
        """Take the lane over: from here on every older epoch fails.

        Raises:
            DatabaseUnavailable: try again later.
        """
        async with self._store.session() as session:
            await session.rows("end_frozen_sessions")
        async with self._store.transaction() as tx:
            await tx.rows("wait_briefly")
            row = await tx.row("take_lane", self.number, owner)
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
        """Where this lane goes on; partitions that were never read are missing."""
        async with self._store.session() as session:
            rows = await session.rows(
                "lane_positions", self.number, [topic for topic, _ in partitions]
            )
        self.positions = {(r["topic"], r["partition"]): r["next_offset"] for r in rows}
        self.marks = {
            (r["topic"], r["partition"]): Mark(r["last_offset"], r["last_timestamp"])
            for r in rows
            if r["last_offset"] is not None
        }
        return dict(self.positions)

    async def start_position(
        self, partition: Partition, next_offset: int, covered_since: datetime | None
    ) -> None:
        """Set a position that was never stored, or that the log has left behind."""
        async with self._turn, self._store.transaction() as tx:
            await self._fence(tx)
            await tx.execute("start_position", *partition, next_offset, covered_since)
        self.positions[partition] = next_offset

    async def stored_sequence(self) -> int:
        """The last sequence given to a decision, as the database has it.

        Raises: as :meth:`apply`.
        """
        async with self._turn, self._store.transaction() as tx:
            sequence, _ = await self._fence(tx)
        return sequence

    def leave(self) -> None:
        """Show nothing of this lane any more."""
        if self._brake:
            self._brake.forget(self.number)

    async def release(self) -> None:
        """Say that nobody owns the lane now; a later owner need not wait for us."""
        async with self._turn, self._store.session() as session:
            await session.execute("release_lane", self.number, self.epoch)

    async def apply(self, batch: Batch) -> Applied:
        """Let a batch take effect, once.

        A record whose row Postgres refuses becomes a dead letter; the others go on.

        Raises:
            Fenced: another worker owns the lane.
            Halted: too much of it would be refused.
            DatabaseUnavailable: the outcome is not known; take the lane anew.
        """
        async with self._turn:
            return await self._apply(batch)

    async def lapse(self, proof: Proof) -> Settled:
        """Decide the orders whose deadline fired at or before the proof, up to a batch.

        Raises: as :meth:`apply`.
        """
        async with self._turn:
            if self._outage_after is not None:
                # Before the deadlines are looked at: they may lie in the outage that ends here.
                async with self._store.session() as session:
                    await session.rows("beat", self._outage_after)
            permit = await self._permit(self._brake, proof) if self._brake else None
            started = self._clock.monotonic()
            async with self._store.transaction(one_snapshot=True) as tx:
                sequence, open_deadlines = await self._fence(tx)
                due = await tx.rows("due_orders", self.number, proof.at, self._batch_size)
                fires_at = {row["order_id"]: row["fires_at"] for row in due}
                verdicts = await self._decide(
                    tx, list(fires_at), sequence, proof=proof, permit=permit
                )
                waiting = verdicts.faulty | verdicts.held
                done = [
                    (row["fires_at"], row["order_id"])
                    for row in due
                    if row["order_id"] not in waiting
                ]
                if done:
                    open_deadlines -= await tx.execute(
                        "disarm_deadlines", self.number, *_columns(done)
                    )
                for orders, wait in ((verdicts.faulty, _RETRY), (verdicts.held, _HELD)):
                    if orders:
                        later = self._clock.now() + wait
                        await tx.execute("postpone_deadlines", self.number, later, sorted(orders))
                watched, _ = await self._watch(tx, verdicts)
                open_deadlines += watched + verdicts.moved.armed
                sequence += len(verdicts.events)
                await tx.execute("update_lane", self.number, sequence, open_deadlines)
                next_due = await tx.row("next_deadline", self.number)
            assert next_due is not None
            self.sequence, self.open_deadlines = sequence, open_deadlines
            self.next_fires_at = next_due[0]
            self._rearm(verdicts.moved)
            self._observe_lapse(verdicts, fires_at)
            return self._told(verdicts, started, more=len(due) >= self._batch_size)

    async def _watch(self, tx: Transaction, verdicts: "_Verdicts") -> tuple[int, datetime | None]:
        """Have auto-cancels looked at again when they should have been carried out.

        How many those are, and when.
        """
        cancelled = [e.order_id for e in verdicts.events if e.kind == Kind.AUTO_CANCEL]
        if self._confirm_within is None or not cancelled:
            return 0, None
        at = self._clock.now() + self._confirm_within
        return await tx.execute("watch_orders", self.number, at, cancelled), at

    async def _permit(self, brake: Brake, proof: Proof) -> Permit:
        """Ask the brake before the verdicts: it must know whom they would cancel.

        What the sweep decides afterwards may differ, by evidence that comes in between; then less
        is cancelled than was asked for.
        """
        async with self._store.transaction(one_snapshot=True) as tx:
            await self._fence(tx)
            due = await tx.rows("due_orders", self.number, proof.at, self._batch_size)
            reading = await self._scope.reading(tx, self.number)
            found = await cases.load(tx, self.number, [row["order_id"] for row in due])
        lapsed: Counter[str] = Counter()
        silent = []
        for case in found:
            if case.finding is not None:
                continue  # only looked at once more
            lapsed[case.order.seller_id] += 1
            with suppress(Exception):  # told and put aside by the sweep itself
                if decide(case, reading.evidence_since).outcome == Outcome.AUTO_CANCELLED:
                    silent.append((case.order.order_id, case.order.seller_id))
        return await brake.permit(self.number, Sweep(lapsed, silent))

    async def reconsider(self) -> Settled:
        """Look again at orders with new acts after their verdict, up to a batch.

        Needs no proof: the one of the first verdict stands, and a correction must not wait.

        Raises: as :meth:`apply`.
        """
        async with self._turn:
            began = self._clock.monotonic()
            async with self._store.transaction(one_snapshot=True) as tx:
                sequence, open_deadlines = await self._fence(tx)
                notices = await tx.rows("waiting_notices", self.number, self._batch_size)
                wanted = list(dict.fromkeys(row["order_id"] for row in notices))
                started = await self._start_clocks(tx, wanted)
                verdicts = await self._decide(tx, wanted, sequence, decided=True)
                watched, fires_at = await self._watch(tx, verdicts)
                open_deadlines += started.armed + verdicts.moved.armed + watched
                done = [row["id"] for row in notices if row["order_id"] not in verdicts.faulty]
                await tx.execute("take_notices", done)
                sequence += len(verdicts.events)
                await tx.execute("update_lane", self.number, sequence, open_deadlines)
            self.sequence, self.open_deadlines = sequence, open_deadlines
            self._rearm(started)
            self._rearm(verdicts.moved)
            self._rearm(Moved(first_fires_at=fires_at))
            return self._told(verdicts, began, more=len(notices) >= self._batch_size)

    async def remind(self, proof: Proof) -> Settled:
        """Remind the sellers of orders whose time for it has come, up to a batch.

        Raises: as :meth:`apply`.
        """
        async with self._turn:
            began = self._clock.monotonic()
            verdicts = _Verdicts()
            told: list[tuple[str, int]] = []
            async with self._store.transaction(one_snapshot=True) as tx:
                sequence, open_deadlines = await self._fence(tx)
                due = await tx.rows("due_reminders", self.number, proof.at, self._batch_size)
                # Of several that were missed the last is enough.
                reminds_at = {row["order_id"]: row["remind_at"] for row in due}
                reading = await self._scope.reading(tx, self.number)
                timetable = await Timetable.load(tx)
                now = self._clock.now()
                for case in await cases.load(tx, self.number, list(reminds_at)):
                    order = case.order
                    if case.finding is not None or timetable.defers(case) or now > order.due:
                        continue
                    decisions = remind(case, reminds_at[order.order_id])
                    verdicts.events += events(case, decisions, reading, now)
                    told += [(order.order_id, decision.ordinal) for decision in decisions]
                if told:
                    await self._publish(tx, verdicts, sequence)
                    await tx.execute("count_decisions", *_columns(told))
                rows = [(row["remind_at"], row["order_id"]) for row in due]
                if rows:
                    await tx.execute("disarm_reminders", self.number, *_columns(rows))
                verdicts.moved = await timetable.store(tx, self.number, now)
                sequence += len(verdicts.events)
                open_deadlines += verdicts.moved.armed
                await tx.execute("update_lane", self.number, sequence, open_deadlines)
                reminder = await tx.row("next_reminder", self.number)
            assert reminder is not None
            self.sequence, self.open_deadlines = sequence, open_deadlines
            self.next_reminds_at = reminder[0]
            self._rearm(verdicts.moved)
            return self._told(verdicts, began, more=len(due) >= self._batch_size)

    async def _fence(self, tx: Transaction) -> tuple[int, int]:
        row = await tx.row("lock_lane", self.number, self.epoch)
        if row is None:
            self._metrics.fenced.inc()
            raise Fenced(f"lane {self.number}: another worker has taken it over")
        return row["sequence"], row["open_deadlines"]

    async def _apply(self, batch: Batch) -> Applied:
        now = self._clock.now()
        rows = sort_out(batch.records, self.number, self._codec, self._book, now)
        try:
            return await self._write(batch, rows)
        except RowRefused as error:
            if len(batch.records) > 1:
                return await self._apply_halves(batch)
            if not batch.records:
                raise
            rows = Rows(now)
            record = batch.records[0]
            named = self._codec.named_orders(record)
            refused = Refused(RefusalClass.DATABASE, f"SQLSTATE {error.sqlstate}", named)
            refuse(rows, record, refused, self.number)
            return await self._write(batch, rows)

    async def _apply_halves(self, batch: Batch) -> Applied:
        """One bad row spoils the whole batch: halve it until the row stands alone."""
        middle = len(batch.records) // 2
        head = batch.records[:middle]
        after = {(r.topic, r.partition): r.offset + 1 for r in head}
        first = await self._apply(Batch(head, after))
        second = await self._apply(replace(batch, records=batch.records[middle:]))
        return Applied(first.noticed | second.noticed, first.dead_letters + second.dead_letters)

    async def _write(self, batch: Batch, rows: Rows) -> Applied:
        started = self._clock.monotonic()
        noticed = []
        spans = self._traces.received(batch.records, rows) if self._traces else {}
        async with self._store.transaction() as tx:
            sequence, open_deadlines = await self._fence(tx)
            await self._dead_letter_limit.check(tx, rows.refused_places())
            await self._move(tx, batch)
            entered, moved = await self._enter(tx, rows)
            if self._traces and spans:
                contexts = [self._traces.context(span) for span in spans.values()]
                await tx.execute("keep_traces", list(spans), *_columns(contexts))
            if rows.acts:
                await tx.copy("acts", ACT_COLUMNS, rows.acts)
            if rows.changes:
                await tx.execute_each("insert_changes", rows.changes)
            if touched := rows.touched | rows.waiting:
                noticed = await tx.rows(
                    "leave_notices", list(touched), self.number, list(rows.changed)
                )
            if rows.dead_letters:
                await tx.execute_each("insert_dead_letters", rows.dead_letters)
            if moved.armed:
                open_deadlines += moved.armed
                await tx.execute("update_lane", self.number, sequence, open_deadlines)
        for span in spans.values():
            span.end()
        self.positions.update(batch.after)
        self.open_deadlines = open_deadlines
        self._rearm(moved)
        self._count(rows, entered, started)
        foreign = [row["lane"] for row in noticed if row["lane"] != self.number]
        self._metrics.handed_over.inc(len(foreign))
        return Applied(frozenset(row["lane"] for row in noticed), len(rows.dead_letters))

    async def _enter(self, tx: Transaction, rows: Rows) -> tuple[int, Moved]:
        """Enter what is new: how many orders, and what deadlines they brought."""
        stubs, orders = rows.stubs(), rows.orders
        if not stubs and not orders:
            return 0, Moved()
        topic, partition = rows.home or (None, None)
        common = (self.number, topic, partition, rows.now)
        found = await tx.row("enter_orders", *common, stubs, *order_columns(orders.values()))
        assert found is not None
        entered, armed, fires_at = found["entered"], found["armed"], found["first_fires_at"]
        if entered < len(orders):
            # Repeats, or orders whose acts came first.
            early = [row["order_id"] for row in await tx.rows("lock_stubs", list(orders))]
            columns = order_columns([orders[order_id] for order_id in early])
            found = await tx.row("adopt_stubs", *common, *columns)
            assert found is not None
            entered += found["entered"]
            armed += found["armed"]
            fires_at = _earlier(fires_at, found["first_fires_at"])
        return entered, Moved(armed, fires_at, await self._arm_reminders(tx, list(orders)))

    async def _arm_reminders(self, tx: Transaction, order_ids: Sequence[str]) -> datetime | None:
        if not order_ids or not self._book.reminds:
            return None
        found = await tx.row("arm_reminders", order_ids, self.number, self._clock.now())
        assert found is not None
        first: datetime | None = found["next"]
        return first

    def _rearm(self, moved: Moved) -> None:
        self.next_fires_at = _earlier(self.next_fires_at, moved.first_fires_at)
        self.next_reminds_at = _earlier(self.next_reminds_at, moved.first_reminds_at)

    async def _start_clocks(self, tx: Transaction, order_ids: Sequence[str]) -> Moved:
        """Start the clocks of orders for which the status that does it has come.

        The earliest such act that is known counts, and one that comes later changes nothing.
        """
        waiting = {row["order_id"]: row for row in await tx.rows("waiting_orders", order_ids)}
        if not waiting:
            return Moved()
        acts = await tx.rows("case_acts", list(waiting), list(self._book.clocks))
        rows = []
        for order_id, row in waiting.items():
            facts = Facts(row["seller_id"], row["fulfilment"], row["total"], row["currency"])
            policy = self._book.choose(facts)
            starts = [
                act["occurred_at"]
                for act in acts
                if act["order_id"] == order_id and act["status"] == policy.clock
            ]
            if policy.clock == ORDER_CREATED:  # the policies have changed meanwhile
                starts = [row["entered_at"]]
            if starts:
                with suppress(OverflowError):
                    rows.append((order_id, *fixed(policy, min(starts))))
        if not rows:
            return Moved()
        found = await tx.row("start_clocks", *_columns(rows))
        assert found is not None
        reminder = await self._arm_reminders(tx, [row[0] for row in rows])
        return Moved(found["armed"], found["first_fires_at"], reminder)

    async def _move(self, tx: Transaction, batch: Batch) -> None:
        moves = [
            (*partition, self.positions[partition], after, *batch.last.get(partition, _NO_MARK))
            for partition, after in batch.after.items()
        ]
        moved = await tx.execute("move_positions", *_columns(moves))
        if moved != len(moves):
            self._metrics.fenced.inc()
            raise Fenced(f"lane {self.number}: a stored position is not where it was left")

    def _count(self, rows: Rows, entered: int, started: float) -> None:
        for (topic, outcome), number in rows.counts.items():
            # A repeat of an order of an earlier batch shows only in the database.
            known = number - entered if outcome == "created" else 0
            self._metrics.records.labels(topic, "repeat").inc(known)
            self._metrics.records.labels(topic, outcome).inc(number - known)
        for error, number in rows.refusals.items():
            self._metrics.dead_letters.labels(error).inc(number)
        if rows.counts:
            self._metrics.batch_records.observe(sum(rows.counts.values()))
        elapsed = self._clock.monotonic() - started
        self._metrics.transaction_seconds.labels("apply").observe(elapsed)

    async def _decide(
        self,
        tx: Transaction,
        order_ids: Sequence[str],
        sequence: int,
        *,
        decided: bool = False,
        proof: Proof | None = None,
        permit: Permit | None = None,
    ) -> "_Verdicts":
        """Judge orders and store what follows, behind the fence.

        All from one snapshot: an event tells how far each input was read, and that has to be
        neither more nor less than the acts it was judged by. With ``decided`` orders without a
        verdict are left alone: the acts that a notice speaks of are read with the others when
        the deadline fires, but that a change of the deadline takes effect at once. With a
        ``proof`` nothing is decided that it does not reach. Without a ``permit`` there is no brake.
        """
        verdicts = _Verdicts()
        now = self._clock.now()
        reading = await self._scope.reading(tx, self.number)
        timetable = await Timetable.load(tx)
        for case in await cases.load(tx, self.number, order_ids, self._book.clocks):
            if timetable.defers(case) or _is_early(case, proof, decided=decided):
                continue
            try:
                braked = permit is not None and case.order.order_id not in permit.orders
                judgement = decide(
                    case,
                    reading.evidence_since,
                    braked=braked,
                    # One that has its verdict has no other deadline than that of being carried out.
                    unconfirmed=not decided and case.finding is not None,
                )
                if permit and not permit.escalate and _is_held(judgement):
                    verdicts.held.add(case.order.order_id)
                    continue
                told = list(events(case, judgement.decisions, reading, now))
            except Exception:
                # One order that our own code cannot judge must not hold the others.
                verdicts.faulty.add(case.order.order_id)
                log.exception("order_not_judged", lane=self.number, order=case.order.order_id)
            else:
                verdicts.judged.append((case, judgement))
                verdicts.events += told
        await self._publish(tx, verdicts, sequence)
        if verdicts.judged:
            await tx.execute("settle_orders", *_settlements(verdicts.judged), now)
        verdicts.moved = await timetable.store(tx, self.number, now)
        return verdicts

    async def _publish(self, tx: Transaction, verdicts: "_Verdicts", sequence: int) -> None:
        if verdicts.events:
            rows = [(self.number, sequence + n, *e) for n, e in enumerate(verdicts.events, 1)]
            await tx.copy("decisions", DECISION_COLUMNS, rows)

    def _observe_lapse(self, verdicts: "_Verdicts", fires_at: Mapping[str, datetime]) -> None:
        now = self._clock.now()
        first = [(case, j) for case, j in verdicts.judged if case.finding is None]
        for case, _ in first:
            late = (now - fires_at[case.order.order_id]).total_seconds()
            self._metrics.lateness.observe(max(0.0, late))
        for outcome, number in Counter(j.outcome for _, j in first).items():
            self._metrics.outcomes.labels(outcome.value).inc(number)

    def _told(self, verdicts: "_Verdicts", started: float, *, more: bool) -> Settled:
        # Told by the batch: a line for each would cost as much as the verdict itself, and every
        # one of them stands in the decisions topic and in `plazo explain`.
        for (kind, reason), number in Counter((e.kind, e.reason) for e in verdicts.events).items():
            self._metrics.decisions.labels(kind, reason).inc(number)
            log.info("verdicts", lane=self.number, kind=kind, reason=reason, orders=number)
        elapsed = self._clock.monotonic() - started
        self._metrics.transaction_seconds.labels("decide").observe(elapsed)
        refused = verdicts.moved.refused
        if refused:
            log.warning("deadline_changes_refused", lane=self.number, changes=refused)
        return Settled(len(verdicts.judged), tuple(verdicts.events), more, refused)


@dataclass(slots=True)
class _Verdicts:
    judged: list[tuple[Case, Judgement]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    faulty: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    moved: Moved = field(default=Moved())


def _is_held(judgement: Judgement) -> bool:
    return any(decision.reason == Reason.MASS_CANCEL for decision in judgement.decisions)


def _is_early(case: Case, proof: Proof | None, *, decided: bool) -> bool:
    """Whether no verdict is wanted now: none has fallen, and the deadline lies ahead."""
    if case.finding is not None:
        return False
    fires_at = case.order.fires_at
    return decided or (proof is not None and fires_at is not None and fires_at > proof.at)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


def _settlements(judged: Sequence[tuple[Case, Judgement]]) -> list[list[object]]:
    rows = [
        (
            case.order.order_id,
            judgement.finding.value,
            judgement.outcome.value,
            case.decided + len(judgement.decisions),
        )
        for case, judgement in judged
    ]
    return _columns(rows)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
