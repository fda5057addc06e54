"""Reminds silent sellers before the deadline of an order."""

from worker.decide.cases import load_cases
from worker.decide.deadline_changes import DeadlineChanges
from worker.decide.sweep import SweepFrame, SweepResult
from worker.domain.decide import remind
from worker.freshness.evidence import EvidenceScope, Proof
from worker.observability.logs import logger
from worker.outbox.events import Event, events
from worker.storage.transaction import columns

log = logger(__name__)


class Reminders:
    """The sweep at a reminder."""

    def __init__(self, frame: SweepFrame, scope: EvidenceScope) -> None:
        self._frame = frame
        self._scope = scope

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
                proof.check(reading.positions, frame.clock)
                changes = await DeadlineChanges.load(tx)
                published: list[Event] = []
                counts: list[tuple[str, int]] = []
                cases, _ = await load_cases(tx, lane.number, list(reminds_at))
                for loaded in cases:
                    order = loaded.order
                    try:
                        case = changes.consider(loaded)
                        if case is None or case.finding is not None or sweep.now > order.due:
                            continue
                        decisions = remind(case, reminds_at[order.order_id])
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
                sweep.timers += await changes.store(tx, lane.number, sweep.now)
                sweep.refused_changes += changes.refused
                next_reminder = await tx.row("next_reminder", lane.number)
            assert next_reminder is not None
            lane.next_reminds_at = next_reminder[0]
        return SweepResult.of(sweep, orders=0, more=len(due) >= frame.batch_size)
