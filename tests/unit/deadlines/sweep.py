"""The vocabulary of these tests: an order, what moves its deadline, and a sweep over it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from schemas.events import RefusalClass
from schemas.statuses import STATUSES
from worker.decide.deadlines import ChangeLimits, ClockChange, Deadlines, Settled
from worker.domain.acts import Act, Change, Place
from worker.domain.case import (
    Case,
    Decision,
    Finding,
    Judgement,
    Kind,
    Order,
    PriorDecision,
    Reason,
    Version,
)
from worker.domain.deadline import Outage
from worker.domain.policy import AtLapse, Facts, Policies, Policy

HOUR = timedelta(hours=1)
ENTERED = datetime(2026, 11, 22, 9, tzinfo=UTC)
DUE = ENTERED + 24 * HOUR
NOW = ENTERED + 25 * HOUR
LIMITS = ChangeLimits(extension=100 * HOUR, hold=48 * HOUR)
CLOCK, STOP = "payment-approved", "payment-pending"
KNOWN = 1_000  # the first offset that no verdict knew

DAY = Policy("day", 24 * HOUR, HOUR)
PAID = Policy("paid", 24 * HOUR, HOUR, clock=CLOCK, stops=frozenset({STOP}))
SHORT = Policy("short", 6 * HOUR, HOUR, AtLapse.ESCALATE, version=3)
FACTS = Facts("s", "courier", None, None)
OPEN = Judgement(None, None, ())

_offsets = count(KNOWN)


def at(hours: float) -> datetime:
    return ENTERED + hours * HOUR


def an_order(policy: Policy = DAY, **terms: object) -> Order:
    order = Order(
        "o", "s", "courier", ENTERED, DUE, policy.name, policy.at_lapse, Place("c", 0, 0), ENTERED,
        policy.version, fires_at=DUE + HOUR, grace=HOUR, started_at=ENTERED,
    )  # fmt: skip
    return order._replace(**terms)  # type: ignore[arg-type]


def change(kind: str, when: float, due: float | None = None, *, counted: bool = False) -> Change:
    """``when`` and ``due`` in hours after the entry."""
    until = None if due is None else at(due)
    return Change(kind, at(when), at(when), Place("t", 0, next(_offsets)), until, counted)


def act(status: str, when: float, offset: int | None = None) -> Act:
    place = Place("t", 0, next(_offsets) if offset is None else offset)
    return Act(status, at(when), at(when), place, meaning=STATUSES[status])


def version(entered: float = 0, policy: Policy = DAY, seller_id: str | None = "s") -> Version:
    place = Place("c", 0, next(_offsets))
    due = policy.due(at(entered))
    return Version(place, at(entered), seller_id, at(entered), policy, due)


def ours(due: float = 24, *, ordinal: int = 1, revoked: bool = False) -> PriorDecision:
    return PriorDecision(ordinal, "id", Kind.AUTO_CANCEL, Reason.STOCK_NOT_VALIDATED, ordinal,
                         at(due + 1), at(due), {"t": [KNOWN], "c": [KNOWN]}, revoked)  # fmt: skip


def auto_cancelled(order: Order | None = None, **facts: object) -> Case:
    case = Case(order or an_order(), finding=Finding.SILENT, decided=1, standing=(ours(),),
                auto_cancels=(ours(),))  # fmt: skip
    return case._replace(**facts)  # type: ignore[arg-type]


REVOKED = Judgement(None, None, (Decision(2, Kind.REVOKED, Reason.LATE_EVIDENCE, ours()),))


class Sweep:
    """What settling one case gives, and what there is to store."""

    def __init__(
        self,
        case: Case,
        policies: Policies | Policy = DAY,
        outages: Sequence[Outage] = (),
        now: datetime = NOW,
        facts: Facts = FACTS,
    ) -> None:
        if isinstance(policies, Policy):
            policies = Policies.of(policies)
        self.deadlines = Deadlines(policies, LIMITS, outages, now)
        self.settled: Settled = self.deadlines.settle(case, facts)
        self.case, self.judgement = self.settled

    @property
    def moved(self) -> list[tuple[float, bool, float]]:
        """The due, whether it is held, and the time of the verdict, in hours after the entry."""
        return [
            ((planned.due - ENTERED) / HOUR, planned.held, (fires_at - ENTERED) / HOUR)
            for _, planned, fires_at in self.deadlines._moved
        ]

    @property
    def clocks(self) -> list[ClockChange]:
        return self.deadlines._clocks

    @property
    def counted(self) -> list[Change]:
        return [one for _, one in self.deadlines._counted]

    @property
    def refused(self) -> list[tuple[Change, RefusalClass]]:
        return [(one, error) for _, one, error, _ in self.deadlines._refused]

    @property
    def writes(self) -> bool:
        return bool(self.moved or self.clocks or self.counted or self.deadlines.refused)
