"""Reconsiders orders after a notice: late evidence, the start of a clock, a deadline change."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from worker.decide.brake import Brake
from worker.decide.cases import facts_of, load_waiting
from worker.decide.judge import Judge
from worker.decide.sweep import HELD, RETRY, Sweep, SweepFrame, SweepResult
from worker.decide.verdicts import Judged
from worker.domain.policy import Policies


class Reconsider:
    """The sweep at a notice."""

    def __init__(
        self, frame: SweepFrame, judge: Judge, policies: Policies, brake: Brake | None
    ) -> None:
        self._frame = frame
        self._judge = judge
        self._policies = policies
        self._brake = brake
        # Orders that the brake holds.
        self._held: set[str] = set()

    async def sweep(self) -> SweepResult:
        """Judge noticed orders again, up to a batch.

        Needs no proof: that of the first verdict still holds, and a correction must not wait. Only
        one that cancels asks the brake, as at a deadline.

        Raises: as :meth:`Lane.fence`, and as :meth:`Brake.permit`.
        """
        frame, lane = self._frame, self._frame.lane
        async with lane.lock, frame.open() as sweep:
            tx, now = sweep.tx, sweep.now
            notices = await tx.rows("next_notices", lane.number, frame.batch_size, now)
            order_ids = list(dict.fromkeys(row["order_id"] for row in notices))
            await self._start_clocks(sweep, order_ids)
            judged = await self._judge.decided(sweep, order_ids)
            await self._settle(sweep, notices, judged)
        self._held = self._held.difference(order_ids) | judged.held
        if self._brake and not self._held:
            self._brake.forget_corrections(lane.number)
        # An order with more new changes has left itself another notice.
        more = len(notices) >= frame.batch_size or judged.unfinished
        return SweepResult.of(sweep, orders=judged.orders, more=more)

    async def _settle(self, sweep: Sweep, notices: Sequence[Any], judged: Judged) -> None:
        """Delete the notices, but for those whose orders have to come again."""
        again = judged.faulty | judged.held
        done = [row["id"] for row in notices if row["order_id"] not in again]
        await sweep.tx.execute("delete_notices", done)
        for orders, wait in ((judged.faulty, RETRY), (judged.held, HELD)):
            later = [row["id"] for row in notices if row["order_id"] in orders]
            if later:
                await sweep.tx.execute("postpone_notices", later, sweep.now + wait)

    async def _start_clocks(self, sweep: Sweep, order_ids: Sequence[str]) -> None:
        """Start the clocks of waiting orders whose start is known now."""
        waiting, acts = await load_waiting(sweep.tx, order_ids, self._policies)
        if not waiting:
            return
        deadlines = await self._judge.deadlines(sweep)
        for order_id, row in waiting.items():
            with suppress(OverflowError):
                known = acts.get(order_id, ())
                deadlines.start(order_id, row["entered_at"], facts_of(row), known)
        sweep.timers += await deadlines.store(sweep.tx, sweep.lane)
        sweep.refused_changes += deadlines.refused
