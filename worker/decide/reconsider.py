"""Reconsiders orders after a notice: late evidence, the start of a clock, a deadline change."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from worker.decide.brake import Brake, BrakeRequest, Permit
from worker.decide.cases import facts_of, load_waiting
from worker.decide.judge import Judge, Judged
from worker.decide.sweep import HELD, RETRY, Sweep, SweepFrame, SweepResult
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
        # Orders that the last sweep would have cancelled, with their sellers: to ask the brake for.
        self._asking: dict[str, str] = {}
        # Orders that the brake holds.
        self._held: set[str] = set()

    async def sweep(self) -> SweepResult:
        """Judge noticed orders again, up to a batch.

        Needs no proof: that of the first verdict still holds, and a correction must not wait. Only
        one that cancels waits for the brake, as at a deadline. Hardly any does, so a sweep first
        corrects all others, and the next one asks for those.

        Raises: as :meth:`Lane.fence`.
        """
        frame, lane = self._frame, self._frame.lane
        asked, permit = self._asking, await self._permit()
        async with lane.lock, frame.open() as sweep:
            tx, now = sweep.tx, sweep.now
            notices = await tx.rows("next_notices", lane.number, frame.batch_size, now)
            order_ids = list(dict.fromkeys(row["order_id"] for row in notices))
            await self._start_clocks(sweep, order_ids)
            judged = await self._judge.decided(sweep, order_ids, permit)
            await self._settle(sweep, notices, judged, asked)
        self._asking = {o: seller for o, seller in judged.held.items() if o not in asked}
        self._held = self._held.difference(order_ids) | (judged.held.keys() & asked.keys())
        if self._brake and not self._held and not self._asking:
            self._brake.forget_corrections(lane.number)
        # An order with more new changes has left itself another notice.
        more = len(notices) >= frame.batch_size or judged.unfinished or bool(self._asking)
        return SweepResult.of(sweep, orders=judged.orders, more=more)

    async def _permit(self) -> Permit | None:
        if self._brake is None:
            return None
        if not self._asking:
            return Permit(frozenset())
        # Their deadlines lapsed before, and were counted then.
        request = BrakeRequest({}, [*self._asking.items()])
        return await self._brake.permit(self._frame.lane.number, request, corrections=True)

    async def _settle(
        self, sweep: Sweep, notices: Sequence[Any], judged: Judged, asked: Collection[str]
    ) -> None:
        """Delete the notices, but for those whose orders have to come again."""
        again = judged.faulty | judged.held.keys()
        done = [row["id"] for row in notices if row["order_id"] not in again]
        await sweep.tx.execute("delete_notices", done)
        # An order that the brake was not asked for yet comes again at once.
        refused = judged.held.keys() & set(asked)
        for orders, wait in ((judged.faulty, RETRY), (refused, HELD)):
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
