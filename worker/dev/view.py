"""The live view of ``plazo dev`` on a terminal: the flow, and the verdicts as they fall."""

import io
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from unicodedata import category

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from worker.dev.audit import Verdict
from worker.dev.scrape import Samples, total
from worker.dev.totals import Totals
from worker.durations import written
from worker.settings import Settings

_RATE_OVER = 5.0  # seconds
_LOG_LINES = 4
# What a line of log can do without on a terminal: its time, its logger, blanks that align.
_OMITTED = re.compile(r"^[0-9T:.-]+Z\s+|\[worker\.[\w.]+\]\s*|(?<=\s)\s+|(?<=\w)\s+(?=\])")
# All lines but the verdicts, for three lanes: a terminal of 24 lines shows seven of these.
_FIXED = 17
_WIDE = 110
# Ids are as long as a publisher likes.
_ID = 24

# A normal outcome is no alarm.
_STYLES = {"auto-cancel": "blue", "escalation": "yellow", "decision-revoked": "cyan"}
_GUARDS = ("behind", "probe", "database", "clock", "halted")
_LEGEND = (
    ("auto-cancel", "the seller was silent", "escalation", "a person decides"),
    ("decision-revoked", "takes a verdict back: an act in time was published after it"),
)


def plain(text: str, most: int = _ID) -> str:
    """A text from a record, as it may stand on a terminal: one line, no control characters."""
    shown = "".join(c if category(c)[0] not in "CMZ" or c == " " else "?" for c in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def whole_words(text: str, most: int) -> str:
    """As many words as there is room for; of a word that is cut nobody knows what it was."""
    if len(text) <= most:
        return text
    return f"{text[: max(0, most - 1)].rpartition(' ')[0]} …".lstrip()


class LogLines(io.StringIO):
    """The last lines that were logged: on the terminal itself they would break the view."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=_LOG_LINES)

    def write(self, text: str) -> int:
        """Keep the lines that are not empty."""
        self.lines.extend(_OMITTED.sub("", s) for s in text.splitlines() if s.strip())
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
        log = self.logged.lines
        # Lines of log take the place of the oldest verdicts.
        room = max(1, size.height - _FIXED - self._lanes + 3 - len(log))
        return Group(
            self._head(board),
            self._totals(totals, samples),
            self._flow(samples, records),
            self._health(samples),
            Rule("verdicts as they fall", style="dim"),
            _verdicts(list(verdicts)[-room:][::-1], size),
            *[Text(whole_words(line, size.width), "dim") for line in log],
            _legend(),
        )

    def _head(self, board: str) -> Text:
        passed = timedelta(seconds=int(time.monotonic() - self._began))
        elapsed = f"{passed} of {self._lasting}" if self._lasting else f"{passed}, Ctrl-C ends it"
        settings = self._settings
        head = Text(" plazo dev ", style="bold reverse")
        head.append(
            f" window {written(settings.stock_window)}, grace {written(settings.grace)} · "
            f"{elapsed}\n board {board}",  # a line of its own: 80 columns must show it whole
            style="not bold not reverse",
        )
        head.no_wrap = True
        return head

    def _totals(self, totals: Totals, samples: Samples) -> Table:
        numbers = {name.replace("_", " "): value for name, value in totals.as_dict().items()}
        false, missed = numbers.pop("false cancels"), numbers.pop("missed deadlines")
        numbers["open"] = int(total(samples, "plazo_open_deadlines"))
        table = _lines()
        names = list(numbers)
        for label, few in (("orders", names[:4]), ("", names[4:])):
            table.add_row(label, "   ".join(f"{name} {numbers[name]:,}" for name in few))
        promises = Text(f"false cancels {false:,}", "bold red" if false else "green")
        promises.append("   ")
        promises.append(f"missed deadlines {missed:,}", "bold red" if missed else "green")
        table.add_row("promises", promises)
        return table

    def _flow(self, samples: Samples, records: int) -> Table:
        rates = {
            "published": float(records),
            "applied": total(samples, "plazo_records_total"),
            "decided": total(samples, "plazo_outcomes_total"),
            "verdicts": total(samples, "plazo_published_total"),
        }
        count = total(samples, "plazo_lateness_seconds_count")
        late = total(samples, "plazo_lateness_seconds_sum") / count if count else 0.0
        memory = total(samples, "process_resident_memory_bytes")
        table = _lines()
        table.add_row(
            "a second",
            "   ".join(
                f"{name} {self._rates[name].of(value):,.1f}" for name, value in rates.items()
            ),
        )
        table.add_row(
            "worker",
            f"lateness {late * 1000:,.0f} ms   memory {memory / 1e6:,.0f} MB   "
            f"handed over {total(samples, 'plazo_handed_over_total'):,.0f}",
        )
        held = [g for g in _GUARDS if samples.get(("plazo_guard_held_lanes", frozenset([g])))]
        guards = Text(", ".join(held) or "none holds a verdict", "yellow" if held else "green")
        table.add_row("guards", guards)
        return table

    def _health(self, samples: Samples) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 1))
        for name in ("lane", "orders to read", "acts to read", "open deadlines", "unpublished"):
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
        return table


def _lines() -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="dim", min_width=9)
    table.add_column(no_wrap=True)
    return table


def _legend() -> Text:
    text = Text(style="dim", no_wrap=True)
    for line in _LEGEND:
        text.append("\n" if text.plain else "")
        for kind, meaning in zip(line[::2], line[1::2], strict=True):
            text.append(f" {kind.removeprefix('decision-')}", _STYLES[kind])
            text.append(f" {meaning}  ")
    return text


def _verdicts(verdicts: Sequence[Verdict], size: ConsoleDimensions) -> Table:
    """The seller's acts and the time of reading stand only where they fit with whole words."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    wide = size.width >= _WIDE
    taken_back = {one.takes_back: one.number for one in verdicts if one.takes_back}
    for name in ("no.", *(["read at"] if wide else []), "order", "verdict", "reason",
                 *(["the seller"] if wide else []), "after due"):  # fmt: skip
        right = name in ("no.", "after due")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for one in verdicts:
        # As texts: an id such as "[/]" is no markup.
        cells = map(Text, _cells(one, taken_back.get(one.number), wide))
        table.add_row(*cells, style=_STYLES.get(one.kind, ""))
    return table


def _cells(one: Verdict, taken_back_by: int | None, wide: bool) -> list[str]:
    late = (one.read_at - one.due).total_seconds()
    reason = one.reason
    if one.takes_back:
        reason = f"takes back no. {one.takes_back}"
    elif taken_back_by:
        reason = f"taken back by {taken_back_by}"
    return [
        str(one.number),
        *([f"{one.read_at.astimezone():%H:%M:%S}"] if wide else []),
        plain(one.order_id),
        one.kind.removeprefix("decision-"),
        reason,
        *([one.did] if wide else []),
        f"{late:,.2f} s" if late < 86_400 else f"{late / 86_400:,.1f} d",
    ]
