"""Reconsiders orders after a notice: late evidence, the start of a clock, a deadline change."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from worker.decide.brake import Brake, BrakeRequest, Permit
from worker.decide.judge import Judge, Judged
from worker.decide.sweep import HELD, RETRY, Sweep, SweepFrame, SweepResult
from worker.domain.acts import ORDER_CREATED
from worker.domain.policy import Facts, Policies
from worker.lanes.timers import TimerChange, arm_reminders
from worker.storage.transaction import columns


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
        return SweepResult.of(sweep, orders=len(judged.cases), more=more)

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
        """Start the clocks of waiting orders whose start status has arrived.

        The earliest known act with that status counts; later ones change nothing.
        """
        tx = sweep.tx
        waiting = {row["order_id"]: row for row in await tx.rows("orders_without_clock", order_ids)}
        if not waiting:
            return
        policies = {
            order_id: self._policies.choose(
                Facts(row["seller_id"], row["fulfilment"], row["total"], row["currency"])
            )
            for order_id, row in waiting.items()
        }
        asked = [(order_id, policy.clock) for order_id, policy in policies.items()]
        acts = await tx.rows("clock_starts", *columns(asked))
        starts = {act["order_id"]: act["occurred_at"] for act in acts}
        terms = []
        for order_id, policy in policies.items():
            if policy.clock == ORDER_CREATED:  # the policies have changed in between
                starts[order_id] = waiting[order_id]["entered_at"]
            if order_id in starts:
                with suppress(OverflowError):
                    terms.append((order_id, *policy.terms(starts[order_id])))
        if not terms:
            return
        clocks = await tx.row("start_clocks", *columns(terms))
        assert clocks is not None
        started = [order_id for order_id, *_ in terms]
        reminder = await arm_reminders(tx, sweep.lane, started, sweep.now)
        sweep.timers += TimerChange(clocks["armed"], clocks["first_fires_at"], reminder)
