"""Foresees the brake: holds its limits against the auto-cancels to expect, minute by minute."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worker.decide.brake import BrakeRequest, Limits, Usage, choose, trips

_STEP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Due:
    """An order that will lapse at a time, and whether silence would cancel it."""

    at: datetime
    order_id: str
    seller_id: str
    cancels: bool


@dataclass(frozen=True, slots=True)
class Used:
    """What lapsed and was cancelled in a minute: of one seller, or of all if it is empty.

    The limits over all sellers count those that are ``in_total``.
    """

    at: datetime
    seller_id: str
    lapsed: int
    cancels: int
    in_total: bool = True


@dataclass(frozen=True, slots=True)
class Trip:
    """The first minute that exceeds a limit, with the numbers of the window before its end.

    ``auto_cancels`` are those that the orders need, not those that the limit allows.
    """

    at: datetime
    lapsed: int
    auto_cancels: int


@dataclass(slots=True)
class Forecast:
    """Whether the limits will be exceeded, and the orders that a seller's own limit will hold."""

    trip: Trip | None = None
    held_by_seller: Counter[str] = field(default_factory=Counter)


def forecast(limits: Limits, used: Iterable[Used], due: Sequence[Due]) -> Forecast:
    """Let the orders lapse by their times, each minute in one sweep, as the worker would.

    ``due`` is in the order of time. By its own rule, :func:`worker.decide.brake.choose`.
    """
    found = Forecast()
    window: deque[Used] = deque(sorted(used, key=lambda one: one.at))
    for at, orders in _minutes(due):
        while window and window[0].at <= at - limits.window:
            window.popleft()
        before = _usage(window)
        lapsed = Counter(one.seller_id for one in orders)
        silent = [(one.order_id, one.seller_id) for one in orders if one.cancels]
        request = BrakeRequest(lapsed, silent)
        if trips(limits, before, request):
            found.trip = Trip(at, before.lapsed + len(orders), before.cancels + len(silent))
            return found
        chosen = Counter(seller for _, seller in choose(limits, before, request))
        held = Counter(seller for _, seller in silent) - chosen
        found.held_by_seller += held
        # As the brake counts: an order that it holds has not lapsed yet.
        window += [
            Used(at, seller, number - held[seller], chosen[seller])
            for seller, number in lapsed.items()
        ]
    return found


def _minutes(due: Sequence[Due]) -> Iterable[tuple[datetime, list[Due]]]:
    minute: list[Due] = []
    for one in due:
        if minute and one.at >= minute[0].at + _STEP:
            yield minute[0].at, minute
            minute = []
        minute.append(one)
    if minute:
        yield minute[0].at, minute


def _usage(window: Iterable[Used]) -> Usage:
    usage = Usage()
    for one in window:
        if one.in_total:
            usage.lapsed += one.lapsed
            usage.cancels += one.cancels
        usage.by_seller[one.seller_id] += one.cancels
    return usage
