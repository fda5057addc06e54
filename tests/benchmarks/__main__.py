"""``make bench``: everything side by side in one run, as tables and as ``latest.json``.

``--short`` leaves out the peers and the slow parts, and fails when the CPU time of an event has
grown by half beside that of the bare loop, compared with ``latest.json``.

``--only`` and ``--skip`` take names of parts (ingestion, promptness, deadlines, extremes, growth)
and of entrants (plazo_1, kafka_streams_eos, river_lapse, …). A part that ran whole and in its usual
size replaces its figures in ``latest.json``, and tables and plots are written again; what else ran
is printed only. An entrant that failed is named in the end, and the exit status is 1.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from statistics import median
from typing import Any, TypeVar

from . import extremes, growth, promptness, report
from .deadlines import LAPSERS, at_once, steady
from .entrants import ENTRANTS, Backlog
from .histogram import histogram, percentile
from .ingestion import Ingestion
from .machine import machine
from .mass_lapse import mass_lapse
from .peers.builds import NotToBeHad
from .report import LATEST
from .shares import NoShares
from .site import Site, site

TOLERATED = 2 / 3
LAPSING = 100_000
WARM_UP_ORDERS = 20_000
GROWTH_EVENTS = 200_000
OPEN_ORDERS = (10_000, 1_000_000, 10_000_000)
RATE, SECONDS = 100.0, 60.0

Found = dict[str, Any]
T = TypeVar("T")


class Run:
    """What was asked for, and who failed; ``here`` is the site of the part that runs."""

    here: Site

    def __init__(self, asked: argparse.Namespace) -> None:
        self.rounds: int = asked.rounds or 3
        self.events: int = asked.events or (200_000 if asked.short else 400_000)
        # The short form compares the cost of the same work, however slow the machine is.
        self.patience = 60.0 if asked.short else 8.0
        self.orders: int | None = asked.orders
        self.ahead: int | None = asked.ahead
        self.seconds: float = asked.seconds or SECONDS
        self.failed: list[str] = []
        self._asked = asked

    def wanted(self, part: str, names: Iterable[str]) -> list[str]:
        """Those of a part that were asked for."""
        only, skip = self._asked.only, self._asked.skip
        return [
            name
            for name in names
            if (not only or part in only or name in only)
            and part not in skip
            and name not in skip
            and (not self._asked.short or (part == "ingestion" and ENTRANTS[name].short))
        ]

    def usual(self, part: str, names: Iterable[str]) -> bool:
        """Whether a part was asked for as ``latest.json`` has it."""
        asked = self._asked
        unusual = asked.short, asked.rounds, asked.events, asked.orders, asked.ahead, asked.seconds
        names = list(names)
        wanted = self.wanted(part, names)
        return not any(unusual) and (wanted == names or (asked.keep and bool(wanted)))

    async def attempt(self, name: str, measure: Callable[[], Awaitable[T]]) -> T | None:
        """What was measured; a failure is told, and costs nobody else their figures."""
        began = time.perf_counter()
        try:
            found = await measure()
        except (NoShares, NotToBeHad) as error:
            print(f"{name}: not measured: {error}", file=sys.stderr, flush=True)
            return None
        except Exception as error:
            notes = "\n".join(getattr(error, "__notes__", ()))
            print(f"{name} failed: {error!r}\n{notes}", file=sys.stderr, flush=True)
            self.failed.append(name)
            return None
        took = time.perf_counter() - began
        print(f"{name} ({took:.0f} s): {found}", file=sys.stderr, flush=True)
        return found


def main() -> int:
    """Run what is asked for; the exit status."""
    return asyncio.run(_run(parser().parse_args()))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = [*PARTS, *ENTRANTS, *LAPSERS]
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="NAME")
    parser.add_argument("--skip", nargs="+", default=[], choices=names, metavar="NAME")
    parser.add_argument("--keep", action="store_true", help="parts that names were left out of too")
    parser.add_argument("--rounds", type=int, help="that count, after one that does not")
    parser.add_argument("--events", type=int, help="of the backlog")
    parser.add_argument("--orders", type=int, help="due at once, at most")
    parser.add_argument("--ahead", type=int, help="seconds to schedule those in, on a slow machine")
    parser.add_argument("--seconds", type=float, help="of orders that come at a rate")
    return parser


async def _run(asked: argparse.Namespace) -> int:
    latest: Found = json.loads(LATEST.read_text())
    found: Found = {}
    run = Run(asked)
    for part, (names, measure) in PARTS.items():
        if not run.wanted(part, names):
            continue
        # Kafka keeps the thousands of partitions of a part before, and they slow the next one.
        async with site() as run.here:
            figures = await run.attempt(
                part, lambda it=measure, known=latest | found: it(run, known)
            )
        if not figures:
            continue
        found |= figures
        if run.usual(part, names):
            keep(latest, part, figures, report.today())
            # After each part: an hour of measuring is not to be lost.
            LATEST.write_text(json.dumps(latest, indent=1) + "\n")
            report.main()
    print("\n".join(report.tables(found)), flush=True)
    if run.failed:
        print(f"failed: {', '.join(sorted(set(run.failed)))}", file=sys.stderr)
        return 1
    return compare(found, latest) if asked.short else 0


def keep(latest: Found, part: str, figures: Found, today: str) -> None:
    """Replace the figures of a part; those of the last other day become the earlier ones."""
    dates = latest.setdefault("measured", {})
    if part in dates and dates[part] != today:
        before = {name: latest[name] for name in figures if name in latest}
        latest.setdefault("earlier", {})[part] = {"on": dates[part], **before}
    dates[part] = today
    latest |= figures
    latest["machine"] = machine()


def compare(found: Found, latest: Found) -> int:
    """The exit status: CPU time is compared, since a busy machine takes none of it away."""
    name = "cpu_ratio_to_bare_loop"
    wanted = latest[name] * TOLERATED
    print(f"\nCPU time of the bare loop over Plazo's {found[name]:.2f}, at least {wanted:.2f}")
    return 0 if found[name] >= wanted else 1


async def _ingestion(run: Run, _: Found) -> Found:
    seen: dict[str, list[Ingestion]] = {}
    async with run.here.topics(run.events) as topics:
        backlog = Backlog(run.here, topics, run.events, run.patience)
        for number in range(1 + run.rounds):
            for name in run.wanted("ingestion", ENTRANTS):
                # The first round does not count: bytecode is not compiled yet, and files are new.
                if not number and not ENTRANTS[name].short:
                    continue
                one = await run.attempt(name, lambda name=name: ENTRANTS[name].measure(backlog))
                if one and number:
                    seen.setdefault(name, []).append(one)
    rates = {name: [one.per_s for one in runs] for name, runs in seen.items()}
    bills = {name: [one.bill for one in runs] for name, runs in seen.items()}
    found: Found = {
        "rounds": run.rounds,
        "events": run.events,
        "events_per_s": {name: round(median(runs)) for name, runs in rates.items()},
        "spread": {name: [round(min(runs)), round(max(runs))] for name, runs in rates.items()},
        "rss_mib": {n: round(max(one.rss_mib for one in runs), 1) for n, runs in seen.items()},
        "cpu_us": {n: _medians([one.cpu_us for one in runs]) for n, runs in bills.items()},
        "bytes": {n: _medians([one.bytes for one in runs]) for n, runs in bills.items()},
    }
    if {"bare_loop", "plazo_1"} <= seen.keys():
        speed = found["events_per_s"]
        found["ratio_to_bare_loop"] = round(speed["plazo_1"] / speed["bare_loop"], 3)
        # The best of all rounds: noise can only add.
        bare, plazo = (
            min(one.cpu_us["worker"] + one.cpu_us["postgres"] for one in bills[name])
            for name in ("bare_loop", "plazo_1")
        )
        found["cpu_ratio_to_bare_loop"] = round(bare / plazo, 3)
    return found


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(one[name] for one in runs) for name in runs[0]}


async def _promptness(run: Run, known: Found) -> Found:
    rate = known["events_per_s"]["plazo_1"]
    # It does not count: the broker's bytecode is not compiled yet, and the memory of its logs new.
    await mass_lapse(run.here, LAPSING, rate / 2)
    latency = await promptness.latency(run.here, rate / 10)
    lateness = await promptness.lateness(run.here)
    lapses = [await mass_lapse(run.here, LAPSING, rate / 2) for _ in range(run.rounds)]
    return {
        "latency_p99_ms": percentile(latency, 0.99),
        "latency_histogram": histogram(latency),
        "lateness_p99_ms": percentile(lateness, 0.99),
        "lateness_histogram": histogram(lateness),
        "take_over_s": {
            "crash": await promptness.take_over(run.here, crash=True),
            "stop": await promptness.take_over(run.here, crash=False),
        },
        "mass_lapse_per_s": round(median(one.per_s for one in lapses)),
        "mass_lapse": [asdict(one) for one in lapses],
    }


async def _deadlines(run: Run, _: Found) -> Found:
    found: Found = {"due_at_once": {}, "a_hundred_a_second": {}}
    # It does not count: the broker's bytecode is not compiled yet, and the first would pay for it.
    first = LAPSERS["plazo_lapse"]
    await run.attempt("warm-up", lambda: at_once(run.here, first, WARM_UP_ORDERS, run.ahead))
    for name in run.wanted("deadlines", LAPSERS):
        lapser = LAPSERS[name]
        mass = await run.attempt(
            name, lambda it=lapser: at_once(run.here, it, run.orders, run.ahead)
        )
        one_by_one = await run.attempt(
            f"{name}, one by one", lambda it=lapser: steady(run.here, it, RATE, run.seconds)
        )
        for figures, part in ((mass, "due_at_once"), (one_by_one, "a_hundred_a_second")):
            if figures:
                found[part][name] = asdict(figures)
    return found


async def _extremes(run: Run, _: Found) -> Found:
    return {"extremes": await extremes.all_of_them(run.here)}


async def _growth(run: Run, _: Found) -> Found:
    async with run.here.topics(GROWTH_EVENTS) as topics:
        costs = await growth.costs(run.here, topics, OPEN_ORDERS, GROWTH_EVENTS, run.rounds)
    return {"growth": [asdict(one) for one in costs], "flat": max(growth.flat(costs).values())}


# What can be asked for by name, with the names of who takes part; a part without any has its own.
PARTS: dict[str, tuple[Iterable[str], Callable[[Run, Found], Awaitable[Found]]]] = {
    "ingestion": (ENTRANTS, _ingestion),
    "promptness": (["promptness"], _promptness),
    "deadlines": (LAPSERS, _deadlines),
    "extremes": (["extremes"], _extremes),
    "growth": (["growth"], _growth),
}


if __name__ == "__main__":
    sys.exit(main())
