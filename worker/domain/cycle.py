"""The cycles of an order: each runs from the start of its clock to a verdict or a cancellation.

Most orders have one. A cancelled order that lives on begins another, with a deadline of its own.
The cycle in force is a function of all that is known, never of the order of arrival.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from schemas.statuses import Meaning
from worker.domain.acts import IMPLIES_HANDLING, ORDER_CREATED, Act, Place
from worker.domain.case import PriorDecision


class Cycle(NamedTuple):
    """The cycle in force.

    ``started_at`` is the start of its clock, ``None`` while it waits for one. ``opened`` is the act
    that made a cancelled order alive again, ``None`` in the first cycle. ``early`` is the act that
    would have started the clock before the order entered: it starts with the order's entry instead.
    ``ended`` are the cancellations that ended the cycle before; without any, our auto-cancel did.
    """

    started_at: datetime | None
    opened: Act | None = None
    early: Act | None = None
    ended: frozenset[Place] = frozenset()

    def covers(self, act: Act) -> bool:
        """Whether an act is evidence of this cycle."""
        return self.opened is None or act.occurred_at >= self.opened.occurred_at

    def issued(self, decision: PriorDecision, due: datetime) -> bool:
        """Whether a decision was made in this cycle, whose deadline was ``due`` at first.

        One of an earlier cycle may have known the act that opens this one, and not yet any
        cancellation before: to it, the act opened nothing. It counts if it is of the same deadline.
        """
        return self.opened is None or (
            decision.due >= self.opened.occurred_at
            and decision.knew(self.opened.place)
            and (not self.ended or decision.due == due or any(map(decision.knew, self.ended)))
        )


def confirms(act: Act, auto_cancels: Iterable[PriorDecision]) -> bool:
    """Whether a cancellation carries out one of our auto-cancels, at any event time.

    Its publisher may stamp to the minute, or by a slow clock: it is no evidence from before the
    verdict.
    """
    return act.meaning == Meaning.CANCELED and any(
        act.occurred_at <= given.due and not given.knew(act.place) for given in auto_cancels
    )


def cycle_of(
    entered_at: datetime,
    acts: Iterable[Act],
    auto_cancels: Collection[PriorDecision] = (),
    clock: str = ORDER_CREATED,
    stops: Collection[str] = (),
) -> Cycle:
    """The cycle in force of an order that entered at ``entered_at``.

    ``acts`` include each order-created that tells the order otherwise. ``auto_cancels`` are all
    that were issued. ``clock`` is the status that starts the clock, ``stops`` are those that stop
    it until it starts again.
    """
    watch = _Watch(entered_at, clock, stops)
    ours = sorted((c for c in auto_cancels if not c.revoked), key=lambda given: given.due)
    for act in sorted(acts, key=watch.rank):
        while ours and ours[0].due < act.occurred_at:
            watch.cancelled_by_us(ours.pop(0))
        if not confirms(act, auto_cancels):
            watch.see(act)
    return Cycle(watch.started_at, watch.opened, watch.early, watch.ended)


class _Watch:
    """The life of an order, in the order of event time."""

    def __init__(self, entered_at: datetime, clock: str, stops: Collection[str]) -> None:
        self._entered_at = entered_at
        self._clock = clock
        self._stops = stops
        self.started_at = entered_at if clock == ORDER_CREATED else None
        self.opened: Act | None = None
        self.early: Act | None = None
        self.ended = frozenset[Place]()
        self._handled = False
        # By an act after a cancellation.
        self._handled_at: datetime | None = None
        self._cancelled_at: datetime | None = None
        self._cancels = set[Place]()
        # Nothing that our auto-cancel knew makes the order alive again.
        self._ours: PriorDecision | None = None

    def rank(self, act: Act) -> tuple[datetime, int, bool, Place]:
        """Sort key: event time, then what the act says, never its arrival.

        At one time an order that is handled stops no clock, a clock that stops and starts runs, and
        a cancellation ends what was opened. An order-created that opens the order tells its terms.
        """
        if act.meaning in IMPLIES_HANDLING:
            said = 0
        elif act.meaning == Meaning.CANCELED:
            said = 3
        else:
            said = 1 if self._stops_clock(act) else 2
        return act.occurred_at, said, act.status != ORDER_CREATED, act.place

    def cancelled_by_us(self, given: PriorDecision) -> None:
        if not self._handled and self._cancelled_at is None:
            self._cancelled_at, self._ours = given.due, given

    def see(self, act: Act) -> None:
        if self._cancelled_at is not None:
            self._see_cancelled(act)
        elif act.meaning == Meaning.CANCELED:
            if act.occurred_at >= self._entered_at:
                self._cancelled_at, self._cancels = act.occurred_at, {act.place}
        elif act.meaning in IMPLIES_HANDLING:
            self._handled = True
        elif self._stops_clock(act):
            if not self._handled:
                self.started_at = None
        elif self.started_at is None and self._starts(act):
            self.started_at = max(act.occurred_at, self._entered_at)
            self.early = act if act.occurred_at < self._entered_at else None

    def _see_cancelled(self, act: Act) -> None:
        assert self._cancelled_at is not None
        if act.meaning in IMPLIES_HANDLING:
            self._handled_at = act.occurred_at
        if act.meaning == Meaning.CANCELED:
            self._cancelled_at = max(self._cancelled_at, act.occurred_at)
            self._cancels.add(act.place)
        elif self._opens(act) and act.occurred_at > self._cancelled_at:
            self.started_at, self.opened, self.early = act.occurred_at, act, None
            self.ended = frozenset() if self._ours else frozenset(self._cancels)
            self._handled = self._handled_at == act.occurred_at
            self._cancelled_at = self._ours = None

    def _stops_clock(self, act: Act) -> bool:
        return act.status in self._stops or act.meaning == Meaning.STAGED

    def _starts(self, act: Act) -> bool:
        return act.status == self._clock or (
            act.meaning == Meaning.READY and self._clock == ORDER_CREATED
        )

    def _opens(self, act: Act) -> bool:
        if self._ours is not None and self._ours.knew(act.place):
            return False
        return act.meaning == Meaning.READY or act.status in (self._clock, ORDER_CREATED)
