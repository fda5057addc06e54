"""The live view of ``plazo dev`` on a terminal: the flow, and the verdicts as they fall."""

import io
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from worker.dev.audit import Verdict
from worker.dev.scrape import Samples, total
from worker.dev.totals import Totals
from worker.settings import Settings

_RATE_OVER = 5.0  # seconds
_LOG_LINES = 4
_TIMESTAMP = re.compile(r"^[0-9T:.-]+Z\s+")
_HEAD = 2  # lines
_TOP = 13  # lines
_WIDE = 110

_STYLES = {"auto-cancel": "red", "escalation": "yellow", "decision-revoked": "cyan"}
_GUARDS = ("behind", "probe", "database", "clock", "halted")


class LogLines(io.StringIO):
    """The last lines that were logged: on the terminal itself they would break the view."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=_LOG_LINES)

    def write(self, text: str) -> int:
        """Keep the lines that are not empty."""
        self.lines.extend(_TIMESTAMP.sub("", s) for s in text.splitlines() if s.strip())
        return len(text)

    def isatty(self) -> bool:
        """No: the view wants no colours."""
        return False


class Rate:
    """How fast a counter grows, over the last seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, float]] = deque()

    def of(self, value: float) -> float:
        """Enter the counter's value, and return its growth in a second."""
        now = self._clock()
        self._seen.append((now, value))
        while len(self._seen) > 2 and now - self._seen[0][0] > _RATE_OVER:
            self._seen.popleft()
        (then, before), passed = self._seen[0], now - self._seen[0][0]
        return (value - before) / passed if passed > 0 and then < now else 0.0


class View:
    """Puts the picture together; it knows nothing but numbers and verdicts."""

    def __init__(self, settings: Settings, lanes: int, lasting: timedelta | None) -> None:
        self._settings = settings
        self._lanes = lanes
        self._lasting = lasting
        self._began = time.monotonic()
        self._rates = {name: Rate() for name in ("published", "applied", "decided", "verdicts")}
        self.logged = LogLines()

    def draw(
        self,
        totals: Totals,
        samples: Samples,
        records: int,
        verdicts: Iterable[Verdict],
        board: str,
        size: ConsoleDimensions,
    ) -> RenderableType:
        """One frame."""
        top = Layout(name="top", size=_TOP)
        top.split_row(
            Layout(Panel(self._totals(totals), title="totals"), size=24),
            Layout(Panel(self._flow(samples, records), title="flow"), size=22),
            Layout(Panel(self._health(samples), title="lanes: records behind")),
        )
        bottom = Layout(name="bottom")
        bottom.update(Panel(_verdicts(verdicts, size), title="verdicts as they fall"))
        layout = Layout()
        layout.split_column(Layout(self._head(board), size=_HEAD), top, bottom)
        return layout

    def _head(self, board: str) -> Text:
        passed = timedelta(seconds=int(time.monotonic() - self._began))
        elapsed = f"{passed} of {self._lasting}" if self._lasting else f"{passed}, Ctrl-C ends it"
        settings = self._settings
        head = Text(" plazo dev ", style="bold reverse")
        head.append(
            f" window {settings.stock_window}, grace {settings.grace} · "
            f"{elapsed}\n board {board}",  # a line of its own: 80 columns must show it whole
            style="not bold not reverse",
        )
        head.no_wrap = True
        return head

    def _totals(self, totals: Totals) -> Table:
        table = _pairs()
        for name, value in totals.as_dict().items():
            broken = name in ("false_cancels", "missed_deadlines")
            style = ("bold red" if value else "green") if broken else ""
            table.add_row(name.replace("_", " "), f"{value:,}", style=style)
        return table

    def _flow(self, samples: Samples, records: int) -> Table:
        applied = total(samples, "plazo_records_total")
        decided = total(samples, "plazo_outcomes_total")
        verdicts = total(samples, "plazo_published_total")
        table = _pairs()
        for name, value in (
            ("published", float(records)),
            ("applied", applied),
            ("decided", decided),
            ("verdicts", verdicts),
        ):
            table.add_row(f"{name}/s", f"{self._rates[name].of(value):,.1f}")
        table.add_row("open", f"{total(samples, 'plazo_open_deadlines'):,.0f}")
        table.add_row("handed over", f"{total(samples, 'plazo_handed_over_total'):,.0f}")
        count = total(samples, "plazo_lateness_seconds_count")
        late = total(samples, "plazo_lateness_seconds_sum") / count if count else 0.0
        table.add_row("lateness", f"{late * 1000:,.0f} ms")
        memory = total(samples, "process_resident_memory_bytes")
        table.add_row("memory", f"{memory / 1e6:,.0f} MB")
        return table

    def _health(self, samples: Samples) -> RenderableType:
        table = Table(box=None, expand=True, pad_edge=False)
        for name in ("lane", "created", "status", "open", "unsent"):
            table.add_column(name, justify="right", no_wrap=True)
        created, changed, *_ = self._settings.input_topics
        for lane in range(self._lanes):
            number = str(lane)

            def shown(name: str, *labels: str) -> str:
                value = samples.get((name, frozenset(labels)))
                return "-" if value is None else f"{value:,.0f}"

            table.add_row(
                number,
                shown("plazo_lag_records", created, number),
                shown("plazo_lag_records", changed, number),
                shown("plazo_open_deadlines", number),
                shown("plazo_outbox_pending", number),
            )
        held = [g for g in _GUARDS if samples.get(("plazo_guard_held_lanes", frozenset([g])))]
        guards = Text("\nguards: ")
        guards.append(", ".join(held) or "none holds a verdict", "yellow" if held else "green")
        logged = Text("\n".join(self.logged.lines), "dim", no_wrap=True, overflow="ellipsis")
        return Group(table, guards, logged)


def _pairs() -> Table:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(justify="right", no_wrap=True)
    return table


def _verdicts(verdicts: Iterable[Verdict], size: ConsoleDimensions) -> Table:
    table = Table(box=None, expand=True, pad_edge=False)
    wide = size.width >= _WIDE
    for name in (*(["read at"] if wide else []), "order", "verdict", "reason"):
        table.add_column(name, no_wrap=True)
    # The one column that gives way.
    table.add_column("the seller's acts", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("after due", justify="right", no_wrap=True)
    shown = max(1, size.height - _HEAD - _TOP - 3)
    for verdict in list(verdicts)[-shown:][::-1]:
        late = (verdict.read_at - verdict.due).total_seconds()
        cells = (
            verdict.order_id,
            verdict.kind.removeprefix("decision-"),
            verdict.reason,
            verdict.did,
            f"{late:,.2f} s" if late < 86_400 else f"{late / 86_400:,.1f} d",
        )
        read_at = (f"{verdict.read_at.astimezone():%H:%M:%S}",) if wide else ()
        # As texts: an id such as "[/]" is no markup.
        table.add_row(*map(Text, (*read_at, *cells)), style=_STYLES.get(verdict.kind, ""))
    return table
