"""Decides the orders whose deadline lapsed."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from worker.decide.judge import Judge
from worker.decide.sweep import HELD, RETRY, SweepFrame, SweepResult
from worker.decide.verdicts import Judged
from worker.freshness.evidence import EvidenceScope, Proof


class Lapse:
    """The sweep at a deadline.

    After an outage longer than ``outage_after`` lapsed orders get time back; ``None`` is never.
    """

    def __init__(
        self,
        frame: SweepFrame,
        judge: Judge,
        scope: EvidenceScope,
        outage_after: timedelta | None,
    ) -> None:
        self._frame = frame
        self._judge = judge
        self._scope = scope
        self._outage_after = outage_after

    async def sweep(self, proof: Proof) -> SweepResult:
        """Decide the orders whose deadline fired at or before the proof, up to a batch.

        Raises:
            ProofOutlived: nothing was decided.
            Fenced, StateLost, DatabaseUnavailable: as :meth:`Lane.fence`.
        """
        frame, lane = self._frame, self._frame.lane
        async with lane.lock:
            if self._outage_after is not None:
                # Before the deadlines are read: they may lie in the outage that ends here.
                await lane.database.rows("record_heartbeat", self._outage_after)
            async with frame.open() as sweep:
                tx = sweep.tx
                reading = await self._scope.reading(tx, lane.number)
                proof.check(reading.positions, *frame.time())
                due = await tx.rows("due_deadlines", lane.number, proof.at, frame.batch_size)
                fires_at = {row["order_id"]: row["fires_at"] for row in due}
                if due:
                    # First of all: later steps may arm others, and before the last of these.
                    last = due[-1]["fires_at"], due[-1]["order_id"]
                    sweep.open_deadlines -= await tx.execute("disarm_deadlines", lane.number, *last)
                judged = await self._judge.lapsed(sweep, list(fires_at), proof)
                for orders, wait in ((judged.faulty, RETRY), (judged.held, HELD)):
                    if orders:
                        later = frame.clock.now() + wait
                        sweep.open_deadlines += await tx.execute(
                            "postpone_deadlines", lane.number, later, sorted(orders)
                        )
                next_deadline = await tx.row("next_deadline", lane.number)
            assert next_deadline is not None
            lane.next_fires_at = next_deadline[0]
            self._observe(judged, fires_at)
        more = len(due) >= frame.batch_size
        return SweepResult.of(sweep, orders=judged.orders, more=more)

    def _observe(self, judged: Judged, fires_at: Mapping[str, datetime]) -> None:
        now, metrics = self._frame.clock.now(), self._frame.metrics
        for outcome, orders in judged.first.items():
            metrics.lateness.observe_all(
                [max(0.0, (now - fires_at[order_id]).total_seconds()) for order_id in orders]
            )
            if outcome is not None:
                metrics.outcomes.labels(outcome).inc(len(orders))
