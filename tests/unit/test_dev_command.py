"""The options of ``plazo dev``, and its picture."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from rich.console import Console

from worker.cli.dev import window_for
from worker.cli.durations import parse_duration
from worker.dev.audit import Verdict
from worker.dev.scrape import scrape
from worker.dev.totals import Totals
from worker.dev.view import LogLines, Rate, View
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


def test_a_rate_is_over_the_last_seconds() -> None:
    now = 0.0
    rate = Rate(lambda: now)
    assert rate.of(100) == 0.0
    for _ in range(20):
        now += 1.0
        measured = rate.of(100 + now * 7)
    assert measured == pytest.approx(7)
