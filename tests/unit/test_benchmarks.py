"""What becomes of the figures of the benchmark: tables, plots, comparisons."""

import json
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks import plots, report
from tests.benchmarks.deadlines import LAPSERS, Lapser, Late, Load, judged
from tests.benchmarks.entrants import ENTRANTS
from tests.benchmarks.histogram import BOUNDS_MS, histogram, percentile
from tests.benchmarks.machine import machine

LATEST: dict[str, Any] = json.loads(report.LATEST.read_text())
SVG = "{http://www.w3.org/2000/svg}"


def test_the_pages_and_plots_show_the_latest_figures() -> None:
    for path, text in report.files(LATEST).items():
        assert path.read_text() == text, f"{path}: run python -m tests.benchmarks.report"


def test_the_site_shows_every_plot_that_there_is() -> None:
    names = {path.stem for path in report.PICTURES.glob("bench-*.svg")}
    page = report.PAGES[1].read_text()
    assert names == set(plots.all_plots(LATEST, str)) == set(re.findall(r"bench-\w+", page))


def made_up() -> dict[str, Any]:
    """Figures of everybody, of which the first has the most."""
    cpu = {"worker": 10.0, "postgres": 20.0, "kafka": 5.0}
    sizes = {"wal": 700.0, "database": 500.0, "kafka": 300.0, "state": 0.0, "network": 1.0}
    rates = {name: 1000 // (n + 1) for n, name in enumerate(ENTRANTS)}
    once = {
        name: {
            "orders": 1000,
            "per_s": 1000 // (n + 1),
            "lateness_p99_ms": 2000.0,
            "wrong": n,
            "rss_mib": 100.0,
            "bill": {"cpu_us": cpu, "bytes": sizes},
        }
        for n, name in enumerate(LAPSERS)
    }
    steady = {
        "orders": 6000,
        "lateness_p50_ms": 20.0,
        "lateness_p99_ms": 90.0,
        "wrong": 0,
        "rss_mib": 100.0,
        "histogram": [(25, 10), (40, 30)],
    }
    return {
        **LATEST,
        "events_per_s": rates,
        "spread": {name: [1, 2] for name in rates},
        "rss_mib": dict.fromkeys(rates, 100.0),
        "cpu_us": dict.fromkeys(rates, cpu),
        "bytes": dict.fromkeys(rates, sizes),
        "due_at_once": once,
        "a_hundred_a_second": dict.fromkeys(LAPSERS, steady),
    }


def test_every_entrant_stands_in_a_table() -> None:
    lines = report.tables(made_up())
    for name in (*ENTRANTS, *LAPSERS):
        assert any(line.startswith(f"| {report.title(name)} |") for line in lines), name


def test_the_rows_of_a_table_are_as_wide_as_its_head() -> None:
    for make in report.BLOCKS.values():
        lines = [line for line in make(made_up()) if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


@pytest.mark.parametrize(("found", "words"), [(True, ", with the"), (False, ", without the")])
def test_the_machine_names_the_reader(found: bool, words: str) -> None:
    on = LATEST["machine"] | {"compiled_reader": found}
    told = " ".join(report.machine({**LATEST, "machine": on}))
    assert f"{words} compiled reader." in told
    assert "compiled_reader" in machine()


def test_a_bar_is_as_long_as_its_value() -> None:
    _, svg = plots.all_plots(made_up(), report.label)["bench-deadlines"]
    _, *bars = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    first, second = (float(one.attrib["width"]) for one in bars[:2])
    assert first == pytest.approx(2 * second, abs=0.2)
    assert [one.attrib["class"] for one in bars[:2]] == ["own", "other"]


def test_a_plot_has_colours_for_light_and_dark() -> None:
    for _, svg in plots.all_plots(made_up(), report.label).values():
        light, dark = svg.split("@media (prefers-color-scheme: dark)")
        for kind in set(re.findall(r'class="(\w+)"', svg)) - {"head"}:
            assert f".{kind} {{" in light, kind
            assert f".{kind} {{" in dark.split("</style>")[0], kind


def test_a_histogram_counts_all_and_skips_empty_ends() -> None:
    assert histogram([0.0101, 0.020, 0.012, 0.060, 9_999.0])[:2] == [(16.0, 2), (25.0, 1)]
    assert sum(count for _, count in histogram([0.0101, 0.060, 9_999.0])) == 3
    assert histogram([]) == []
    assert all(less < more for less, more in pairwise(BOUNDS_MS))


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 50_000.0), (0.99, 99_000.0)])
def test_a_percentile_is_one_of_the_values(share: float, wanted: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == wanted


NOW = datetime(2026, 11, 27, tzinfo=UTC)
LOAD = Load(10, timedelta(seconds=5), NOW)


@asynccontextmanager
async def nobody(*_: object) -> Any:
    yield


def lapser(exact: bool) -> Lapser:
    return Lapser("somebody", nobody, 10, 1, exact)


def late(right: int, wrong: int) -> list[Late]:
    return [Late(NOW, 1.0, False)] * right + [Late(NOW, 1.0, True)] * wrong


def test_a_false_cancel_is_counted_of_a_peer_and_fails_plazo() -> None:
    assert judged(lapser(exact=False), LOAD, late(9, 1)) == 1
    with pytest.raises(AssertionError, match="1 wrong"):
        judged(lapser(exact=True), LOAD, late(9, 1))
    assert [name for name, one in LAPSERS.items() if one.exact] == ["plazo_lapse"]


@pytest.mark.parametrize("right", [8, 10])
def test_a_verdict_that_is_missing_or_given_twice_fails_everybody(right: int) -> None:
    with pytest.raises(AssertionError, match="verdicts"):
        judged(lapser(exact=False), LOAD, late(right, 0))


@pytest.mark.parametrize(("now", "status"), [(0.7, 0), (0.9, 0), (0.5, 1)])
def test_the_short_form_compares_cpu_time(now: float, status: int) -> None:
    ratio = {"cpu_ratio_to_bare_loop": now}
    assert bench.compare(ratio, {"cpu_ratio_to_bare_loop": 0.9}) == status
    assert "cpu_ratio_to_bare_loop" in LATEST


def test_the_figures_of_another_day_stay_beside_those_of_today() -> None:
    latest: dict[str, Any] = {"measured": {}}
    for day, rate in (("2026-11-26", 1), ("2026-11-27", 2), ("2026-11-27", 3), ("2026-11-28", 4)):
        rates = {"events_per_s": {"plazo_1": rate}, "spread": {"plazo_1": [rate, rate]}}
        bench.keep(latest, "ingestion", rates, day)
    assert latest["measured"] == {"ingestion": "2026-11-28"}
    assert latest["earlier"]["ingestion"]["on"] == "2026-11-27"
    assert f"| {report.title('plazo_1')} | 2026-11-27 | 3 | 3–3 | 4 |" in report.earlier(latest)


def asked(*arguments: str) -> bench.Run:
    return bench.Run(bench.parser().parse_args(arguments))


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ((), {"ingestion", "promptness", "deadlines", "extremes", "growth"}),
        (("--skip", "growth"), {"ingestion", "promptness", "deadlines", "extremes"}),
        (("--only", "deadlines"), {"deadlines"}),
        (("--only", "plazo_1", "promptness"), {"promptness"}),
        (("--skip", "bytewax"), {"promptness", "deadlines", "extremes", "growth"}),
        (
            ("--skip", "bytewax", "growth", "--keep"),
            {"ingestion", "promptness", "deadlines", "extremes"},
        ),
        (("--keep", "--rounds", "1"), set()),
        (("--orders", "100"), set()),
        (("--short",), set()),
    ],
)
def test_only_a_whole_part_of_the_usual_size_is_kept(
    arguments: tuple[str, ...], whole: set[str]
) -> None:
    run = asked(*arguments)
    assert {part for part, (names, _) in bench.PARTS.items() if run.usual(part, names)} == whole


def test_the_short_form_needs_nothing_of_the_peers() -> None:
    run = asked("--short")
    wanted = {part: run.wanted(part, names) for part, (names, _) in bench.PARTS.items()}
    assert wanted == {
        "ingestion": ["raw_copy", "bare_loop", "plazo_1"],
        "promptness": [],
        "extremes": [],
        "deadlines": [],
        "growth": [],
    }
