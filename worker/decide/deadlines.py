"""The deadline in force, settled before any verdict: cycles, extensions, holds and outages.

Each change of a deadline either counts, or becomes a dead letter for its publisher.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from schemas.events import RefusalClass
from worker.domain.acts import EXTENDED, ORDER_CREATED, Act, Change
from worker.domain.case import Case, Judgement, Reason, Version
from worker.domain.cycle import Cycle, cycle_of
from worker.domain.deadline import Outage, Schedule, schedule
from worker.domain.decide import watch, withdraw
from worker.domain.policy import Facts, Policies, Policy, Terms
from worker.lanes.timers import TimerChange, arm_reminders
from worker.settings import Settings
from worker.storage.transaction import Transaction, columns

_EARLY = "occurred_at: would start the clock before the order entered"


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """How far beyond the first deadline an extension may go, and how long a hold may last."""

    extension: timedelta
    hold: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "ChangeLimits":
        """The limits in the settings."""
        return cls(settings.max_extension, settings.max_hold)


class Settled(NamedTuple):
    """A case of the cycle and the deadline in force.

    ``judgement`` is given where no verdict may fall now: the order has another deadline or is on
    hold.
    """

    case: Case
    judgement: Judgement | None = None


class ClockChange(NamedTuple):
    """The clock of an order from now on; without ``due`` it waits for its start."""

    order_id: str
    started_at: datetime | None
    due: datetime | None
    fires_at: datetime | None
    policy: str | None
    policy_version: int
    at_lapse: str | None
    fired_at: datetime | None
    doubt: str | None
    seller_id: str


@dataclass(slots=True)
class Deadlines:
    """The deadlines that one sweep settles, at ``now``."""

    policies: Policies
    limits: ChangeLimits
    outages: Sequence[Outage]
    now: datetime
    _moved: list[tuple[Case, Schedule, datetime]] = field(default_factory=list)
    _clocks: list[ClockChange] = field(default_factory=list)
    _early: list[tuple[str, Act]] = field(default_factory=list)
    _counted: list[tuple[str, Change]] = field(default_factory=list)
    _refused: list[tuple[str, Change, RefusalClass, str]] = field(default_factory=list)
    # Orders with more new changes than this sweep has read.
    _unfinished: list[str] = field(default_factory=list)

    @classmethod
    async def load(
        cls, tx: Transaction, policies: Policies, limits: ChangeLimits, now: datetime
    ) -> "Deadlines":
        """With all recorded outages."""
        outages = [Outage(row["began"], row["ended"]) for row in await tx.rows("outages")]
        return cls(policies, limits, outages, now)

    def settle(self, case: Case, facts: Facts) -> Settled:
        """The case of the cycle in force, with the changes that count."""
        if not (case.acts or case.changes or case.versions or case.auto_cancels or self.outages):
            return Settled(case)
        policy, cycle = self._cycle(case, facts)
        if cycle.started_at != _start(case):
            begun = self._begin(case, cycle, policy, facts)
            if begun is not None:
                return begun
        if cycle.opened is not None:
            before = [c for c in case.changes if c.occurred_at < cycle.opened.occurred_at]
            self._refuse(case, before, RefusalClass.TOO_LATE, "the order was cancelled since")
        case = _of_cycle(case, cycle)
        if case.more_changes:
            self._unfinished.append(case.order.order_id)
        return self._decided(case) if case.finding is not None else self._open(case)

    def start(self, order_id: str, entered_at: datetime, facts: Facts, acts: Iterable[Act]) -> None:
        """Start the clock of an order that waits for it, if its start is known.

        Raises:
            OverflowError: its policy has no deadline from there.
        """
        policy = self.policies.choose(facts)
        cycle = cycle_of(entered_at, acts, (), policy.clock, policy.stops)
        if cycle.started_at is not None:
            self._set_clock(order_id, cycle, policy, facts)

    def _cycle(self, case: Case, facts: Facts) -> tuple[Policy, Cycle]:
        """The cycle in force, and the policy for its deadline."""
        order = case.order
        named = self.policies.named(order.policy, order.policy_version)
        policy = named or self.policies.choose(facts)
        acts = [*case.acts, *map(_as_act, case.versions)]
        found = cycle_of(order.entered_at, acts, case.auto_cancels, policy.clock, policy.stops)
        if found.opened is not None:
            told = (v.policy for v in case.versions if v.place == found.opened.place)
            policy = next(told, policy)
        elif named is None:
            # The policy that started this clock is gone, and its terms stay.
            found = found._replace(started_at=_start(case))
        return policy, found

    def _begin(self, case: Case, cycle: Cycle, policy: Policy, facts: Facts) -> Settled | None:
        """Set another clock: a new deadline, or none until it starts again.

        ``None`` if the verdict stands: nothing that becomes known after it takes time away.
        """
        order, judgement = case.order, None
        if case.finding is not None and not _another_cycle(case, cycle):
            judgement = withdraw(case)
            less = cycle.started_at is not None and cycle.started_at < _start(case)
            if less or not judgement.decisions:
                return None
        opened = cycle.opened
        sellers = (v.seller_id for v in case.versions if opened and v.place == opened.place)
        facts = replace(facts, seller_id=next(sellers, None) or order.seller_id)
        clock = self._set_clock(order.order_id, cycle, policy, facts, order.fires_at)
        if clock.due is None:
            return Settled(case, judgement or Judgement(None, None, ()))
        begun = order._replace(
            seller_id=clock.seller_id,
            due=clock.due,
            fires_at=clock.fires_at,
            first_due=None,
            policy=policy.name,
            policy_version=policy.version,
            at_lapse=policy.at_lapse,
            started_at=clock.started_at,
        )
        begun_case = _of_cycle(case._replace(order=begun, finding=None), cycle)
        return Settled(begun_case, judgement or watch(begun_case))

    def _set_clock(
        self,
        order_id: str,
        cycle: Cycle,
        policy: Policy,
        facts: Facts,
        fired_at: datetime | None = None,
    ) -> ClockChange:
        terms: Terms = (None, None, None, 0, None)
        if cycle.started_at is not None:
            terms = policy.terms(cycle.started_at, facts.due)
        doubt = Reason.FACTS_MISSING.value if self.policies.lacks(facts) else None
        change = ClockChange(order_id, cycle.started_at, *terms, fired_at, doubt, facts.seller_id)
        self._clocks.append(change)
        if cycle.early is not None:
            self._early.append((order_id, cycle.early))
        return change

    def _decided(self, case: Case) -> Settled:
        """After its verdict, only a change from before the deadline can give an order more time."""
        order = case.order
        new = [change for change in case.changes if not change.counted]
        if not new:
            return Settled(case)
        counted = [change for change in case.changes if change.counted]
        first_due = order.first_due or order.due
        in_time = [
            change
            for change in new
            if change.occurred_at <= order.due and self._fault(change, first_due) is None
        ]
        withdrawn = withdraw(case) if in_time else None
        planned = schedule(first_due, _start(case), [*counted, *in_time], self.outages)
        gives_time = planned.held or planned.due > order.due
        if withdrawn is None or not withdrawn.decisions or not gives_time:
            self._refuse(case, new, RefusalClass.TOO_LATE, "the verdict has been issued")
            return Settled(case._replace(changes=tuple(counted)))
        self._move(case, planned)
        late = [change for change in new if change not in in_time]
        self._refuse(case, late, RefusalClass.TOO_LATE, "the verdict has been issued")
        self._counted += [(order.order_id, change) for change in in_time]
        return Settled(case._replace(changes=(*counted, *in_time)), withdrawn)

    def _open(self, case: Case) -> Settled:
        order = case.order
        # Of several versions of an order, the one with the most time.
        first_due = max([order.first_due or order.due, *(v.due for v in case.versions)])
        valid: list[Change] = []
        for change in case.changes:
            fault = None if change.counted else self._fault(change, first_due)
            if fault is None:
                valid.append(change)
            else:
                self._refuse(case, [change], RefusalClass.OUT_OF_RANGE, fault)
        known = [change for change in valid if change.counted]
        planned = schedule(first_due, _start(case), valid, self.outages)
        before = schedule(first_due, _start(case), known)
        case = case._replace(changes=tuple(valid))
        moves = planned.due != order.due or planned.held_since != before.held_since
        if moves:
            self._move(case, planned)
        self._counted += [(order.order_id, change) for change in valid if not change.counted]
        if moves:
            return Settled(case, Judgement(None, None, ()))
        if planned.held_since is None:
            return Settled(case)
        if planned.held_since + self.limits.hold > self.now:
            return Settled(case, Judgement(None, None, ()))
        return Settled(case._replace(hold_expired=True))

    def _move(self, case: Case, planned: Schedule) -> None:
        # Raises for a deadline at the end of all time, before anything is written down.
        fires_at = planned.due + case.order.grace
        if planned.held_since is not None:
            fires_at = max(fires_at, planned.held_since + self.limits.hold)
        self._moved.append((case, planned, fires_at))

    def _fault(self, change: Change, first_due: datetime) -> str | None:
        """The reason why an extension cannot count."""
        if change.kind != EXTENDED:
            return None
        assert change.due is not None
        if change.due <= first_due:
            return "due: not after the first deadline"
        if change.due - first_due > self.limits.extension:
            return "due: more than PLAZO_MAX_EXTENSION after the first deadline"
        return None

    @property
    def refused(self) -> int:
        """Number of changes and acts that become dead letters."""
        return len(self._refused) + len(self._early)

    @property
    def unfinished(self) -> bool:
        """Whether an order has more new changes: :meth:`store` has left a notice for it."""
        return bool(self._unfinished)

    def _refuse(
        self, case: Case, changes: Sequence[Change], error: RefusalClass, message: str
    ) -> None:
        new = [change for change in changes if not change.counted]
        self._refused += [(case.order.order_id, change, error, message) for change in new]

    async def store(self, tx: Transaction, lane: int) -> TimerChange:
        """Write the changes; the caller's transaction has passed the fence."""
        counted = [(*_key(order_id, change), True) for order_id, change in self._counted]
        counted += [(*_key(order_id, change), False) for order_id, change, _, _ in self._refused]
        if counted:
            await tx.execute("mark_changes_counted", *columns(counted))
        if self._refused:
            letters = [(*change.place, e.value, m) for _, change, e, m in self._refused]
            await tx.execute("refuse_changes", lane, *columns(letters))
        if self._early:
            acts = [(order_id, *act.place) for order_id, act in self._early]
            error = RefusalClass.OUT_OF_RANGE.value
            await tx.execute("refuse_acts", lane, *columns(acts), error, _EARLY)
        if self._unfinished:
            await tx.execute("leave_notices", lane, self._unfinished)
        return await self._store_clocks(tx, lane) + await self._store_moves(tx, lane)

    async def _store_clocks(self, tx: Transaction, lane: int) -> TimerChange:
        if not self._clocks:
            return TimerChange()
        found = await tx.row("set_clocks", lane, *columns(self._clocks))
        started = [change.order_id for change in self._clocks if change.due]
        return await self._timers(tx, lane, found, started)

    async def _store_moves(self, tx: Transaction, lane: int) -> TimerChange:
        if not self._moved:
            return TimerChange()
        rows = [
            (case.order.order_id, planned.due, fires_at, case.order.fires_at, planned.held)
            for case, planned, fires_at in self._moved
        ]
        found = await tx.row("move_deadlines", lane, *columns(rows))
        reminded = [case.order.order_id for case, _, _ in self._moved if case.order.reminders]
        return await self._timers(tx, lane, found, reminded)

    async def _timers(
        self, tx: Transaction, lane: int, found: Any, reminded: Sequence[str]
    ) -> TimerChange:
        first = None
        if reminded and self.policies.reminds:
            first = await arm_reminders(tx, lane, reminded, self.now, self.policies)
        armed = found["armed"] - found["disarmed"]
        return TimerChange(armed, found["first_fires_at"], first)


