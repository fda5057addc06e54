"""Reminds silent sellers before the deadline of an order."""

from collections.abc import Collection
from datetime import datetime

from worker.decide.cases import load_cases
from worker.decide.judge import Judge
from worker.decide.sweep import SweepFrame, SweepResult
from worker.domain.case import Order
from worker.domain.decide import remind
from worker.domain.policy import Policies
from worker.freshness.evidence import EvidenceScope, Proof
from worker.observability.logs import logger
from worker.outbox.events import Event, events
from worker.storage.transaction import columns

log = logger(__name__)


class Reminders:
    """The sweep at a reminder."""

    def __init__(
        self, frame: SweepFrame, scope: EvidenceScope, judge: Judge, policies: Policies
    ) -> None:
        self._frame = frame
        self._scope = scope
        self._judge = judge
        self._policies = policies

    async def sweep(self, proof: Proof) -> SweepResult:
        """Publish the reminders due at or before the proof, up to a batch.

        Raises:
            ProofOutlived: nothing was published.
            Fenced, StateLost, DatabaseUnavailable: as :meth:`Lane.fence`.
        """
        frame, lane = self._frame, self._frame.lane
        async with lane.lock:
            async with frame.open() as sweep:
                tx = sweep.tx
                due = await tx.rows("due_reminders", lane.number, proof.at, frame.batch_size)
                # Of several missed reminders, the last is enough.
                reminds_at = {row["order_id"]: row["remind_at"] for row in due}
                reading = await self._scope.reading(tx, lane.number)
                proof.check(reading.positions, *frame.time())
                deadlines = await self._judge.deadlines(sweep)
                published: list[Event] = []
                counts: list[tuple[str, int]] = []
                cases, _, facts = await load_cases(
                    tx, lane.number, list(reminds_at), self._policies
                )
                for loaded in cases:
                    order = loaded.order
                    if loaded.finding is not None:
                        # To move its deadline is to take its verdict back, which is not done here.
                        continue
                    try:
                        case, moved = deadlines.settle(loaded, facts[order.order_id])
                        if moved or sweep.now > order.due:
                            continue
                        decisions = remind(
                            case, reminds_at[order.order_id], self._planned(case.order)
                        )
                        published += list(events(case, decisions, reading, sweep.now))
                    except Exception:
                        # No reminder, then; the sweep at the deadline tries again.
                        log.exception("order_not_judged", lane=lane.number, order=order.order_id)
                        continue
                    counts += [(order.order_id, decision.ordinal) for decision in decisions]
                await sweep.publish(published)
                if counts:
                    await tx.execute("update_decision_counts", *columns(counts))
                if due:
                    rows = [(row["remind_at"], row["order_id"]) for row in due]
                    await tx.execute("disarm_reminders", lane.number, *columns(rows))
                sweep.timers += await deadlines.store(tx, lane.number)
                sweep.refused_changes += deadlines.refused
                next_reminder = await tx.row("next_reminder", lane.number)
            assert next_reminder is not None
            lane.next_reminds_at = next_reminder[0]
        return SweepResult.of(sweep, orders=0, more=len(due) >= frame.batch_size)

    def _planned(self, order: Order) -> Collection[datetime]:
        return self._policies.reminds_at(
            order.policy, order.policy_version, order.due, order.reminders
        )
