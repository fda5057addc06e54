"""``make bench``: everything side by side in one run, as a table and as ``latest.json``.

``--short`` leaves out the peers and the slow parts, and fails when the ratio of Plazo to the bare
loop has fallen by a third from that in ``latest.json``.
"""

import argparse
import asyncio
import json
import platform
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from . import growth, ingestion, limits, promptness
from .ingestion import Ingestion
from .mass_lapse import mass_lapse
from .shares import NoShares
from .site import Site, site

HERE = Path(__file__).parent
LATEST = HERE / "latest.json"
SECONDS = 12.0
TOLERATED = 2 / 3
SHARE = 0.3  # of a core, for each worker that is held to one
LAPSING = 100_000
GROWTH_EVENTS = 200_000
OPEN_ORDERS = (10_000, 1_000_000, 10_000_000)

Seen = dict[str, list[Ingestion]]


def main() -> int:
    """Run what is asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--events", type=int)
    asked = parser.parse_args()
    rounds = asked.rounds or 3
    events = asked.events or (200_000 if asked.short else 400_000)
    return asyncio.run(_run(asked.short, rounds, events))


async def _run(short: bool, rounds: int, events: int) -> int:
    found: dict[str, Any] = {
        "machine": {"python": platform.python_version(), "machine": platform.machine()},
        "rounds": rounds,
        "events": events,
    }
    async with site() as here:
        # The first round does not count: Kafka's bytecode is not compiled yet, and files are new.
        measured = await _ingestion(here, 1 + rounds, events, short)
        seen = {name: runs[1:] for name, runs in measured.items()}
        rates = {name: [one.per_s for one in runs] for name, runs in seen.items()}
        found["events_per_s"] = {name: round(median(runs)) for name, runs in rates.items()}
        found["spread"] = {n: [round(min(runs)), round(max(runs))] for n, runs in rates.items()}
        found["rss_mib"] = round(max(one.rss_mib for one in seen["plazo_1"]), 1)
        found["cpu_us"] = {
            name: {part: median(one.cpu_us[part] for one in runs) for part in runs[0].cpu_us}
            for name, runs in seen.items()
            if runs[0].cpu_us
        }
        ratio = found["events_per_s"]["plazo_1"] / found["events_per_s"]["bare_loop"]
        found["ratio_to_bare_loop"] = round(ratio, 3)
        _tell(found)
        if not short:
            await _promptness(here, found, rounds)
            await _growth(here, found, rounds)
    if not short:
        LATEST.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    wanted = json.loads(LATEST.read_text())["ratio_to_bare_loop"] * TOLERATED
    print(f"\nratio to the bare loop {ratio:.2f}, at least {wanted:.2f}")
    return 0 if ratio >= wanted else 1


async def _ingestion(here: Site, rounds: int, events: int, short: bool) -> Seen:
    topics = await here.loaded_topics(events)

    async def limit(measure: Callable[[str, int], Awaitable[float]]) -> Ingestion:
        async with here.database() as url:
            return Ingestion(await measure(url, events), 0.0, {})

    def plazo(workers: int, share: float | None = None) -> Awaitable[Ingestion]:
        return ingestion.plazo(here, topics, events, SECONDS, workers, share)

    def peer(*command: str) -> Awaitable[Ingestion]:
        return ingestion.peer(here, topics, events, SECONDS, *command)

    entrants: dict[str, Callable[[], Awaitable[Ingestion]]] = {
        "raw_copy": lambda: limit(limits.raw_copy),
        "bare_loop": lambda: limit(limits.bare_loop),
        "plazo_1": lambda: plazo(1),
    }
    if not short:
        entrants |= {
            "plazo_2": lambda: plazo(2),
            # Where the cores are not the limit: what a second worker brings.
            "plazo_1_held": lambda: plazo(1, SHARE),
            "plazo_2_held": lambda: plazo(2, SHARE),
            "faststream_message": lambda: peer("faststream_app", "message"),
            "faststream_batch": lambda: peer("faststream_app", "batch"),
            "quixstreams": lambda: peer("quix_app"),
        }
    seen: Seen = {name: [] for name in entrants}
    for _ in range(rounds):
        for name, measure in entrants.items():
            try:
                seen[name].append(await measure())
            except NoShares as error:
                print(f"{name}: not measured: {error}", file=sys.stderr, flush=True)
            else:
                print(f"{name}: {seen[name][-1]}", file=sys.stderr, flush=True)
    return {name: runs for name, runs in seen.items() if runs}


async def _promptness(here: Site, found: dict[str, Any], rounds: int) -> None:
    rate = found["events_per_s"]["plazo_1"]
    found["latency_p99_ms"] = await promptness.latency(here, rate / 10)
    found["lateness_p99_ms"] = await promptness.lateness(here)
    found["take_over_s"] = {
        "crash": await promptness.take_over(here, crash=True),
        "stop": await promptness.take_over(here, crash=False),
    }
    lapses = [await mass_lapse(here, LAPSING, rate / 2) for _ in range(rounds)]
    found["mass_lapse_per_s"] = round(median(one.per_s for one in lapses))
    found["mass_lapse"] = [asdict(one) for one in lapses]
    for name in ("latency_p99_ms", "lateness_p99_ms", "take_over_s", "mass_lapse"):
        print(f"{name}: {found[name]}", flush=True)


async def _growth(here: Site, found: dict[str, Any], rounds: int) -> None:
    topics = await here.loaded_topics(GROWTH_EVENTS)
    costs = await growth.costs(here, topics, OPEN_ORDERS, GROWTH_EVENTS, rounds)
    found["growth"] = [asdict(one) for one in costs]
    found["flat"] = max(growth.flat(costs).values())
    for one in found["growth"]:
        print(one, flush=True)


def _tell(found: dict[str, Any]) -> None:
    bare = found["events_per_s"]["bare_loop"]
    print("\n| | events/s | least – most | to the bare loop | CPU µs: worker, Postgres, Kafka |")
    print("|---|---:|---:|---:|---:|")
    for name, rate in found["events_per_s"].items():
        least, most = found["spread"][name]
        cpu = ", ".join(f"{time:.0f}" for time in found["cpu_us"].get(name, {}).values())
        print(f"| {name} | {rate:,} | {least:,} – {most:,} | {rate / bare:.2f} | {cpu} |")


if __name__ == "__main__":
    sys.exit(main())
