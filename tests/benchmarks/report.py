"""Tables and plots from ``latest.json``; the pages hold the tables between two marks.

`python -m tests.benchmarks.report` writes them again; a test fails if somebody forgot to.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import plots
from .deadlines import LAPSERS
from .entrants import ENTRANTS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LATEST = HERE / "latest.json"
PAGES = (HERE / "RESULTS.md", ROOT / "docs" / "explanation" / "performance.md")
PICTURES = ROOT / "docs" / "pictures"
KINDS = {
    "wal": "write-ahead log",
    "database": "database",
    "kafka": "Kafka",
    "state": "own state",
    "network": "network",
}
BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)

# What is measured beside Plazo for the first table of the site.
PEERS = {name for name in ENTRANTS if not name.startswith("plazo")} - {"raw_copy", "bare_loop"}

Found = Mapping[str, Any]


def today() -> str:
    """The date that figures bear."""
    return datetime.now(UTC).date().isoformat()


def tables(found: Found) -> list[str]:
    """Lines of all tables for which there are figures."""
    return [line for make in BLOCKS.values() for line in make(found)]


def machine(found: Found) -> list[str]:
    """What the figures belong to, in sentences."""
    on = found.get("machine", {})
    if "processor" not in on:
        return []
    dates = found["measured"]
    # The figures of before there was one do not name it.
    reader = "with" if on.get("compiled_reader") else "without"
    days = ", ".join(f"{part} {day}" for part, day in dates.items())
    return [
        f"{on['cores']} cores of {on['processor']} and {on['memory_gib']} GiB, shared by Kafka, "
        "Postgres,",
        f"the publisher and who is measured. Python {on['python']}, built {on['build']} by "
        f"{on['compiler']}, {reader} the compiled reader.",
        f"Measured: {days}.",
    ]


def ingestion(found: Found) -> list[str]:
    """Events a second beside the limits and the peers."""
    if not found.get("events_per_s"):
        return []
    speed, cpu, rss = found["events_per_s"], found["cpu_us"], found["rss_mib"]
    bare = speed.get("bare_loop")
    rows = [
        [
            title(name),
            f"{rate:,}",
            "{:,}–{:,}".format(*found["spread"][name]),
            f"{rate / bare:.2f}" if bare else "",
            f"{rss[name]:.0f}" if rss.get(name) else "",
            ", ".join(f"{time:.0f}" for time in cpu.get(name, {}).values()),
        ]
        for name, rate in sorted(speed.items(), key=lambda one: -one[1])
    ]
    head = ["", "events/s", "spread", "to the bare loop", "MiB"]
    return _table([*head, "CPU µs an event: worker, Postgres, Kafka"], rows)


def bill(found: Found) -> list[str]:
    """What a million events cost."""
    if not found.get("bytes"):
        return []
    rows = [
        [title(name), f"{sum(found['cpu_us'][name].values()):.0f}", *_megabytes(written)]
        for name, written in found["bytes"].items()
    ]
    return _table(["a million events", "CPU s", *(f"{kind}, MB" for kind in KINDS.values())], rows)


def deadlines(found: Found) -> list[str]:
    """Verdicts when all orders are due at once, and what a million of them cost."""
    if not found.get("due_at_once"):
        return []
    rows = [
        [
            title(name),
            f"{one['orders']:,}",
            f"{one['per_s']:,.0f}",
            _seconds(one["lateness_p99_ms"]),
            str(one["wrong"]),
            f"{one['rss_mib']:.0f}",
            f"{sum(one['bill']['cpu_us'].values()):.0f}",
            *_megabytes(one["bill"]["bytes"]),
        ]
        for name, one in found["due_at_once"].items()
    ]
    head = ["due at once", "orders", "verdicts/s", "late, p99", "wrong", "MiB"]
    kinds = (f"{kind}, MB" for kind in KINDS.values())
    return _table([*head, "a million verdicts: CPU s", *kinds], rows)


def steadily(found: Found) -> list[str]:
    """How late verdicts are at a hundred orders a second."""
    if not found.get("a_hundred_a_second"):
        return []
    rows = [
        [
            title(name),
            f"{one['orders']:,}",
            _seconds(one["lateness_p50_ms"]),
            _seconds(one["lateness_p99_ms"]),
            str(one["wrong"]),
            f"{one['rss_mib']:.0f}",
        ]
        for name, one in found["a_hundred_a_second"].items()
    ]
    return _table(["a hundred a second", "orders", "late, p50", "late, p99", "wrong", "MiB"], rows)


def promptness(found: Found) -> list[str]:
    """How soon, with the mass lapse beside ingestion."""
    if "latency_p99_ms" not in found:
        return []
    lapses = found["mass_lapse"]
    rates = ", ".join(f"{one['per_s']:,.0f}" for one in lapses)
    lags = ", ".join(f"{one['lag_after']:,}" for one in lapses)
    rows = [
        ["from append to commit at a tenth of the rate, p99", _seconds(found["latency_p99_ms"])],
        ["a verdict on a quiet worker, p99", _seconds(found["lateness_p99_ms"])],
        ["take-over after a crash", f"{found['take_over_s']['crash']} s"],
        ["take-over after a stop", f"{found['take_over_s']['stop']} s"],
        ["100,000 due at once beside ingestion", f"{found['mass_lapse_per_s']:,}/s of {rates}"],
        ["their lateness, p99", ", ".join(_seconds(one["lateness_p99_ms"]) for one in lapses)],
        ["records behind at most", ", ".join(f"{one['most_lag']:,}" for one in lapses)],
        ["records behind when the other events end", lags],
    ]
    return _table(["how soon", "measured"], rows)


def extremes(found: Found) -> list[str]:
    """Large records and many lanes."""
    if not (one := found.get("extremes")):
        return []
    large, narrow = (
        f"{one[name]:.1f} MB/s"
        for name in ("large_records_mb_per_s", "large_records_of_one_partition_mb_per_s")
    )
    rows = [
        ["orders of 100 KB with 500 lines, twelve partitions", large],
        ["the same in one partition", narrow],
        ["from the start of a worker's process until it is ready with 200 lanes",
         f"{one['start_200_lanes_s']:.1f} s"],
    ]  # fmt: skip
    return _table(["what few have", "measured"], rows)


def earlier(found: Found) -> list[str]:
    """The same on the day before that was measured."""
    days = found.get("earlier", {})
    rows = []
    if "ingestion" in days:
        then = days["ingestion"]
        rows += [
            [
                title(name),
                then["on"],
                f"{rate:,}",
                "{:,}–{:,}".format(*then["spread"][name]),
                f"{found['events_per_s'][name]:,}" if name in found["events_per_s"] else "",
            ]
            for name, rate in then["events_per_s"].items()
        ]
    if "promptness" in days:
        then = days["promptness"]
        rates = [round(one["per_s"]) for one in then["mass_lapse"]]
        rows.append(
            [
                "verdicts/s of 100,000 due at once beside ingestion",
                then["on"],
                f"{then['mass_lapse_per_s']:,}",
                f"{min(rates):,}–{max(rates):,}",
                f"{found['mass_lapse_per_s']:,}",
            ]
        )
    if "deadlines" in days:
        then = days["deadlines"]
        rows += [
            [
                f"verdicts/s, all due at once, {label(name)}",
                then["on"],
                f"{one['per_s']:,}",
                "",
                f"{found['due_at_once'][name]['per_s']:,}" if name in found["due_at_once"] else "",
            ]
            for name, one in then["due_at_once"].items()
        ]
    return _table(["another day", "when", "median", "spread", "now"], rows) if rows else []


def growth(found: Found) -> list[str]:
    """Costs by the number of open orders."""
    rows = [
        [
            f"{one['open_orders']:,}",
            str(one["apply_us"]),
            str(one["decide_us"]),
            f"{one['start_s']} s",
            f"{one['rss_mib']:.0f}",
        ]
        for one in found.get("growth", ())
    ]
    head = ["open orders", "apply, µs an event", "decide, µs an order", "start", "MiB"]
    return _table(head, rows) if rows else []


def summary(found: Found) -> list[str]:
    """What a user wants to know first."""
    speed = found["events_per_s"]
    share = found["ratio_to_bare_loop"]
    bare = f"{share:.2f} of a bare loop of COPY and upsert without Kafka"
    rows = [["events from a backlog, Plazo, one worker", f"{speed['plazo_1']:,} a second, {bare}"]]
    peers = {name: rate for name, rate in speed.items() if name in PEERS}
    for name in sorted(peers, key=lambda name: -peers[name]):
        rows.append([f"events from a backlog, {label(name)}", f"{peers[name]:,} a second"])
    rows += [
        [
            "from append to commit at a tenth of Plazo's rate, p99",
            _seconds(found["latency_p99_ms"]),
        ],
        ["a verdict on a quiet worker, p99", _seconds(found["lateness_p99_ms"])],
        [
            "100,000 orders due at once, Plazo, while it reads at half its rate",
            f"{found['mass_lapse_per_s']:,} verdicts a second",
        ],
    ]
    for name, one in found.get("due_at_once", {}).items():
        orders, rate = (
            f"{one['orders']:,} orders due at once",
            f"{one['per_s']:,} verdicts a second",
        )
        rows.append([f"{orders}, {label(name)}", rate])
    take_over = found["take_over_s"]
    rows += [
        ["take-over after a crash; after a stop", "{crash} s; {stop} s".format(**take_over)],
        ["memory of a worker with a backlog", f"{found['rss_mib']['plazo_1']:.0f} MiB"],
        ["cost of an order with 10 million open orders, of that with 10,000", str(found["flat"])],
    ]
    return _table(["What", "Measured"], rows)


def pictures(found: Found) -> list[str]:
    """The plots that there are figures for."""
    drawn = plots.all_plots(found, label)
    return [
        line
        for name, (title, _) in drawn.items()
        for line in (f"![{title}](../pictures/{name}.svg)", "")
    ][:-1]


# In the order of what is printed.
BLOCKS: dict[str, Callable[[Found], list[str]]] = {
    "machine": machine,
    "ingestion": ingestion,
    "bill": bill,
    "promptness": promptness,
    "deadlines": deadlines,
    "steadily": steadily,
    "extremes": extremes,
    "growth": growth,
    "earlier": earlier,
}


def files(found: Found) -> dict[Path, str]:
    """What the pages and pictures must hold."""
    makers = {**BLOCKS, "summary": summary, "pictures": pictures}

    def fill(block: re.Match[str]) -> str:
        start, name, end = block.groups()
        body = "\n".join(makers[name](found)).rstrip()
        return f"{start}\n{body}\n\n{end}" if body else f"{start}{end}"

    pages = {page: BLOCK.sub(fill, page.read_text()) for page in PAGES}
    drawn = plots.all_plots(found, label)
    return pages | {PICTURES / f"{name}.svg": svg for name, (_, svg) in drawn.items()}


def title(name: str) -> str:
    """What tables call an entrant."""
    return (ENTRANTS | LAPSERS)[name].title if name in ENTRANTS or name in LAPSERS else name


def label(name: str) -> str:
    """The same for plots, without what a table tells besides."""
    plain = title(name).translate(str.maketrans("", "", "*`"))
    return re.split(r":|, every|, no | with ", plain)[0]


def _megabytes(written: Mapping[str, float]) -> Iterable[str]:
    # Bytes of one are megabytes of a million.
    return (f"{written[kind]:,.0f}" if written[kind] else "" for kind in KINDS)


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    line = "|" + "|".join(["---", *["---:"] * (len(head) - 1)]) + "|"
    return [f"| {' | '.join(head)} |", line, *(f"| {' | '.join(row)} |" for row in rows), ""]


def main() -> None:
    """Write pages and pictures again."""
    for path, text in files(json.loads(LATEST.read_text())).items():
        path.write_text(text)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
