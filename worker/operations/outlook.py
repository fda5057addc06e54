"""Foresees the next hours: the deadlines that lapse, and the verdicts if nobody acts.

The verdicts come from :meth:`worker.decide.judge.Judge.prospects`, which the worker itself asks
before it decides: there is no second rule.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from worker.decide.brake import Limits
from worker.decide.deadlines import ChangeLimits
from worker.decide.judge import Judge
from worker.domain.case import Case, Finding, Judgement, Outcome
from worker.freshness.evidence import EvidenceScope
from worker.operations.brake_forecast import Due, Forecast, Trip, Used, forecast
from worker.operations.lines import read_lines
from worker.operations.phrases import limits_in_words
from worker.operations.questions import PATIENCE, asking
from worker.policy.registry import load_policies
from worker.settings import Settings
from worker.storage.database import Database

HOUR = timedelta(hours=1)
MOST_HOURS = 24 * 14
# The orders to judge: about 5 s, and 30 MiB.
MOST_JUDGED = 50_000
_PAGE = 1_000
_SELLERS = 10


@dataclass(slots=True)
class Prospect:
    """Numbers of undecided orders, and of their verdicts if nothing more becomes known.

    ``silent``: of those judged, the orders without any act in time. ``moved``: they have another
    deadline, or are on hold. ``others`` will be kept or closed.
    """

    judged: int = 0
    silent: int = 0
    auto_cancels: int = 0
    escalations: int = 0
    others: int = 0
    moved: int = 0


@dataclass(slots=True)
class HourProspect(Prospect):
    """One hour: ``since <= time of the verdict < until``, both in UTC.

    ``lapsing`` counts all of its deadlines; ``judged`` is smaller where there are too many to
    judge. With ``overdue``, the hour is all time before now.
    """

    since: datetime | None = None
    until: datetime | None = None
    lapsing: int = 0
    overdue: bool = False


@dataclass(slots=True)
class NamedProspect(Prospect):
    """The numbers of one policy or seller."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class BrakeOutlook:
    """The brake against the auto-cancels to expect.

    ``state`` is off, ready, tripped, released or escalates. ``trip`` is the first minute that
    would exceed a limit; ``None``: none would. ``sellers_held`` are orders that the limit of their
    own seller would hold, by seller. The silence of the status feed cannot be foreseen.
    """

    state: str
    limits: str | None
    trip: Trip | None
    sellers_held: dict[str, int]


@dataclass(slots=True)
class Outlook:
    """What lapses from ``at`` on; ``complete``: every order was judged."""

    at: datetime
    until: datetime
    complete: bool
    total: Prospect
    hours: list[HourProspect]
    policies: list[NamedProspect]
    sellers: list[NamedProspect]
    brake: BrakeOutlook


@dataclass(slots=True)
class _Tally:
    total: Prospect = field(default_factory=Prospect)
    hours: dict[datetime | None, HourProspect] = field(default_factory=dict)
    policies: defaultdict[str, NamedProspect] = field(
        default_factory=lambda: defaultdict(NamedProspect)
    )
    sellers: defaultdict[str, NamedProspect] = field(
        default_factory=lambda: defaultdict(NamedProspect)
    )
    due: list[Due] = field(default_factory=list)

    def add(self, at: datetime, hour: datetime | None, case: Case, found: Judgement | None) -> None:
        order = case.order
        slots = (self.hours[hour], self.policies[order.policy], self.sellers[order.seller_id])
        for one in (self.total, *slots):
            _count(one, found)
        cancels = found is not None and found.outcome == Outcome.AUTO_CANCELLED
        if found is None or found.outcome is not None:
            self.due.append(Due(at, order.order_id, order.seller_id, cancels))


def _count(one: Prospect, found: Judgement | None) -> None:
    one.judged += 1
    if found is None:
        one.others += 1
        return
    one.silent += found.finding == Finding.SILENT
    if found.outcome is None:
        one.moved += 1
    elif found.outcome == Outcome.AUTO_CANCELLED:
        one.auto_cancels += 1
    elif found.outcome == Outcome.ESCALATED:
        one.escalations += 1
    else:
        one.others += 1


