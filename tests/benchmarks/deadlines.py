"""Deadlines beside what a team might use for them: all due at once, and one after another.

Of ten orders one is handled in time, so that a look at an order matters. The verdicts are counted
one by one: each silent order has one, and those of handled orders are wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import asyncpg

from tests.support.topics import Topics
from tests.support.waiting import eventually

from .histogram import Histogram, histogram, percentile
from .ingestion import POSITIONS, Progress, committed, reached, rows
from .meter import Bill, Meter
from .mix import Event, created, handled
from .pace import paced, planned
from .peers import builds
from .persistence import HOLD_ORDERS, LAPSE_SCHEMA, SCHEMA
from .promptness import WARM_UP
from .site import FAR_LIMITS, Site
from .verdicts import read_verdicts, wait_until_stored

SEED = 5
HANDLED = 10  # one order of so many
GRACE = timedelta(seconds=1)  # of Plazo; what comes before it is not late
FINISH = 150.0  # seconds that nobody may exceed


@dataclass(frozen=True)
class Load:
    """So many orders, all due at one instant, or entered at a rate with a window for each."""

    orders: int
    window: timedelta
    due: datetime | None = None
    rate: float = 0.0

    @property
    def silent(self) -> int:
        """How many verdicts there must be."""
        return self.orders - self.orders // HANDLED

    @property
    def events(self) -> int:
        """How many records tell of them."""
        return self.orders + self.orders // HANDLED


class Late(NamedTuple):
    """When a verdict was due, by how many seconds it was late, and whether nobody was silent."""

    due: datetime
    seconds: float
    wrong: bool


class Running(NamedTuple):
    """An entrant at work: what it costs is that of its processes, its database and its state.

    ``feed`` returns when it knows all orders, ``wait`` when there are so many verdicts, and
    ``read`` gives them.
    """

    url: str
    pids: Sequence[int]
    state: Path | None
    feed: Callable[[], Awaitable[None]]
    wait: Callable[[], Awaitable[None]]
    read: Callable[[], Awaitable[list[Late]]]


@dataclass(frozen=True)
class AtOnce:
    """Verdicts a second from the deadline to the last, how late they were, what each cost."""

    orders: int
    per_s: float
    lateness_p99_ms: float
    wrong: int
    rss_mib: float
    bill: Bill


@dataclass(frozen=True)
class Steady:
    """How late verdicts were of orders that came at a rate."""

    orders: int
    lateness_p50_ms: float
    lateness_p99_ms: float
    wrong: int
    rss_mib: float
    histogram: Histogram


class Lapser(NamedTuple):
    """How tables call it; orders that are due at once, and seconds to schedule them in."""

    title: str
    run: Callable[[Site, Load], AbstractAsyncContextManager[Running]]
    orders: int
    ahead: int
    exact: bool = False  # a wrong verdict fails the run


async def at_once(
    site: Site, lapser: Lapser, orders: int | None = None, ahead: int | None = None
) -> AtOnce:
    """All due at one instant; fewer of them, or further ahead, if asked for."""
    orders = min(orders or lapser.orders, lapser.orders)
    window = timedelta(seconds=ahead or lapser.ahead)
    load = Load(orders, window, datetime.now(UTC) + window)
    assert load.due
    async with lapser.run(site, load) as running:
        await running.feed()
        left = (load.due - datetime.now(UTC)).total_seconds()
        assert left > 0.5, f"scheduled {-left:.1f} s too late"
        await asyncio.sleep(left - 0.5)
        meter = await Meter.start(site, running.url, running.pids, running.state)
        async with _peak(meter) as rss:
            await running.wait()
        bill = await meter.bill(load.silent)
        found = await running.read()
    wrong, late = judged(lapser, load, found), [one.seconds for one in found]
    per_s = round(load.silent / max(late))
    return AtOnce(orders, per_s, percentile(late, 0.99), wrong, round(max(rss), 1), bill)


async def steady(site: Site, lapser: Lapser, rate: float, seconds: float) -> Steady:
    """One after another."""
    load = Load(round(rate * seconds), timedelta(seconds=5), rate=rate)
    async with lapser.run(site, load) as running:
        meter = await Meter.start(site, running.url, running.pids)
        async with _peak(meter) as rss:
            await running.feed()
            await running.wait()
        found = await running.read()
    wrong = judged(lapser, load, found)
    since = min(one.due for one in found) + WARM_UP
    late = [one.seconds for one in found if one.due >= since]
    p50, p99 = percentile(late, 0.5), percentile(late, 0.99)
    return Steady(load.orders, p50, p99, wrong, round(max(rss), 1), histogram(late))


def judged(lapser: Lapser, load: Load, found: Sequence[Late]) -> int:
    """How many verdicts are wrong; ``AssertionError`` if one is missing or doubled."""
    wrong = sum(one.wrong for one in found)
    assert len(found) - wrong == load.silent, f"{len(found)} verdicts, {wrong} of them wrong"
    assert not (lapser.exact and wrong), f"{wrong} wrong verdicts"
    return wrong


@asynccontextmanager
async def _peak(meter: Meter) -> AsyncIterator[list[float]]:
    """What its processes hold in memory meanwhile, now and then."""
    seen = [meter.rss_mib()]

    async def look() -> None:
        while True:
            seen.append(meter.rss_mib())
            await asyncio.sleep(0.25)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()


@asynccontextmanager
async def _plazo(site: Site, load: Load) -> AsyncIterator[Running]:
    window = f"PT{load.window.total_seconds():.0f}S"
    async with (
        site.topics() as topics,
        site.database() as url,
        site.workers(topics, url, stock_window=window, grace="PT1S", **FAR_LIMITS) as (worker,),
        rows(url, POSITIONS) as progress,
    ):
        await worker.wait_ready()
        yield _by_kafka(site, topics, load, GRACE, progress, url, [worker.pid])


@asynccontextmanager
async def _streams(site: Site, load: Load, guarantee: str) -> AsyncIterator[Running]:
    command = [*builds.streams(), guarantee]
    window = str(round(1000 * load.window.total_seconds()))
    async with site.topics() as topics, site.database() as url:
        with site.peer(topics, url, command, window_ms=window) as peer:
            await eventually(peer.ready.exists, FINISH)
            async with committed(site, peer.group) as progress:
                none = timedelta()
                yield _by_kafka(site, topics, load, none, progress, url, [peer.pid], peer.state)


def _by_kafka(
    site: Site,
    topics: Topics,
    load: Load,
    grace: timedelta,
    progress: Progress,
    url: str,
    pids: Sequence[int],
    state: Path | None = None,
) -> Running:
    async def feed() -> None:
        if load.due:
            events = _events(load.orders, lambda: load.due - load.window)
            await asyncio.to_thread(site.publish, topics, events)
        else:
            seconds = load.orders / load.rate
            make = partial(_events, load.orders)
            await paced(site, planned(topics, make, load.events / seconds, seconds))
        await eventually(lambda: _has_read(progress, load.events), FINISH)

    async def wait() -> None:
        await wait_until_stored(site, topics, load.silent, FINISH)

    async def read() -> list[Late]:
        verdicts = await read_verdicts(site, topics, load.silent)
        now = datetime.now(UTC)
        silent = {
            created(SEED, number, now).order_id
            for number in range(1, load.orders + 1)
            if number % HANDLED
        }
        assert silent <= {one.order_id for one in verdicts}
        return [
            Late(
                one.due,
                (one.stored_at - one.due - grace).total_seconds(),
                one.order_id not in silent,
            )
            for one in verdicts
        ]

    return Running(url, pids, state, feed, wait, read)


async def _has_read(progress: Progress, events: int) -> bool:
    return await progress() >= events


def _events(orders: int, clock: Callable[[], datetime]) -> Iterator[Event]:
    for number in range(1, orders + 1):
        yield created(SEED, number, clock())
        if number % HANDLED == 0:
            yield handled(SEED, number, clock())


VERDICTS = "SELECT count(*) FROM bench_verdicts"
LATE = "SELECT order_id, due, extract(epoch FROM decided_at - due)::float8 FROM bench_verdicts"


@asynccontextmanager
async def _timers(site: Site, load: Load, command: Sequence[str]) -> AsyncIterator[Running]:
    """What keeps timers in Postgres and looks there at its orders."""
    async with site.topics() as topics, site.database() as url:
        connection = await asyncpg.connect(url)
        await connection.execute(SCHEMA)
        await connection.execute(LAPSE_SCHEMA)
        told = {
            "orders": str(load.orders),
            "rate": str(load.rate),
            "window_ms": str(round(1000 * load.window.total_seconds())),
        }
        if load.due:
            await connection.execute(HOLD_ORDERS, load.orders)
            told["due"] = str(load.due.timestamp())
        mode = "at_once" if load.due else "steady"

        async def feed() -> None:
            scheduled = "SELECT count(*) FROM bench_scheduled"
            await eventually(lambda: reached(connection, scheduled, 1), FINISH)

        async def wait() -> None:
            await eventually(
                lambda: reached(connection, VERDICTS, load.silent), FINISH, interval=0.25
            )

        async def read() -> list[Late]:
            return [
                Late(due, late, int(order_id[:12]) % HANDLED == 0)
                for order_id, due, late in await connection.fetch(LATE)
            ]

        with site.peer(topics, url, [*command, mode], **told) as peer:
            yield Running(url, [peer.pid], None, feed, wait, read)
        await connection.close()


def _in_python(module: str) -> Callable[[Site, Load], AbstractAsyncContextManager[Running]]:
    return lambda site, load: _timers(site, load, builds.python(module))


LAPSERS = {
    "plazo_lapse": Lapser(
        "**Plazo**, one worker, every promise on", _plazo, 100_000, 25, exact=True
    ),
    "kafka_streams_eos_lapse": Lapser(
        "Kafka Streams, exactly-once v2", lambda s, load: _streams(s, load, "eos"), 100_000, 25
    ),
    "river_lapse": Lapser("River", lambda s, load: _timers(s, load, builds.river()), 100_000, 25),
    # These two would take minutes for as many.
    "procrastinate_lapse": Lapser("procrastinate", _in_python("procrastinate_app"), 10_000, 25),
    "dbos_lapse": Lapser("DBOS", _in_python("dbos_app"), 3_000, 45),
}
