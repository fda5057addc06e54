"""The sweeps: a lane's transactions that decide. Time is their input, as records are the intake's.

Each begins at the lane's fence and moves deadlines and sequence together with the decisions, so
that it happens whole or not at all.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worker.clock import Clock
from worker.decide import cases
from worker.decide.brake import Brake, Permit, Sweep
from worker.decide.deadline_changes import Moved, Timetable, arm_reminders
from worker.domain.acts import ORDER_CREATED
from worker.domain.case import Case, Judgement, Kind, Outcome, Reason
from worker.domain.decide import decide, remind
from worker.domain.policy import Book, Facts
from worker.freshness.evidence import Scope
from worker.ingest.rows import fixed
from worker.lanes.lane import Lane
from worker.observability.logs import logger
from worker.observability.metrics import Metrics
from worker.outbox.events import Event, events
from worker.proof import Proof
from worker.storage.database import Transaction, columns, text_array

log = logger(__name__)

# How long an order that our own code failed on waits for its next attempt.
_RETRY = timedelta(minutes=1)
# And how long one that the brake holds: behind it there may be others that it does not.
_HELD = timedelta(seconds=5)

DECISION_COLUMNS = ("lane", "sequence", *Event._fields)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a sweep did: ``events`` by sequence. ``more``: it was cut at the batch size."""

    orders: int
    events: Mapping[int, Event]
    more: bool
    dead_letters: int = 0