async def look_ahead(
    settings: Settings,
    database: Database,
    *,
    hours: int = 24,
    most: int = MOST_JUDGED,
    patience: timedelta = PATIENCE,
) -> Outlook:
    """The deadlines of this clock hour and the next ones, ``hours`` in all, and their verdicts.

    Counts are exact; the ``most`` orders that lapse first are judged, page by page, each page in a
    transaction of its own. ``policies`` and ``sellers`` (ten) are ordered by their auto-cancels.

    Raises:
        PolicyInvalid: the policy file breaks its rules.
        TooCostly: ask for fewer hours.
        DatabaseUnavailable: try again later.
    """
    now = await database.now()
    first = now.replace(minute=0, second=0, microsecond=0)
    until = first + hours * HOUR
    tally = _Tally()
    async with asking(database, patience) as tx:
        counts = await tx.rows("outlook_hours", now, until)
        deadlines = await tx.rows("outlook_deadlines", until, most)
        window = settings.brake_window
        brake = await tx.row("brake_state", window)
        used = [
            Used(r["minute"], r["seller_id"], r["lapsed"], r["cancels"], r["in_total"])
            for r in await tx.rows("brake_history", window)
        ]
    _open_hours(tally, counts, first, hours)
    judge = _judge(settings)
    for page in _pages(deadlines, now):
        at = max(now, page[-1]["fires_at"])
        fires_at = {row["order_id"]: row["fires_at"] for row in page}
        async with asking(database, patience) as tx:
            found = await judge.prospects(tx, page[0]["lane"], list(fires_at), at, read_lines)
        for case, judgement in found:
            fires = fires_at[case.order.order_id]
            hour = fires.replace(minute=0, second=0, microsecond=0) if fires >= now else None
            tally.add(max(now, fires), hour, case, judgement)
    tally.due.sort(key=lambda one: one.at)
    for named in (tally.policies, tally.sellers):
        for name, prospect in named.items():
            prospect.name = name
    return Outlook(
        at=now,
        until=until,
        complete=len(deadlines) == sum(row["lapsing"] for row in counts),
        total=tally.total,
        hours=list(tally.hours.values()),
        policies=_worst(tally.policies.values()),
        sellers=_worst(tally.sellers.values())[:_SELLERS],
        brake=_brake(settings, dict(brake or {}), now, used, tally.due),
    )


def _judge(settings: Settings) -> Judge:
    return Judge(
        EvidenceScope.of(settings),
        load_policies(settings),
        ChangeLimits.of(settings),
        settings.confirm_within,
        escalate_before_adoption=settings.before_adoption == "escalate",
    )


def _open_hours(tally: _Tally, counts: Sequence[Any], first: datetime, hours: int) -> None:
    late = sum(row["lapsing"] for row in counts if row["overdue"])
    tally.hours[None] = HourProspect(until=None, lapsing=late, overdue=True)
    for number in range(hours):
        since = first + number * HOUR
        tally.hours[since] = HourProspect(since=since, until=since + HOUR)
    for row in counts:
        if not row["overdue"]:
            tally.hours[row["hour"]].lapsing += row["lapsing"]


def _pages(deadlines: Sequence[Any], now: datetime) -> list[list[Any]]:
    """Pages of one lane and one hour each: an order is judged as its hour ends, at the latest."""
    groups: defaultdict[tuple[int, datetime], list[Any]] = defaultdict(list)
    for row in deadlines:
        hour = max(now, row["fires_at"]).replace(minute=0, second=0, microsecond=0)
        groups[row["lane"], hour].append(row)
    return [
        rows[start : start + _PAGE]
        for rows in groups.values()
        for start in range(0, len(rows), _PAGE)
    ]


def _worst(prospects: Any) -> list[NamedProspect]:
    return sorted(prospects, key=lambda one: (-one.auto_cancels, -one.silent, one.name))


def _brake(
    settings: Settings, state: dict[str, Any], now: datetime, used: list[Used], due: list[Due]
) -> BrakeOutlook:
    limits = Limits.of(settings)
    if limits is None:
        return BrakeOutlook("off", None, None, {})
    words = limits_in_words(limits)
    for name, column in (("released", "released_until"), ("escalates", "escalate_until")):
        if state.get(column) is not None and state[column] > now:
            return BrakeOutlook(name, words, None, {})
    if state.get("tripped_at") is not None:
        return BrakeOutlook("tripped", words, None, {})
    found: Forecast = forecast(limits, used, due)
    return BrakeOutlook("ready", words, found.trip, dict(Counter(found.held_by_seller)))