def _another_cycle(case: Case, cycle: Cycle) -> bool:
    """Whether the cycle is another one than that of the stored clock, be it an earlier one."""
    if cycle.opened is not None:
        return cycle.started_at != _start(case)
    return any(not given.revoked and given.due < _start(case) for given in case.auto_cancels)


def _start(case: Case) -> datetime:
    return case.order.started_at or case.order.entered_at


def _of_cycle(case: Case, cycle: Cycle) -> Case:
    """The facts of one cycle."""
    if cycle.opened is None:
        return case
    opened = cycle.opened
    first_due = case.order.first_due or case.order.due
    ours = [given for given in case.auto_cancels if cycle.issued(given, first_due)]
    return case._replace(
        acts=tuple(act for act in case.acts if cycle.covers(act)),
        standing=tuple(given for given in case.standing if cycle.issued(given, first_due)),
        auto_cancels=tuple(ours),
        cancelled_before=any(not given.revoked for given in case.auto_cancels if given not in ours),
        changes=tuple(c for c in case.changes if c.occurred_at >= opened.occurred_at),
        versions=_told_since(case.versions, opened),
    )


def _told_since(versions: Sequence[Version], opened: Act) -> tuple[Version, ...]:
    """The versions that tell of a cycle otherwise than what opened it.

    After a status all earlier versions still count. An order-created that opens the cycle replaces
    them.
    """
    if all(version.place != opened.place for version in versions):
        return tuple(versions)
    return tuple(
        version
        for version in versions
        if version.entered_at >= opened.occurred_at and version.place != opened.place
    )


def _as_act(version: Version) -> Act:
    return Act(ORDER_CREATED, version.entered_at, version.received_at, version.place)


def _key(order_id: str, change: Change) -> tuple[str, str, int, int]:
    place = change.place
    return order_id, place.topic, place.partition, place.offset
