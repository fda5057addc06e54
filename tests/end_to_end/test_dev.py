"""``plazo dev`` from the outside: what a developer or a script sees of it."""

import asyncio
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).with_name("recorded.jsonl")
NAMES = [
    "created", "kept", "cancelled", "auto_cancelled", "escalated", "revoked", "dead_lettered",
    "false_cancels", "missed_deadlines",
]  # fmt: skip


class Dev:
    """``plazo dev`` with a directory of its own for temporary files."""

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, terminal: int | None = None) -> "Dev":
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PLAZO_")}
        environment |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary), "TERM": "xterm"}
        with (self.temporary.parent / "stderr").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker", "dev", *arguments],
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=subprocess.PIPE if terminal is None else terminal,
                stderr=errors if terminal is None else terminal,
                cwd=self.temporary,
                env=environment,
            )
        return self

    @property
    def errors(self) -> str:
        return (self.temporary.parent / "stderr").read_text()

    async def end(self, timeout: float = 60.0) -> tuple[int, str]:
        """Its exit status and all of its stdout."""
        assert self.process is not None
        out, _ = await asyncio.to_thread(self.process.communicate, timeout=timeout)
        return self.process.returncode, (out or b"").decode()

    def leftovers(self) -> list[str]:
        """Temporary files, and processes that have any of them open or in their arguments."""
        found = [path.name for path in self.temporary.iterdir()]
        for process in Path("/proc").glob("[0-9]*/environ"):
            try:
                mine = str(self.temporary) in process.with_name("cmdline").read_text()
            except OSError:
                continue
            found += [process.parent.name] * mine
        return found


@pytest.fixture
def dev() -> Iterator[Dev]:
    # Not pytest's: as root, Postgres runs under another account, which has to reach its data.
    base = Path(tempfile.mkdtemp(prefix="plazo-dev-"))
    base.chmod(0o755)
    (base / "tmp").mkdir(mode=0o755)
    one = Dev(base / "tmp")
    yield one
    if one.process is not None:
        with one.process:  # closes its pipe
            one.process.kill()
        # What it had started ends a moment after it.
    shutil.rmtree(base, ignore_errors=True)


def totals(out: str) -> dict[str, Any]:
    """The one line there may be."""
    (line,) = out.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert list(found) == NAMES
    return found


async def test_it_ends_by_itself_with_one_line_and_no_promise_broken(dev: Dev) -> None:
    status, out = await dev.start("--for", "20s", "--rate", "15").end()
    found = totals(out)
    assert status == 0, dev.errors[-4000:]
    assert (found["false_cancels"], found["missed_deadlines"]) == (0, 0)
    assert found["created"] > 50
    outcomes = ("kept", "cancelled", "auto_cancelled", "escalated")
    assert sum(found[name] for name in outcomes) == found["created"]
    assert min(found[name] for name in outcomes) > 0
    assert dev.leftovers() == []


async def test_recorded_events(dev: Dev) -> None:
    status, out = await dev.start("--events", str(RECORDED)).end()
    assert totals(out) == {
        "created": 14,
        "kept": 5,
        "cancelled": 3,
        "auto_cancelled": 1,
        "escalated": 6,
        "revoked": 0,
        "dead_lettered": 2,
        "false_cancels": 0,
        "missed_deadlines": 0,
    }
    assert status == 0
    assert dev.leftovers() == []


async def test_a_window_that_has_not_lapsed_leaves_the_orders_open(dev: Dev) -> None:
    status, out = await dev.start("--events", str(RECORDED), "--window", "P3000D").end()
    found = totals(out)
    assert status == 0
    assert (found["created"], found["kept"], found["auto_cancelled"]) == (14, 0, 0)


async def test_an_invalid_line_is_named(dev: Dev) -> None:
    bad = dev.temporary.parent / "bad.jsonl"
    bad.write_text('{"order_id": "o-1"}\n')
    status, out = await dev.start("--events", str(bad)).end()
    assert (status, out) == (2, "")
    assert "bad.jsonl, line 1" in dev.errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_its_totals_and_without_leftovers(
    dev: Dev, number: signal.Signals
) -> None:
    dev.start("--for", "5m")
    assert dev.process is not None
    await eventually(lambda: '"verdicts"' in dev.errors, 40, "a verdict")
    dev.process.send_signal(number)
    status, out = await dev.end()
    assert status == 0, dev.errors[-4000:]
    assert totals(out)["created"] > 0
    assert dev.leftovers() == []


async def test_a_signal_before_it_has_begun_ends_it_without_leftovers(dev: Dev) -> None:
    dev.start()
    assert dev.process is not None
    await eventually(lambda: any(dev.temporary.iterdir()), 20, interval=0.01)
    dev.process.send_signal(signal.SIGINT)
    status, out = await dev.end()
    assert (status, out) == (130, ""), dev.errors[-4000:]
    assert dev.leftovers() == []


async def test_impatience_leaves_nothing_behind(dev: Dev) -> None:
    """A terminal that goes away tells it more than once."""
    dev.start("--for", "5m")
    assert dev.process is not None
    await eventually(lambda: "worker_started" in dev.errors, 40, "the start")
    while dev.process.poll() is None:
        dev.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.05)
    await dev.end()
    assert dev.leftovers() == []


