"""Judges orders inside a sweep: loads their cases, publishes the decisions, settles the orders."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from worker.decide.alike import Alike, load_alike, shared_events
from worker.decide.brake import Permit
from worker.decide.cases import Cases, count_omitted, load_cases
from worker.decide.deadlines import ChangeLimits, Deadlines
from worker.decide.lines import ReadLines
from worker.decide.sweep import Sweep
from worker.domain.case import Case, Finding, Judgement, Kind, Limits, Outcome, Reason
from worker.domain.decide import decide, watch
from worker.domain.policy import Policies
from worker.freshness.evidence import EvidenceScope, Proof, Reading
from worker.lanes.timers import TimerChange
from worker.observability.logs import logger
from worker.outbox.events import Event, events
from worker.storage.transaction import Transaction, text_array

log = logger(__name__)

# Finding, outcome and number of decisions.
Settlement = tuple[Finding | None, Outcome | None, int]


@dataclass(slots=True)
class Judged:
    """The orders of a sweep: judged, held by the brake, or faulty because our own code failed.

    ``first`` are those with their first verdict, by its outcome; ``settled`` are all that were
    judged, by their finding, outcome and number of decisions.
    """

    first: defaultdict[Outcome | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    settled: defaultdict[Settlement, list[str]] = field(default_factory=lambda: defaultdict(list))
    # With the seller of each.
    held: dict[str, str] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)
    # Of some order, not all new changes were considered.
    unfinished: bool = False

    @property
    def orders(self) -> int:
        """Number of orders that were judged."""
        return sum(map(len, self.settled.values()))

    def settle(self, case: Case, judgement: Judgement, alike: Sequence[Any] = ()) -> None:
        """Keep the judgement of an order, and of those like it."""
        orders = [case.order.order_id, *(row["order_id"] for row in alike)]
        decisions = case.decided + len(judgement.decisions)
        self.settled[judgement.finding, judgement.outcome, decisions] += orders
        if case.finding is None and judgement.finding is not None:
            self.first[judgement.outcome] += orders

    def hold(self, case: Case, alike: Sequence[Any] = ()) -> None:
        """Keep that the brake holds an order, and those like it."""
        self.held[case.order.order_id] = case.order.seller_id
        self.held.update((row["order_id"], row["seller_id"]) for row in alike)


class Judge:
    """Judges the orders of one lane.

    An auto-cancel is checked again after ``confirm_within``; ``None`` is never.
    """

    def __init__(
        self,
        scope: EvidenceScope,
        policies: Policies,
        change_limits: ChangeLimits,
        confirm_within: timedelta | None,
        *,
        escalate_before_adoption: bool = False,
    ) -> None:
        self._scope = scope
        self._policies = policies
        self._change_limits = change_limits
        self._confirm_within = confirm_within
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

    async def lapsed(
        self, sweep: Sweep, order_ids: Sequence[str], proof: Proof, permit: Permit | None
    ) -> Judged:
        """Judge orders whose deadline fired, except those that the proof does not reach.

        Without a ``permit`` there is no brake.
        """
        return await self._judge(sweep, order_ids, proof, permit)

    async def decided(
        self, sweep: Sweep, order_ids: Sequence[str], permit: Permit | None
    ) -> Judged:
        """Judge decided orders again; the others wait for their deadline.

        A change of the deadline takes effect at once in both cases. Without a ``permit`` there is
        no brake.
        """
        return await self._judge(sweep, order_ids, permit=permit)

    async def foresee(
        self, tx: Transaction, lane: int, order_ids: Sequence[str], now: datetime
    ) -> tuple[Counter[str], list[tuple[str, str]]]:
        """The number of undecided orders by seller, and those that would be cancelled.

        Nothing is written. The caller's transaction has passed the fence.
        """
        limits = self.limits(await self._scope.reading(tx, lane))
        deadlines = await Deadlines.load(tx, self._policies, self._change_limits, now)
        led: dict[str, Alike] = {}
        if not deadlines.outages:
            led = await self._led(tx, lane, order_ids, now, limits)
        cases = await load_cases(tx, lane, _judged_alone(order_ids, led), self._policies)
        lapsed: Counter[str] = Counter()
        silent = []
        for case, judgement in self._foreseen(cases, deadlines, limits):
            order = case.order
            orders = [(order.order_id, order.seller_id)]
            if group := led.get(order.order_id):
                orders += [(row["order_id"], row["seller_id"]) for row in group.others]
            lapsed.update(seller for _, seller in orders)
            if judgement is not None and judgement.outcome == Outcome.AUTO_CANCELLED:
                silent += orders
        rank = {order_id: number for number, order_id in enumerate(order_ids)}
        silent.sort(key=lambda one: rank[one[0]])
        return lapsed, silent

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
        return list(self._foreseen(cases, deadlines, limits))

    def _foreseen(
        self, cases: Cases, deadlines: Deadlines, limits: Limits
    ) -> Iterator[tuple[Case, Judgement | None]]:
        for case in cases.readable:
            if case.finding is not None:
                continue  # decided already, and only checked again
            judged: Judgement | None = None
            with suppress(Exception):  # the sweep itself reports it and postpones the order
                settled, judgement = deadlines.settle(case, cases.facts[case.order.order_id])
                judged = judgement or decide(settled, limits)
            yield case, judged

    async def _judge(
        self,
        sweep: Sweep,
        order_ids: Sequence[str],
        proof: Proof | None = None,
        permit: Permit | None = None,
    ) -> Judged:
        # All from one snapshot: an event states how far each input was read, and that must match
        # the acts of the judgement exactly.
        judged = Judged()
        reading = await self._scope.reading(sweep.tx, sweep.lane)
        limits = self.limits(reading)
        deadlines = await self.deadlines(sweep)
        led: dict[str, Alike] = {}
        if proof is not None and not deadlines.outages:
            led = await self._led(sweep.tx, sweep.lane, order_ids, proof.at, limits, permit)
        published: list[Event] = []
        waiting = _judged_alone(order_ids, led)
        while waiting:
            cases = await load_cases(sweep.tx, sweep.lane, waiting, self._policies)
            judged.faulty |= cases.faulty
            for case, judgement in self._judge_cases(
                sweep, cases, deadlines, limits, proof, permit, judged
            ):
                group = led.get(case.order.order_id)
                alike = group.others if group and group.share(case, judgement) else ()
                if _is_held(permit, judgement):
                    judged.hold(case, alike)
                else:
                    made = await self._events(sweep, case, judgement, alike, reading)
                    if made is None:
                        judged.faulty.add(case.order.order_id)
                        continue
                    published += made
                    judged.settle(case, judgement, alike)
                if alike:
                    del led[case.order.order_id]
            # Where the first could not be judged for all, each is judged for itself.
            waiting = [row["order_id"] for group in led.values() for row in group.others]
            led = {}
        await sweep.publish(published)
        for settlement, settled in judged.settled.items():
            await sweep.tx.execute("update_outcomes", text_array(settled), *settlement, sweep.now)
        sweep.timers += await deadlines.store(sweep.tx, sweep.lane)
        sweep.refused_changes += deadlines.refused
        judged.unfinished = deadlines.unfinished
        await self._await_confirmation(sweep, published)
        return judged

    async def _led(
        self,
        tx: Transaction,
        lane: int,
        order_ids: Sequence[str],
        at: datetime,
        limits: Limits,
        permit: Permit | None = None,
    ) -> dict[str, Alike]:
        """Groups of alike orders, by the id of the one that is judged."""
        braked = partial(_is_braked, permit)
        groups = await load_alike(tx, lane, order_ids, at, limits, self._policies, braked)
        return {group.first["order_id"]: group for group in groups}

    def _judge_cases(
        self,
        sweep: Sweep,
        cases: Cases,
        deadlines: Deadlines,
        limits: Limits,
        proof: Proof | None,
        permit: Permit | None,
        judged: Judged,
    ) -> Iterator[tuple[Case, Judgement]]:
        facts = cases.facts
        for loaded in cases.readable:
            order_id = loaded.order.order_id
            try:
                case, judgement = deadlines.settle(loaded, facts[order_id])
                if judgement is None and _is_early(case, proof):
                    judgement = watch(case)
                if judgement is None:
                    judgement = decide(
                        case,
                        limits,
                        braked=_is_braked(permit, order_id),
                        unconfirmed=proof is not None and self._is_unconfirmed(case, sweep.now),
                    )
            except Exception:
                # An order that our own code cannot judge must not hold the others.
                self._isolate(judged, sweep, order_id)
                continue
            if loaded.finding is None and judgement.finding is None and not judgement.decisions:
                continue  # it was open and stays open
            yield case, judgement

    async def _events(
        self,
        sweep: Sweep,
        case: Case,
        judgement: Judgement,
        alike: Sequence[Any],
        reading: Reading,
    ) -> list[Event] | None:
        """The events of an order and of those like it; ``None`` if our own code failed."""
        if judgement.decisions:
            case = await count_omitted(sweep.tx, case, self._policies)
        try:
            made = list(events(case, judgement.decisions, reading, sweep.now))
            return made + shared_events(case, judgement, alike, reading, sweep.now)
        except Exception:
            log.exception("order_not_judged", lane=sweep.lane, order=case.order.order_id)
            return None

    def _is_unconfirmed(self, case: Case, now: datetime) -> bool:
        """Whether the time to confirm an auto-cancel is over."""
        within = self._confirm_within
        return within is not None and any(
            given.kind == Kind.AUTO_CANCEL and given.decided_at + within <= now
            for given in case.standing
        )

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


def _judged_alone(order_ids: Sequence[str], led: Mapping[str, Alike]) -> list[str]:
    """The orders that share no other's judgement."""
    sharing = {row["order_id"] for group in led.values() for row in group.others}
    return [order_id for order_id in order_ids if order_id not in sharing]


def _is_braked(permit: Permit | None, order_id: str) -> bool:
    return permit is not None and order_id not in permit.orders


def _is_held(permit: Permit | None, judgement: Judgement) -> bool:
    return (
        permit is not None
        and not permit.escalate
        and any(decision.reason == Reason.MASS_CANCEL for decision in judgement.decisions)
    )


def _is_early(case: Case, proof: Proof | None) -> bool:
    """Whether the order has no verdict yet and its deadline lies ahead."""
    if case.finding is not None:
        return False
    fires_at = case.order.fires_at
    return proof is None or (fires_at is not None and fires_at > proof.at)