class Sweeps:
    """Decides for one lane, under the epoch that it was taken with."""

    def __init__(
        self,
        lane: Lane,
        scope: Scope,
        book: Book,
        clock: Clock,
        metrics: Metrics,
        batch_size: int,
        brake: Brake | None = None,
        confirm_within: timedelta | None = None,
        outage_after: timedelta | None = None,
    ) -> None:
        self._lane = lane
        self._scope = scope
        self._book = book
        self._clock = clock
        self._metrics = metrics
        self._batch_size = batch_size
        self._brake = brake
        self._confirm_within = confirm_within
        self._outage_after = outage_after

    def leave(self) -> None:
        """Show nothing of this lane any more."""
        if self._brake:
            self._brake.forget(self._lane.number)

    async def lapse(self, proof: Proof) -> Settled:
        """Decide the orders whose deadline fired at or before the proof, up to a batch.

        Raises: as :meth:`Lane.fence`.
        """
        async with self._lane.turn:
            if self._outage_after is not None:
                # Before the deadlines are looked at: they may lie in the outage that ends here.
                async with self._lane.store.session() as session:
                    await session.rows("beat", self._outage_after)
            permit = await self._permit(self._brake, proof) if self._brake else None
            started = self._clock.monotonic()
            async with self._lane.store.transaction(one_snapshot=True) as tx:
                sequence, open_deadlines = await self._lane.fence(tx)
                due = await tx.rows("due_orders", self._lane.number, proof.at, self._batch_size)
                fires_at = {row["order_id"]: row["fires_at"] for row in due}
                if due:
                    # First of all: what follows may arm others, and before the last of them.
                    last = due[-1]["fires_at"], due[-1]["order_id"]
                    open_deadlines -= await tx.execute("disarm_deadlines", self._lane.number, *last)
                verdicts = await self._decide(
                    tx, list(fires_at), sequence, proof=proof, permit=permit
                )
                for orders, wait in ((verdicts.faulty, _RETRY), (verdicts.held, _HELD)):
                    if orders:
                        later = self._clock.now() + wait
                        open_deadlines += await tx.execute(
                            "postpone_deadlines", self._lane.number, later, sorted(orders)
                        )
                watched, _ = await self._watch(tx, verdicts)
                open_deadlines += watched + verdicts.moved.armed
                sequence += len(verdicts.events)
                await tx.execute("update_lane", self._lane.number, sequence, open_deadlines)
                next_due = await tx.row("next_deadline", self._lane.number)
            assert next_due is not None
            self._lane.sequence, self._lane.open_deadlines = sequence, open_deadlines
            self._lane.next_fires_at = next_due[0]
            self._lane.rearm(verdicts.moved)
            self._observe_lapse(verdicts, fires_at)
            return self._told(verdicts, started, more=len(due) >= self._batch_size)

    async def _watch(self, tx: Transaction, verdicts: "_Verdicts") -> tuple[int, datetime | None]:
        """Have auto-cancels looked at again when they should have been carried out.

        How many those are, and when.
        """
        cancelled = [e.order_id for e in verdicts.events if e.kind == Kind.AUTO_CANCEL]
        if self._confirm_within is None or not cancelled:
            return 0, None
        # From what the event says: a clock that is set in between must not shorten the time.
        at = verdicts.at + self._confirm_within
        return await tx.execute("watch_orders", self._lane.number, at, cancelled), at

    async def _permit(self, brake: Brake, proof: Proof) -> Permit:
        """Ask the brake before the verdicts: it must know whom they would cancel.

        What the sweep decides afterwards may differ, by evidence that comes in between; then less
        is cancelled than was asked for.
        """
        async with self._lane.store.transaction(one_snapshot=True) as tx:
            await self._lane.fence(tx)
            due = await tx.rows("due_orders", self._lane.number, proof.at, self._batch_size)
            ids = [row["order_id"] for row in due]
            reading = await self._scope.reading(tx, self._lane.number)
            found = await cases.load(tx, self._lane.number, ids)
        lapsed: Counter[str] = Counter()
        silent = []
        for case in found:
            if case.finding is not None:
                continue  # only looked at once more
            lapsed[case.order.seller_id] += 1
            with suppress(Exception):  # told and put aside by the sweep itself
                if decide(case, reading.evidence_since).outcome == Outcome.AUTO_CANCELLED:
                    silent.append((case.order.order_id, case.order.seller_id))
        return await brake.permit(self._lane.number, Sweep(lapsed, silent))

    async def reconsider(self) -> Settled:
        """Look again at orders with new acts after their verdict, up to a batch.

        Needs no proof: the one of the first verdict stands, and a correction must not wait.

        Raises: as :meth:`Lane.fence`.
        """
        async with self._lane.turn:
            began = self._clock.monotonic()
            async with self._lane.store.transaction(one_snapshot=True) as tx:
                sequence, open_deadlines = await self._lane.fence(tx)
                notices = await tx.rows("waiting_notices", self._lane.number, self._batch_size)
                wanted = list(dict.fromkeys(row["order_id"] for row in notices))
                started = await self._start_clocks(tx, wanted)
                verdicts = await self._decide(tx, wanted, sequence, decided=True)
                watched, fires_at = await self._watch(tx, verdicts)
                open_deadlines += started.armed + verdicts.moved.armed + watched
                done = [row["id"] for row in notices if row["order_id"] not in verdicts.faulty]
                await tx.execute("take_notices", done)
                sequence += len(verdicts.events)
                await tx.execute("update_lane", self._lane.number, sequence, open_deadlines)
            self._lane.sequence, self._lane.open_deadlines = sequence, open_deadlines
            self._lane.rearm(started)
            self._lane.rearm(verdicts.moved)
            self._lane.rearm(Moved(first_fires_at=fires_at))
            return self._told(verdicts, began, more=len(notices) >= self._batch_size)

    async def remind(self, proof: Proof) -> Settled:
        """Remind the sellers of orders whose time for it has come, up to a batch.

        Raises: as :meth:`Lane.fence`.
        """
        async with self._lane.turn:
            began = self._clock.monotonic()
            now = self._clock.now()
            verdicts = _Verdicts(now)
            told: list[tuple[str, int]] = []
            async with self._lane.store.transaction(one_snapshot=True) as tx:
                sequence, open_deadlines = await self._lane.fence(tx)
                due = await tx.rows("due_reminders", self._lane.number, proof.at, self._batch_size)
                # Of several that were missed the last is enough.
                reminds_at = {row["order_id"]: row["remind_at"] for row in due}
                reading = await self._scope.reading(tx, self._lane.number)
                timetable = await Timetable.load(tx)
                for case in await cases.load(tx, self._lane.number, list(reminds_at)):
                    order = case.order
                    if case.finding is not None or timetable.defers(case) or now > order.due:
                        continue
                    decisions = remind(case, reminds_at[order.order_id])
                    verdicts.events += events(case, decisions, reading, now)
                    told += [(order.order_id, decision.ordinal) for decision in decisions]
                if told:
                    await self._publish(tx, verdicts, sequence)
                    await tx.execute("count_decisions", *columns(told))
                rows = [(row["remind_at"], row["order_id"]) for row in due]
                if rows:
                    await tx.execute("disarm_reminders", self._lane.number, *columns(rows))
                verdicts.moved = await timetable.store(tx, self._lane.number, now)
                sequence += len(verdicts.events)
                open_deadlines += verdicts.moved.armed
                await tx.execute("update_lane", self._lane.number, sequence, open_deadlines)
                reminder = await tx.row("next_reminder", self._lane.number)
            assert reminder is not None
            self._lane.sequence, self._lane.open_deadlines = sequence, open_deadlines
            self._lane.next_reminds_at = reminder[0]
            self._lane.rearm(verdicts.moved)
            return self._told(verdicts, began, more=len(due) >= self._batch_size)

    async def _start_clocks(self, tx: Transaction, order_ids: Sequence[str]) -> Moved:
        """Start the clocks of orders for which the status that does it has come.

        The earliest such act that is known counts, and one that comes later changes nothing.
        """
        waiting = {row["order_id"]: row for row in await tx.rows("waiting_orders", order_ids)}
        if not waiting:
            return Moved()
        acts = await tx.rows("case_acts", text_array(waiting), list(self._book.clocks))
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
        clocks = await tx.row("start_clocks", *columns(rows))
        assert clocks is not None
        now = self._clock.now()
        reminder = await arm_reminders(tx, self._lane.number, [row[0] for row in rows], now)
        return Moved(clocks["armed"], clocks["first_fires_at"], reminder)

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

        All from one snapshot: an event tells how far each input was read, and
        that has to be neither more nor less than the acts it was judged by. With ``decided`` orders
        without a verdict are left alone: the acts that a notice speaks of are read with the others
        when the deadline fires, but that a change of the deadline takes effect at once. With a
        ``proof`` nothing is decided that it does not reach. Without a ``permit`` there is no brake.
        """
        now = self._clock.now()
        verdicts = _Verdicts(now)
        reading = await self._scope.reading(tx, self._lane.number)
        timetable = await Timetable.load(tx)
        for case in await cases.load(tx, self._lane.number, order_ids, self._book.clocks):
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
                log.exception("order_not_judged", lane=self._lane.number, order=case.order.order_id)
            else:
                verdicts.judged.append((case, judgement))
                verdicts.events += told
        await self._publish(tx, verdicts, sequence)
        for settled, orders in _settlements(verdicts.judged).items():
            await tx.execute("settle_orders", text_array(orders), *settled, now)
        verdicts.moved = await timetable.store(tx, self._lane.number, now)
        return verdicts

    async def _publish(self, tx: Transaction, verdicts: "_Verdicts", sequence: int) -> None:
        if verdicts.events:
            rows = [(self._lane.number, sequence + n, *e) for n, e in enumerate(verdicts.events, 1)]
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
            log.info("verdicts", lane=self._lane.number, kind=kind, reason=reason, orders=number)
        elapsed = self._clock.monotonic() - started
        self._metrics.transaction_seconds.labels("decide").observe(elapsed)
        refused = verdicts.moved.refused
        if refused:
            log.warning("deadline_changes_refused", lane=self._lane.number, changes=refused)
        first = self._lane.sequence - len(verdicts.events) + 1
        by_sequence = dict(enumerate(verdicts.events, first))
        return Settled(len(verdicts.judged), by_sequence, more, refused)


@dataclass(slots=True)
class _Verdicts:
    at: datetime
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


def _settlements(
    judged: Sequence[tuple[Case, Judgement]],
) -> Mapping[tuple[str, str, int], list[str]]:
    """By finding, outcome and number of decisions, the orders that it is now."""
    settled: defaultdict[tuple[str, str, int], list[str]] = defaultdict(list)
    for case, judgement in judged:
        decisions = case.decided + len(judgement.decisions)
        key = judgement.finding.value, judgement.outcome.value, decisions
        settled[key].append(case.order.order_id)
    return settled
