"""Plots of ``latest.json`` as SVG: bars by name, and histograms. Plain text, no library.

They follow the colours that the reader prefers, light or dark, and bring their own ground.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

WIDTH, MARGIN, LABELS, VALUES, ROW = 860, 20, 230, 90, 22

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600; font-size: 14px }
.quiet { fill: #59636e; font-size: 11px }
.ground { fill: #ffffff } .line { stroke: #d1d9e0 }
.own { fill: #0969da } .other { fill: #9198a1 }
.part0 { fill: #0969da } .part1 { fill: #8250df } .part2 { fill: #bf8700 } .part3 { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .quiet { fill: #9198a1 }
  .ground { fill: #151b23 } .line { stroke: #3d444d }
  .own { fill: #4493f8 } .other { fill: #656c76 }
  .part0 { fill: #4493f8 } .part1 { fill: #ab7df8 }
  .part2 { fill: #d29922 } .part3 { fill: #3fb950 }
}
"""

Label = Callable[[str], str]
Found = Mapping[str, Any]


class Panel(NamedTuple):
    """A heading and bars, each of one value or of parts that add up."""

    heading: str
    bars: Mapping[str, Sequence[float]]
    parts: Sequence[str] = ()
    unit: str = ""


def all_plots(found: Found, label: Label) -> dict[str, tuple[str, str]]:
    """By name: what a plot shows, and its SVG. None without its figures."""
    plots: dict[str, tuple[str, str]] = {}
    if found.get("events_per_s"):
        title = "Ingestion: Plazo beside limits and peers"
        plots["bench-ingestion"] = title, _bars(title, _of_ingestion(found), label)
    if found.get("due_at_once"):
        title = "Deadlines: Plazo beside peers"
        plots["bench-deadlines"] = title, _bars(title, _of_deadlines(found), label)
    spread = {
        f"{label(name)}, a hundred orders a second": one["histogram"]
        for name, one in found.get("a_hundred_a_second", {}).items()
    }
    if "lateness_histogram" in found:
        spread = {
            "Plazo, from append to commit at a tenth of the rate": found["latency_histogram"],
            "Plazo, a verdict on a quiet worker": found["lateness_histogram"],
            **spread,
        }
    if spread:
        title = "How late: each bar is a share of all, the scale is logarithmic"
        plots["bench-lateness"] = title, _histograms(title, spread)
    return plots


def _of_ingestion(found: Found) -> list[Panel]:
    speed = found["events_per_s"]
    # A COPY of nothing but events, and workers that are held back, are other questions.
    shown = [n for n in speed if n != "raw_copy" and not n.endswith("_held")]
    shown.sort(key=lambda name: -speed[name])
    panels = [Panel("events a second", {name: [speed[name]] for name in shown})]
    cpu = {n: list(found["cpu_us"][n].values()) for n in shown if n in found["cpu_us"]}
    usual = {name: bar for name, bar in cpu.items() if name != "faststream_message"}
    parts = ("worker", "Postgres", "Kafka")
    panels.append(Panel("CPU time of an event, but for one message at a time", usual, parts, "µs"))
    memory = {n: [found["rss_mib"][n]] for n in shown if found["rss_mib"].get(n)}
    panels.append(Panel("memory of the largest process", memory, unit="MiB"))
    return [
        *panels,
        *_of_bytes("an event", {n: found["bytes"][n] for n in cpu if "bytes" in found}),
    ]


def _of_bytes(of: str, written: Mapping[str, Mapping[str, float]]) -> list[Panel]:
    kinds = {"wal": "write-ahead log", "database": "database", "kafka": "Kafka", "state": "state"}
    bars = {name: [one[kind] for kind in kinds] for name, one in written.items()}
    return [Panel(f"written for {of}", bars, tuple(kinds.values()), "bytes")] if bars else []


