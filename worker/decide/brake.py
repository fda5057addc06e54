"""The brake: holds auto-cancels for a person when there are suddenly too many of them.

A fault upstream, such as a seller portal whose acts are lost, looks like a silent seller in every
single order. Only the number of such orders shows it. All workers share the counts in Postgres.
Each sweep reserves its part of the remaining limit *before* it decides. Sweeps reserve one at a
time, so no two can take the same remainder. A reservation that a crash leaves unused counts until
its window has passed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from worker.observability.guards import Guards
from worker.observability.labels import Guard
from worker.observability.logs import logger
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.transaction import Transaction

log = logger(__name__)

_HELD = (Guard.MASS_CANCEL, Guard.SILENT_FEED)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most auto-cancels within any ``window``; ``None`` is no limit.

    ``share`` is relative to the orders that lapsed, once there are ``least`` of them.
    """

    window: timedelta
    cancels: int | None
    seller_cancels: int | None
    share: float
    least: int
    silent_feed: timedelta | None

    @classmethod
    def of(cls, settings: Settings) -> "Limits | None":
        """The limits in the settings; ``None`` if none is set."""
        limits = cls(
            settings.brake_window,
            settings.brake_cancels,
            settings.brake_seller_cancels,
            settings.brake_share,
            settings.brake_least,
            settings.brake_silent_feed,
        )
        off = limits.cancels is None and limits.seller_cancels is None and limits.share >= 1
        return None if off and limits.silent_feed is None else limits


@dataclass(frozen=True, slots=True)
class BrakeRequest:
    """The due orders of a sweep: their number by seller, and those that it would cancel."""

    lapsed: Mapping[str, int]
    silent: Sequence[tuple[str, str]]  # order, seller; the longest overdue first


@dataclass(frozen=True, slots=True)
class Permit:
    """The orders that may be cancelled. The others wait; with ``escalate`` they escalate."""

    orders: frozenset[str]
    escalate: bool = False


@dataclass(slots=True)
class Usage:
    """Orders that lapsed in the window, and the auto-cancels among them: in total, by seller."""

    lapsed: int = 0
    cancels: int = 0
    by_seller: Counter[str] = field(default_factory=Counter)


def trips(limits: Limits, used: Usage, request: BrakeRequest) -> bool:
    """Whether the sweep would cancel more than the limits over all sellers allow.

    A seller at its own limit holds up its own orders, and nobody else's.
    """
    unlimited = replace(limits, cancels=None, share=1.0)
    return len(choose(unlimited, used, request)) > len(choose(limits, used, request))


def choose(limits: Limits, used: Usage, request: BrakeRequest) -> Sequence[tuple[str, str]]:
    """The orders of a sweep that the limits allow, the longest overdue first."""
    room = len(request.silent)
    if limits.cancels is not None:
        room = min(room, limits.cancels - used.cancels)
    lapsed = used.lapsed + sum(request.lapsed.values())
    if limits.share < 1 and lapsed >= limits.least:
        room = min(room, int(limits.share * lapsed) - used.cancels)
    if limits.seller_cancels is None:
        return request.silent[: max(0, room)]
    by_seller = used.by_seller.copy()
    chosen: list[tuple[str, str]] = []
    for order_id, seller in request.silent:
        if len(chosen) >= room:
            break
        if by_seller[seller] < limits.seller_cancels:
            by_seller[seller] += 1
            chosen.append((order_id, seller))
    return chosen


