"""Durations as logs and screens show them."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from worker.decide.brake import Limits
from worker.durations import duration, written
from worker.operations.phrases import limits_in_words
from worker.policy.registry import load_policies
from worker.runtime.worker import Worker
from worker.settings import Settings


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(days=1), "24h"), (timedelta(days=30), "30d"), (timedelta(hours=36), "36h"),
        (timedelta(minutes=90), "90m"), (timedelta(seconds=90), "90s"), (timedelta(0), "0s"),
        (timedelta(milliseconds=1500), "1.5s"), (timedelta(microseconds=1), "0.000001s"),
        (timedelta(seconds=100), "100s"), (timedelta(days=10), "10d"),
    ],
)  # fmt: skip
def test_the_shortest_text_is_read_back(length: timedelta, text: str) -> None:
    assert written(length) == text
    assert duration(text) == length


def test_the_limits_of_the_brake_use_it() -> None:
    settings = Settings.model_construct(brake_silent_feed=timedelta(minutes=10))
    limits = Limits.of(settings)
    assert limits is not None
    assert limits_in_words(limits).startswith("in 1h, ")
    assert limits_in_words(limits).endswith("silent for 10m")


def test_the_line_of_the_start_uses_it() -> None:
    settings = Settings.model_construct()
    services = SimpleNamespace(
        settings=settings, policies=load_policies(settings), brake=None
    )  # fmt: skip
    worker: Any = SimpleNamespace(services=services)
    line = Worker._in_force(worker)
    assert (line["window"], line["grace"]) == ("24h", "30s")


@pytest.mark.parametrize(
    ("chosen", "code", "told"),
    [(True, object(), True), (True, None, False), (False, object(), False)],
)
def test_the_line_of_the_start_names_the_reader(
    chosen: bool, code: object, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.runtime.worker.compiled", lambda: code)
    settings = Settings.model_construct(compiled=chosen)
    services = SimpleNamespace(settings=settings, policies=load_policies(settings), brake=None)
    worker: Any = SimpleNamespace(services=services)
    assert Worker._in_force(worker)["compiled"] is told