def _of_deadlines(found: Found) -> list[Panel]:
    once, steady = found["due_at_once"], found["a_hundred_a_second"]
    order = sorted(once, key=lambda name: -once[name]["per_s"])
    cpu = {name: list(once[name]["bill"]["cpu_us"].values()) for name in order}
    late = "lateness at a hundred a second, 99th percentile"
    return [
        Panel("verdicts a second, all due at once", {n: [once[n]["per_s"]] for n in order}),
        Panel(late, {n: [steady[n]["lateness_p99_ms"]] for n in order if n in steady}, unit="ms"),
        Panel("CPU time of a verdict", cpu, ("worker", "Postgres", "Kafka"), "µs"),
        Panel(
            "memory of the largest process", {n: [once[n]["rss_mib"]] for n in order}, unit="MiB"
        ),
        *_of_bytes("a verdict", {name: once[name]["bill"]["bytes"] for name in order}),
    ]


def _bars(title: str, panels: Sequence[Panel], label: Label) -> str:
    drawn, top = [_text(MARGIN, 30, title, "head")], 46
    for panel in panels:
        drawn.append(_text(MARGIN, top + 20, panel.heading, "head"))
        for number, part in enumerate(panel.parts):
            left = WIDTH - MARGIN - 110 * (len(panel.parts) - number)
            drawn.append(_rect(left, top + 10, 10, 10, f"part{number}"))
            drawn.append(_text(left + 15, top + 20, part, "quiet"))
        top += 30
        most = max(map(sum, panel.bars.values()), default=0) or 1
        room = WIDTH - 2 * MARGIN - LABELS - VALUES
        for name, values in panel.bars.items():
            drawn.append(_text(MARGIN, top + 15, label(name)))
            left = float(MARGIN + LABELS)
            for number, value in enumerate(values):
                own = "own" if name.startswith("plazo") else "other"
                kind = f"part{number}" if panel.parts else own
                width = room * value / most
                drawn.append(_rect(left, top + 3, width, ROW - 6, kind))
                left += width
            drawn.append(_text(left + 6, top + 15, f"{_number(sum(values))} {panel.unit}".strip()))
            top += ROW
        top += 14
    return _svg(title, top, drawn)


def _histograms(title: str, spread: Mapping[str, Sequence[Sequence[float]]]) -> str:
    bounds = sorted({bound for bars in spread.values() for bound, _ in bars})
    step, height = (WIDTH - 2 * MARGIN) / len(bounds), 60
    drawn, top = [_text(MARGIN, 30, title, "head")], 46
    for name, bars in spread.items():
        drawn.append(_text(MARGIN, top + 18, name))
        total, most = sum(count for _, count in bars), max(count for _, count in bars)
        base = top + 40 + height
        for bound, count in bars:
            left, tall = MARGIN + step * bounds.index(bound), height * count / most
            kind = "own" if name.startswith("Plazo") else "other"
            drawn.append(_rect(left + 1, base - tall, step - 2, tall, kind))
            share = 100 * count / total
            if share >= 0.5:
                drawn.append(
                    _text(left + step / 2, base - tall - 3, f"{share:.0f} %", "quiet", True)
                )
        drawn.append(f'<path class="line" d="M{MARGIN} {base}H{WIDTH - MARGIN}"/>')
        top = base + 8
    for number, bound in enumerate(bounds):
        # Under the right edge of a bar, which holds the times up to this one.
        drawn.append(_text(MARGIN + step * (number + 1), top + 10, _time(bound), "quiet", True))
    return _svg(title, top + 24, drawn)


def _svg(title: str, height: float, drawn: Sequence[str]) -> str:
    lines = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f"{_rect(0, 0, WIDTH, height, 'ground')}\n{lines}\n</svg>\n"
    )


def _text(x: float, y: float, text: str, kind: str = "", middle: bool = False) -> str:
    named = f' class="{kind}"' if kind else ""
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{named}{anchor}>{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _time(milliseconds: float) -> str:
    return f"{milliseconds:g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"