class Brake:
    """The brake of one worker's lanes."""

    def __init__(
        self,
        limits: Limits,
        orders_topic: str,
        acts_topic: str,
        database: Database,
        guards: Guards,
    ) -> None:
        self._limits = limits
        self._topics = orders_topic, acts_topic
        self._database = database
        self._guards = guards
        self._holding: dict[tuple[int, bool], tuple[Guard, int]] = {}

    @classmethod
    def of(cls, settings: Settings, database: Database, guards: Guards) -> "Brake | None":
        """The brake in the settings; ``None`` if they set no limit."""
        limits = Limits.of(settings)
        topics = settings.order_created_topic, settings.order_status_changed_topic
        return cls(limits, *topics, database, guards) if limits else None

    async def permit(
        self, lane: int, request: BrakeRequest, *, corrections: bool = False
    ) -> Permit:
        """Reserve the auto-cancels of a sweep within the limits; they count from here on.

        The first sweep that would exceed a limit trips the brake. From then on it lets nothing
        through until a person resets it: what looks like a fault must not go on, hour by hour.
        ``corrections`` are of orders decided before, which have lapsed already.

        Raises:
            DatabaseUnavailable: try again later; a reservation stays in force.
        """
        limits = self._limits
        silent = await self._feed_is_silent()
        async with self._database.transaction() as tx:
            # One sweep at a time, over all workers.
            state = await tx.row("lock_brake")
            assert state is not None
            guard = Guard.MASS_CANCEL
            chosen: Sequence[tuple[str, str]] = ()
            if state["released"]:
                chosen = request.silent
            elif silent:
                guard = Guard.SILENT_FEED
            elif not state["tripped"]:
                used = await self._used(tx, state["second"], request)
                chosen = choose(limits, used, request)
                if trips(limits, used, request):
                    await tx.execute("trip_brake")
                    log.error("brake_tripped", lane=lane, auto_cancels=used.cancels + len(chosen))
            held = len(request.silent) - len(chosen)
            escalate = held > 0 and state["escalate"]
            # Held orders come again, and count as lapsed once they are let through.
            await self._count(tx, lane, state["second"], request, chosen, held=not escalate)
        self._show((lane, corrections), guard, 0 if escalate else held)
        return Permit(frozenset(order_id for order_id, _ in chosen), escalate)

    async def _used(self, tx: Transaction, second: datetime, request: BrakeRequest) -> Usage:
        limited = self._limits.seller_cancels is not None
        sellers = sorted({seller for _, seller in request.silent}) if limited else []
        total, *rows = await tx.rows("brake_usage", self._limits.window, sellers, second)
        by_seller = Counter({row["seller_id"]: row["cancels"] for row in rows})
        return Usage(total["lapsed"], total["cancels"], by_seller)

    async def _count(
        self,
        tx: Transaction,
        lane: int,
        second: datetime,
        request: BrakeRequest,
        chosen: Sequence[tuple[str, str]],
        *,
        held: bool,
    ) -> None:
        """Count a sweep. With ``held`` the silent orders that were not chosen have not lapsed."""
        lapsed = sum(request.lapsed.values())
        if held:
            lapsed = max(0, lapsed - len(request.silent) + len(chosen))
        if not lapsed and not chosen:
            return
        await tx.execute("count_lapses", second, lane, lapsed, len(chosen))
        if self._limits.seller_cancels is not None:
            cancels = Counter(seller for _, seller in chosen)
            sellers = sorted(request.lapsed.keys() | cancels)
            columns = [request.lapsed.get(s, 0) for s in sellers], [cancels[s] for s in sellers]
            await tx.execute("count_lapses_of_sellers", second, sellers, *columns)
        await tx.execute("delete_brake_counts", self._limits.window)

    def forget(self, lane: int) -> None:
        """Drop a lane that this worker no longer owns from the gauges."""
        for corrections in (False, True):
            self._show((lane, corrections), Guard.MASS_CANCEL, 0)

    def forget_corrections(self, lane: int) -> None:
        """Drop the corrections of a lane from the gauges: it holds none any more."""
        self._show((lane, True), Guard.MASS_CANCEL, 0)

    async def _feed_is_silent(self) -> bool:
        """Whether the newest status change is older than the newest order by too much.

        A feed that never brought any is silent: it may be the wrong topic, or dead.
        """
        if self._limits.silent_feed is None:
            return False
        (row,) = await self._database.rows("newest_records", *self._topics)
        if row["ordered"] is None or row["changed"] is None:
            return row["ordered"] is not None
        silence: int = row["ordered"] - row["changed"]
        return silence > self._limits.silent_feed.total_seconds() * 1000

    def _show(self, of: tuple[int, bool], guard: Guard, held: int) -> None:
        self._holding.pop(of, None)
        if held:
            self._holding[of] = guard, held
        for one in _HELD:
            holding = {of: n for of, (held_by, n) in self._holding.items() if held_by == one}
            self._guards.hold(one, len({lane for lane, _ in holding}), sum(holding.values()))
