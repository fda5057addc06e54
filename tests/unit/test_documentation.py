"""The tables of README.md come from the code."""

import pytest

from worker import documentation
from worker.observability.metrics import Metrics
from worker.settings import Settings

BARE = (
    "a\n<!-- settings -->\n<!-- /settings -->\nb\n<!-- metrics -->\nSTALE\n<!-- /metrics -->\nc\n"
)


def test_every_setting_and_metric_has_its_row() -> None:
    text = documentation.fill(BARE)
    for name, *_ in (*Settings.documentation(), *Metrics.documentation()):
        assert text.count(f"\n| `{name}` | ") == 1, name


def test_filling_twice_changes_nothing() -> None:
    text = documentation.fill(BARE)
    assert documentation.fill(text) == text
    assert "STALE" not in text
    assert text.endswith("<!-- /metrics -->\nc\n")


def test_a_missing_marker_is_named() -> None:
    with pytest.raises(ValueError, match="<!-- metrics -->"):
        documentation.fill(BARE.replace("<!-- /metrics -->", ""))
