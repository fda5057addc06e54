"""The vocabulary of the domain tests: an order, what happens to it, and what was said of it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from schemas.statuses import STATUSES, Meaning
from worker.domain.acts import Act, Place, RefusedRecord
from worker.domain.case import Case, Judgement, Kind, Limits, Order, PriorDecision
from worker.domain.decide import decide
from worker.domain.policy import AtLapse

ENTERED = datetime(2026, 11, 22, 15, 4, 5, 123_000, tzinfo=UTC)
WINDOW = timedelta(hours=24)
DUE = ENTERED + WINDOW
TICK = timedelta(microseconds=1)

EARLY = timedelta(hours=1)
LATER = timedelta(hours=5)
IN_TIME = timedelta(hours=20)
LATE = timedelta(hours=24, minutes=2)
LATER_STILL = timedelta(hours=25)

AUTO_CANCEL = "auto-cancel stock-not-validated"
LATE_HANDLING = "escalation handled-after-deadline"
LATE_DISPUTE = "escalation late-dispute"
WITHOUT_STOCK = "escalation handling-without-stock"
DISPUTE_OPEN = "escalation dispute-open"
UNREADABLE = "escalation unreadable-evidence"
INCOMPLETE = "escalation evidence-incomplete"
A_PERSON_DECIDES = "escalation policy"
CONTRADICTORY = "escalation contradictory-acts"
UNKNOWN_STATUS = "escalation unknown-status"

_offsets = count()


def an_order(at_lapse: AtLapse = AtLapse.AUTO_CANCEL, fulfilment: str = "courier") -> Order:
    return Order(
        order_id="v40484048naf-01",
        seller_id="s-123",
        fulfilment=fulfilment,
        entered_at=ENTERED,
        due=DUE,
        policy="default",
        at_lapse=at_lapse,
        place=Place("created", 0, next(_offsets)),
        received_at=ENTERED,
    )


def act(
    status: str,
    after: timedelta = IN_TIME,
    *,
    stock_ok: bool | None = None,
    form_complete: bool | None = None,
) -> Act:
    """A status change so long after the order entered."""
    return Act(
        status=status,
        occurred_at=ENTERED + after,
        received_at=ENTERED + after,
        place=Place("status", 0, next(_offsets)),
        stock_ok=stock_ok,
        form_complete=form_complete,
        meaning=STATUSES.get(status, Meaning.UNKNOWN),
    )


def handled(after: timedelta = IN_TIME, *, stock_ok: bool | None = None) -> Act:
    return act("start-handling", after, stock_ok=stock_ok)


def cancelled(after: timedelta = IN_TIME, *, form_complete: bool | None = None) -> Act:
    return act("canceled", after, form_complete=form_complete)


def disputed(after: timedelta = IN_TIME) -> Act:
    return act("dispute-opened", after, form_complete=True)


def resolved(after: timedelta = IN_TIME) -> Act:
    return act("dispute-resolved", after)


def repeat(of: Act) -> Act:
    """The same act told by a second record."""
    return of._replace(place=Place("status", 1, next(_offsets)))


def a_refused_record() -> RefusedRecord:
    return RefusedRecord(Place("status", 0, next(_offsets)), ENTERED + EARLY, "not-json")


class Story:
    """One order from entry to the last correction, decided as a worker would decide it."""

    def __init__(
        self,
        *known: Act | RefusedRecord,
        order: Order | None = None,
        evidence_since: datetime | None = None,
    ) -> None:
        self.case = Case(order or an_order())
        self.limits = Limits(evidence_since)
        # Of the next judgement.
        self.now = self.case.order.due + timedelta(minutes=1)
        self.told: list[str] = []
        self._learn(known)

    def lapses(self, *, braked: bool = False, unconfirmed: bool = False) -> Judgement:
        """The deadline has lapsed under a proof of freshness: judge, and remember what was said."""
        judgement = decide(self.case, self.limits, braked=braked, unconfirmed=unconfirmed)
        standing, auto_cancels = list(self.case.standing), list(self.case.auto_cancels)
        for decision in judgement.decisions:
            if decision.kind == Kind.REVOKED:
                assert decision.revokes is not None
                assert decision.revokes in standing, "only what still stands can be revoked"
                standing.remove(decision.revokes)
                self.told.append(f"revoked #{decision.revokes.ordinal}")
                continue
            assert decision.revokes is None
            given = PriorDecision(
                ordinal=decision.ordinal,
                id=f"decision-{decision.ordinal}",
                kind=decision.kind,
                reason=decision.reason,
                sequence=decision.ordinal,
                decided_at=self.now,
                due=self.case.order.due,
                read_to={"status": [next(_offsets)] * 2, "created": [next(_offsets)]},
            )
            standing.append(given)
            if given.kind == Kind.AUTO_CANCEL:
                auto_cancels.append(given)
            self.told.append(f"{decision.kind} {decision.reason}")
        expected = range(self.case.decided + 1, self.case.decided + 1 + len(judgement.decisions))
        assert [d.ordinal for d in judgement.decisions] == list(expected), "ordinals are dense"
        self.case = self.case._replace(
            finding=judgement.finding,
            decided=self.case.decided + len(judgement.decisions),
            standing=tuple(standing),
            auto_cancels=tuple(auto_cancels),
        )
        return judgement

    def then(self, *arrived: Act | RefusedRecord) -> Judgement:
        """Something arrives after the verdict, and the order is judged again."""
        assert self.case.finding is not None, "the deadline has not lapsed yet"
        self.now += timedelta(hours=1)
        self._learn(
            one._replace(place=one.place._replace(offset=next(_offsets))) for one in arrived
        )
        return self.lapses()

    @property
    def standing(self) -> list[str]:
        """What has been said and not taken back."""
        return [f"{given.kind} {given.reason}" for given in self.case.standing]

    def _learn(self, things: Iterable[Act | RefusedRecord]) -> None:
        things = list(things)
        acts = tuple(thing for thing in things if isinstance(thing, Act))
        refusals = tuple(thing for thing in things if isinstance(thing, RefusedRecord))
        self.case = self.case._replace(
            acts=self.case.acts + acts, refusals=self.case.refusals + refusals
        )


def lapsed(
    *known: Act | RefusedRecord, order: Order | None = None, evidence_since: datetime | None = None
) -> Story:
    """An order whose deadline lapsed with this much known."""
    story = Story(*known, order=order, evidence_since=evidence_since)
    story.lapses()
    return story