async def test_on_a_terminal_it_shows_the_verdicts_until_ctrl_c(dev: Dev) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 140))
    dev.start(terminal=theirs)
    os.close(theirs)
    shown = bytearray()

    def read() -> None:
        try:
            while part := os.read(ours, 65_536):
                shown.extend(part)
        except OSError:  # the other side is closed
            return

    reading = asyncio.create_task(asyncio.to_thread(read))
    assert dev.process is not None
    await eventually(lambda: b"stock-not-validated" in shown, 40, "a verdict on the screen")
    dev.process.send_signal(signal.SIGINT)
    status, _ = await dev.end()
    await asyncio.wait_for(reading, 10)
    os.close(ours)
    assert status == 0
    for text in (b"verdicts as they fall", b"missed deadlines", b"/#token="):
        assert text in shown
    # The last two lines come after the screen was given back.
    line, said = shown.decode().rpartition("\x1b[?1049l")[2].strip().splitlines()
    assert totals(line)["created"] > 0
    assert said.startswith("promises kept: 0 false cancels, 0 missed deadlines, of ")
    assert dev.leftovers() == []


class Terminal:
    """A terminal of 80 columns and 24 lines: moves of the cursor, erasures, and what stands there.

    It knows no more than the view uses. A sequence that it does not know fails.
    """

    COLUMNS, LINES = 80, 24

    def __init__(self) -> None:
        self._clear()
        self.frames: list[list[str]] = []

    def _clear(self) -> None:
        self.cells = [[" "] * self.COLUMNS for _ in range(self.LINES)]
        self.row = self.column = 0

    @property
    def lines(self) -> list[str]:
        return ["".join(row).rstrip() for row in self.cells]

    def feed(self, text: str) -> None:
        at = 0
        for found in re.finditer(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b.", text):
            self._print(text[at : found.start()])
            at = found.end()
            arguments, final = found[1], found[2]
            if final == "H":
                if any(self.lines):
                    self.frames.append(self.lines)
                self.row = self.column = 0
            elif final == "J" or (arguments, final) in {("?1049", "h"), ("?1049", "l")}:
                self._clear()
            else:
                assert final in {"m", "h", "l", "K"}, repr(found[0])
        self._print(text[at:])

    def _print(self, text: str) -> None:
        for char in text:
            if char == "\r":
                self.column = 0
            elif char == "\n":
                self.row, self.column = self.row + 1, 0
            else:
                assert char.isprintable(), repr(char)
                assert self.row < self.LINES, "the view is higher than the terminal"
                assert self.column < self.COLUMNS, "a line is longer than the terminal"
                self.cells[self.row][self.column] = char
                self.column += 1


async def test_the_first_minutes_of_a_new_user(dev: Dev) -> None:
    """As in a terminal window of the usual size: start, watch, open the board, read the end."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (Terminal.LINES, Terminal.COLUMNS))
    dev.start("--for", "15s", terminal=theirs)
    os.close(theirs)
    shown = bytearray()

    def read() -> None:
        try:
            while part := os.read(ours, 65_536):
                shown.extend(part)
        except OSError:  # the other side is closed
            return

    reading = asyncio.create_task(asyncio.to_thread(read))
    link = re.compile(rb"board (http://127\.0\.0\.1:\d+)/#token=([\w-]+)")
    await eventually(lambda: link.search(shown), 60, "the link to the board")
    found = link.search(shown)
    assert found is not None
    board, token = found[1].decode(), found[2].decode()
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{board}/") as answer:
            assert answer.status == 200

        async def decided() -> bool:
            async with session.get(f"{board}/board.json") as answer:
                return bool((await answer.json())["stored"]["verdicts"])

        await eventually(decided, 40, "a verdict on the board")
    status, _ = await dev.end()
    await asyncio.wait_for(reading, 10)
    os.close(ours)
    assert status == 0
    screen, _, after = shown.decode().rpartition("\x1b[?1049l")
    terminal = Terminal()
    terminal.feed(screen.replace("\x1b[?25l", "").replace("\x1b[?25h", ""))
    assert len(terminal.frames) > 5
    last = "\n".join(terminal.frames[-1])
    for text in (
        "promises  false cancels 0   missed deadlines 0", "verdicts as they fall",
        "auto-cancel the seller was silent", "revoked takes a verdict back", "stock-not-validated",
    ):  # fmt: skip
        assert text in last
    # Only lines of log, which begin with their level, are cut.
    assert [one for one in terminal.frames[-1] if "…" in one and not one.startswith("[")] == []
    line, said = after.strip().splitlines()
    created = totals(line)["created"]
    assert said == f"promises kept: 0 false cancels, 0 missed deadlines, of {created} orders"
    assert dev.leftovers() == []


async def test_hostile_ids_neither_crash_nor_paint_the_terminal(dev: Dev) -> None:
    order = {"order_id": "\x1b]0;taken\x07\x1b[2J[/bold]\u202e\r\nx", "seller_id": "s-1",
             "fulfilment": "courier", "entered_at": "2026-01-05T09:00:00Z"}  # fmt: skip
    events = dev.temporary.parent / "hostile.jsonl"
    events.write_text(
        json.dumps(order) + "\n" + json.dumps({**order, "order_id": "x" * 700}) + "\n"
    )
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (Terminal.LINES, Terminal.COLUMNS))
    dev.start("--events", str(events), terminal=theirs)
    os.close(theirs)
    shown = bytearray()
    with suppress(OSError):  # the other side is closed
        while part := await asyncio.to_thread(os.read, ours, 65_536):
            shown.extend(part)
    os.close(ours)
    await dev.end()
    text = shown.decode()
    assert "\x1b]0;" not in text
    assert "\u202e" not in text
    Terminal().feed(text.rpartition("\x1b[?1049l")[0])
    assert "promises kept" in text
