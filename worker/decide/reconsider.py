"""Reconsiders orders after a notice: late evidence, the start of a clock, a deadline change."""

from collections.abc import Sequence
from contextlib import suppress

from worker.decide.judge import Judge
from worker.decide.sweep import Sweep, SweepFrame, SweepResult
from worker.domain.acts import ORDER_CREATED
from worker.domain.policy import Facts, Policies
from worker.lanes.timers import TimerChange, arm_reminders
from worker.storage.transaction import columns, text_array


class Reconsider:
    """The sweep at a notice."""

    def __init__(self, frame: SweepFrame, judge: Judge, policies: Policies) -> None:
        self._frame = frame
        self._judge = judge
        self._policies = policies

    async def sweep(self) -> SweepResult:
        """Judge noticed orders again, up to a batch.

        Needs no proof: that of the first verdict still holds, and a correction must not wait.

        Raises: as :meth:`Lane.fence`.
        """
        frame, lane = self._frame, self._frame.lane
        async with lane.lock, frame.open() as sweep:
            notices = await sweep.tx.rows("next_notices", lane.number, frame.batch_size)
            order_ids = list(dict.fromkeys(row["order_id"] for row in notices))
            await self._start_clocks(sweep, order_ids)
            judged = await self._judge.decided(sweep, order_ids)
            done = [row["id"] for row in notices if row["order_id"] not in judged.faulty]
            await sweep.tx.execute("delete_notices", done)
        more = len(notices) >= frame.batch_size
        return SweepResult.of(sweep, orders=len(judged.cases), more=more)

    async def _start_clocks(self, sweep: Sweep, order_ids: Sequence[str]) -> None:
        """Start the clocks of waiting orders whose start status has arrived.

        The earliest known act with that status counts; later ones change nothing.
        """
        tx = sweep.tx
        waiting = {row["order_id"]: row for row in await tx.rows("orders_without_clock", order_ids)}
        if not waiting:
            return
        acts = await tx.rows("case_acts", text_array(waiting), list(self._policies.clocks))
        terms = []
        for order_id, row in waiting.items():
            facts = Facts(row["seller_id"], row["fulfilment"], row["total"], row["currency"])
            policy = self._policies.choose(facts)
            starts = [
                act["occurred_at"]
                for act in acts
                if act["order_id"] == order_id and act["status"] == policy.clock
            ]
            if policy.clock == ORDER_CREATED:  # the policies have changed in between
                starts = [row["entered_at"]]
            if starts:
                with suppress(OverflowError):
                    terms.append((order_id, *policy.terms(min(starts))))
        if not terms:
            return
        clocks = await tx.row("start_clocks", *columns(terms))
        assert clocks is not None
        started = [order_id for order_id, *_ in terms]
        reminder = await arm_reminders(tx, sweep.lane, started, sweep.now)
        sweep.timers += TimerChange(clocks["armed"], clocks["first_fires_at"], reminder)
