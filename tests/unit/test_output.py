"""Texts from records, where a terminal or a spreadsheet reads them."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console, ConsoleDimensions

from worker.cli.output import csv_cell
from worker.dev.audit import Verdict
from worker.dev.view import _verdicts


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("s-1", "s-1"),
        ("a=b", "a=b"),
        ("=cmd|' /C calc'!A1", "'=cmd|' /C calc'!A1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\\u0009=1"),
        ("\r=1", "'\\u000d=1"),
        ("\x1b]0;title\x07", "\\u001b]0;title\\u0007"),
        ("\u202eabc\x9b2J", "\\u202eabc\\u009b2J"),
        (-1.5, -1.5),
        (None, None),
    ],
)
def test_a_cell_computes_and_moves_nothing(value: object, written: object) -> None:
    assert csv_cell(value) == written


def test_the_live_view_reads_no_markup() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    order = "[red]x[/nothing]"
    verdict = Verdict("id", order, "[bold]nothing", "auto-cancel", "[/]", None, now, now)
    out = io.StringIO()
    Console(file=out, width=160).print(_verdicts([verdict], ConsoleDimensions(160, 40)))
    assert order in out.getvalue()
