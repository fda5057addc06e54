"""The options of ``plazo dev``, and its picture."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import typer
from rich.console import Console

from worker.cli.dev import window_for
from worker.cli.durations import parse_duration
from worker.dev.audit import Verdict
from worker.dev.scrape import scrape
from worker.dev.totals import Totals
from worker.dev.view import LogLines, Rate, View, plain, whole_words
from worker.observability.metrics import Metrics
from worker.settings import Settings


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("2m", 120), ("1.5h", 5400), ("PT1M", 60), ("P1DT1S", 86401)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "--for") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "60", "soon", "0s", "-5s", "P1M", "PT", "1 m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_duration(text, "--for")


def test_the_window_is_a_minute_unless_the_run_is_too_short_for_it() -> None:
    assert window_for(None) == timedelta(minutes=1)
    assert window_for(timedelta(minutes=3)) == timedelta(minutes=1)
    assert window_for(timedelta(seconds=60)) == timedelta(seconds=24)


def test_the_picture() -> None:
    settings = Settings.model_construct(stock_window=timedelta(minutes=1))
    metrics = Metrics(settings)
    metrics.guard.labels("behind").set(2)
    metrics.lag_records.labels(settings.order_created_topic, 0).set(1234)
    view = View(settings, 3, timedelta(minutes=2))
    view.logged.write("[warning] something\n\n")
    now = datetime.now(UTC)
    due = now - timedelta(seconds=2.5)
    verdicts = [
        Verdict(str(number), f"o-{number}", "stays silent", "auto-cancel", "r", None, due, now)
        for number in range(40)
    ]
    totals = Totals(10, 5, 2, 2, 1, 1, 0, 0, 3)
    console = Console(width=140, height=36, record=True, file=LogLines())
    board = "http://127.0.0.1:9464/#token=x"
    console.print(
        view.draw(
            totals,
            scrape(metrics.registry),
            99,
            verdicts,
            board,
            console.size,
        )
    )
    text = console.export_text()
    for shown in ("missed deadlines", board, "of 0:02:00", "1,234",
                  "behind", "[warning] something", "o-39", "stays silent", "2.50 s"):  # fmt: skip
        assert shown in text
    assert "o-0 " not in text  # older than there is room for
    assert len(text.splitlines()) <= 36


HOSTILE = "\x1b[2J[/]\u202e\r\n" + "y" * 500


def frame(width: int, height: int, *verdicts: Verdict) -> list[str]:
    settings = Settings.model_construct(stock_window=timedelta(minutes=1))
    view = View(settings, 3, None)
    view.logged.write(
        "[warning] a line of log that is longer than any terminal of eighty columns\n"
    )
    console = Console(width=width, height=height, record=True, file=LogLines())
    totals = Totals(123_456, 50_000, 20_000, 20_000, 10_000, 1_000, 1_000, 0, 0)
    board = "http://127.0.0.1:65535/#token=abcdefghijklmnopqrstuv"
    samples = scrape(Metrics(settings).registry)
    console.print(view.draw(totals, samples, 99, verdicts, board, console.size))
    return console.export_text(clear=False).splitlines()


def verdict(number: int, kind: str, reason: str, takes_back: int | None = None) -> Verdict:
    now = datetime.now(UTC)
    order = f"v{number:08}mkt-01"
    did = "confirms in time but the record is late"
    return Verdict("i", order, did, kind, reason, None, now, now, number, takes_back)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40)])
def test_it_fits_a_terminal_with_whole_words_and_a_legend(width: int, height: int) -> None:
    verdicts = [verdict(n, "auto-cancel", "stock-not-validated") for n in range(1, 60)]
    verdicts += [verdict(60, "escalation", "handled-after-deadline")]
    lines = frame(width, height, *verdicts)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for whole in (
        "missed deadlines 0", "handled-after-deadline", "v00000060mkt-01", "after due",
        "auto-cancel the seller was silent", "#token=abcdefghijklmnopqrstuv",
    ):  # fmt: skip
        assert whole in text
    # Only the line of log is cut, and at a word.
    assert [line for line in lines if "…" in line and "[warning]" not in line] == []


def test_a_revocation_names_its_auto_cancel_and_is_named_by_it() -> None:
    lines = frame(
        80, 24, verdict(7, "auto-cancel", "stock-not-validated"),
        verdict(8, "decision-revoked", "late-evidence", takes_back=7),
    )  # fmt: skip
    (cancel,) = [line for line in lines if " 7 " in f" {line}" and "auto-cancel" in line]
    (revoked,) = [line for line in lines if "takes back no. 7" in line]
    assert "taken back by 8" in cancel
    assert "revoked" in revoked


def test_a_hostile_id_paints_nothing() -> None:
    lines = frame(80, 24, replace(verdict(1, "auto-cancel", "r"), order_id=HOSTILE))
    assert "\x1b" not in "".join(lines)
    assert len(lines) <= 24
    assert "?[2J[/]???yyyyy" in "\n".join(lines)
    assert len(plain(HOSTILE)) == 24


def test_of_a_cut_text_whole_words_are_left() -> None:
    assert whole_words("acts too late", 13) == "acts too late"
    assert whole_words("acts too late", 12) == "acts too …"
    assert whole_words("acts", 2) == "…"


def test_a_rate_is_over_the_last_seconds() -> None:
    now = 0.0
    rate = Rate(lambda: now)
    assert rate.of(100) == 0.0
    for _ in range(20):
        now += 1.0
        measured = rate.of(100 + now * 7)
    assert measured == pytest.approx(7)
