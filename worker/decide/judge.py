"""Judges orders inside a sweep: loads cases, asks the brake, publishes and settles the orders."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from worker.decide.alike import Alike, SharedEvents, load_alike
from worker.decide.brake import Brake, BrakeRequest
from worker.decide.cases import Cases, count_omitted, load_cases
from worker.decide.deadlines import ChangeLimits, Deadlines
from worker.decide.hearing import Hearing
from worker.decide.lines import ReadLines
from worker.decide.sweep import Sweep
from worker.decide.verdicts import Judged, Verdict
from worker.domain.case import Case, Judgement, Kind, Limits
from worker.domain.decide import decide
from worker.domain.policy import Policies
from worker.freshness.evidence import EvidenceScope, Proof, Reading
from worker.lanes.timers import TimerChange
from worker.observability.logs import logger
from worker.outbox.events import Event, events
from worker.storage.transaction import Transaction, text_array

log = logger(__name__)


class Judge:
    """Judges the orders of one lane.

    An auto-cancel is checked again after ``confirm_within``; ``None`` is never. Without a ``brake``
    there is no limit.
    """

    def __init__(
        self,
        scope: EvidenceScope,
        policies: Policies,
        change_limits: ChangeLimits,
        confirm_within: timedelta | None,
        brake: Brake | None = None,
        *,
        escalate_before_adoption: bool = False,
    ) -> None:
        self._scope = scope
        self._policies = policies
        self._change_limits = change_limits
        self._confirm_within = confirm_within
        self._brake = brake
        self._escalate_before_adoption = escalate_before_adoption

    def limits(self, reading: Reading) -> Limits:
        """The limits of what is known at a reading."""
        return Limits(
            reading.evidence_since,
            reading.adopted_at,
            self._escalate_before_adoption,
            reading.astray_at,
        )

    async def deadlines(self, sweep: Sweep) -> Deadlines:
        """The deadlines that a sweep settles."""
        return await Deadlines.load(sweep.tx, self._policies, self._change_limits, sweep.now)

    async def lapsed(self, sweep: Sweep, order_ids: Sequence[str], proof: Proof) -> Judged:
        """Judge orders whose deadline fired, except those that the proof does not reach.

        Raises:
            DatabaseUnavailable: as the statements of the sweep, and as :meth:`Brake.permit`.
        """
        return await self._judge(sweep, order_ids, proof)

    async def decided(self, sweep: Sweep, order_ids: Sequence[str]) -> Judged:
        """Judge decided orders again; the others wait for their deadline.

        A change of the deadline takes effect at once in both cases.

        Raises: as :meth:`lapsed`.
        """
        return await self._judge(sweep, order_ids)

    async def prospects(
        self,
        tx: Transaction,
        lane: int,
        order_ids: Sequence[str],
        now: datetime,
        read_lines: ReadLines | None = None,
    ) -> list[tuple[Case, Judgement | None]]:
        """The undecided ones of these orders, each with its verdict if it fell at ``now``.

        Nothing is written. ``None``: our own code cannot judge the order. A judgement without an
        outcome: it has another deadline or is on hold.
        """
        limits = self.limits(await self._scope.reading(tx, lane))
        deadlines = await Deadlines.load(tx, self._policies, self._change_limits, now)
        cases = await load_cases(tx, lane, order_ids, self._policies, read_lines)
        found: list[tuple[Case, Judgement | None]] = []
        for case in cases.readable:
            if case.finding is not None:
                continue  # decided already, and only checked again
            judged: Judgement | None = None
            with suppress(Exception):  # the sweep itself reports it and postpones the order
                settled, judgement = deadlines.settle(case, cases.facts[case.order.order_id])
                judged = judgement or decide(settled, limits)
            found.append((case, judged))
        return found

    async def _judge(
        self, sweep: Sweep, order_ids: Sequence[str], proof: Proof | None = None
    ) -> Judged:
        # All from one snapshot: an event states how far each input was read, and that must match
        # the acts of the judgement exactly.
        judged = Judged()
        reading = await self._scope.reading(sweep.tx, sweep.lane)
        hearing = Hearing(
            await self.deadlines(sweep), self.limits(reading), proof, self._confirm_within
        )
        verdicts = await self._verdicts(sweep, order_ids, hearing, judged)
        if self._brake is not None:
            verdicts = await self._permitted(
                self._brake, sweep, order_ids, hearing, verdicts, judged
            )
        published: list[Event] = []
        for verdict in verdicts:
            published += await self._events(sweep, verdict, reading, judged)
            judged.settle(verdict)
        await sweep.publish(published)
        for settlement, settled in judged.settled.items():
            await sweep.tx.execute("update_outcomes", text_array(settled), *settlement, sweep.now)
        sweep.timers += await hearing.deadlines.store(sweep.tx, sweep.lane)
        sweep.refused_changes += hearing.deadlines.refused
        judged.unfinished = hearing.deadlines.unfinished
        await self._await_confirmation(sweep, published)
        return judged

    async def _verdicts(
        self, sweep: Sweep, order_ids: Sequence[str], hearing: Hearing, judged: Judged
    ) -> list[Verdict]:
        """The verdicts on these orders if there were no brake."""
        groups = await self._alike(sweep, order_ids, hearing)
        sharing = {row["order_id"] for group in groups.values() for row in group.rows[1:]}
        waiting = [order_id for order_id in order_ids if order_id not in sharing]
        verdicts = []
        while waiting:
            cases = await load_cases(sweep.tx, sweep.lane, waiting, self._policies)
            judged.faulty |= cases.faulty
            for case, judgement in self._judge_cases(sweep, cases, hearing, judged):
                group = groups.get(case.order.order_id)
                if group and group.share(case, judgement):
                    del groups[case.order.order_id]
                    verdicts.append(Verdict(case, judgement, group.rows))
                else:
                    verdicts.append(Verdict(case, judgement))
            # Where the first could not be judged for all, each is judged for itself.
            waiting = [row["order_id"] for group in groups.values() for row in group.rows[1:]]
            groups = {}
        return verdicts

    async def _alike(
        self, sweep: Sweep, order_ids: Sequence[str], hearing: Hearing
    ) -> dict[str, Alike]:
        """Groups of alike orders, by the id of the one that is judged."""
        proof = hearing.proof
        if proof is None or hearing.deadlines.outages:
            return {}
        groups = await load_alike(
            sweep.tx, sweep.lane, order_ids, proof.at, hearing.limits, self._policies
        )
        return {group.rows[0]["order_id"]: group for group in groups}

    def _judge_cases(
        self, sweep: Sweep, cases: Cases, hearing: Hearing, judged: Judged
    ) -> Iterator[tuple[Case, Judgement]]:
        for loaded in cases.readable:
            order_id = loaded.order.order_id
            try:
                case, judgement = hearing.judge(loaded, cases.facts[order_id])
            except Exception:
                # An order that our own code cannot judge must not hold the others.
                self._isolate(judged, sweep, order_id)
                continue
            if loaded.finding is None and judgement.finding is None and not judgement.decisions:
                continue  # it was open and stays open
            yield case, judgement

    async def _permitted(
        self,
        brake: Brake,
        sweep: Sweep,
        order_ids: Sequence[str],
        hearing: Hearing,
        verdicts: Sequence[Verdict],
        judged: Judged,
    ) -> list[Verdict]:
        """The verdicts that the brake lets through; those that it refuses are held or escalate."""
        lapsed: Counter[str] = Counter()
        silent: list[tuple[str, str]] = []
        for verdict in verdicts:
            if verdict.is_first:
                lapsed.update(seller for _, seller in verdict.orders)
            if verdict.cancels:
                silent += verdict.orders
        if hearing.proof is None and not silent:
            return list(verdicts)  # a notice, and hardly any cancels
        rank = {order_id: number for number, order_id in enumerate(order_ids)}
        silent.sort(key=lambda one: rank[one[0]])
        request = BrakeRequest(lapsed, silent)
        permit = await brake.permit(sweep.lane, request, corrections=hearing.proof is None)
        let = []
        for verdict in verdicts:
            if not verdict.cancels:
                let.append(verdict)
                continue
            permitted, refused = verdict.parted(permit.orders)
            if permitted is not None:
                let.append(permitted)
            if refused is None:
                continue
            if not permit.escalate:
                judged.held.update(order_id for order_id, _ in refused.orders)
                continue
            try:
                let.append(refused._replace(judgement=hearing.decide(refused.case, braked=True)))
            except Exception:
                for order_id, _ in refused.orders:
                    self._isolate(judged, sweep, order_id)
        return let

    async def _events(
        self, sweep: Sweep, verdict: Verdict, reading: Reading, judged: Judged
    ) -> list[Event]:
        """The events of a verdict; an order for which our own code fails becomes faulty."""
        case, judgement, alike = verdict
        if not judgement.decisions:
            return []
        made: list[Event] = []
        if not alike:
            case = await count_omitted(sweep.tx, case, self._policies)
            try:
                made += list(events(case, judgement.decisions, reading, sweep.now))
            except Exception:
                self._isolate(judged, sweep, case.order.order_id)
            return made
        shared = SharedEvents(case.order, judgement, reading, sweep.now)
        for row in alike:
            try:
                made += shared.of(row)
            except Exception:
                self._isolate(judged, sweep, row["order_id"])
        return made

    def _isolate(self, judged: Judged, sweep: Sweep, order_id: str) -> None:
        judged.faulty.add(order_id)
        log.exception("order_not_judged", lane=sweep.lane, order=order_id)

    async def _await_confirmation(self, sweep: Sweep, published: Sequence[Event]) -> None:
        """Arm the deadline by which each auto-cancel must be confirmed."""
        cancelled = [event.order_id for event in published if event.kind == Kind.AUTO_CANCEL]
        if self._confirm_within is None or not cancelled:
            return
        # From the time in the event: a clock adjustment in between must not shorten the wait.
        at = sweep.now + self._confirm_within
        armed = await sweep.tx.execute("arm_deadlines", sweep.lane, at, cancelled)
        sweep.timers += TimerChange(armed, first_fires_at=at)
