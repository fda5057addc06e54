"""The tables of the reference come from the code."""

import pytest

from worker import documentation
from worker.observability.metrics import Metrics
from worker.settings import Settings

BARE = (
    "a\n<!-- settings -->\n<!-- /settings -->\nb\n<!-- metrics -->\nSTALE\n<!-- /metrics -->\nc\n"
)


def test_every_setting_and_metric_has_its_row() -> None:
    text = documentation.fill(BARE)
    settings = [name for name, *_ in Settings.documentation()]
    for name in (*settings, *(row.name for row in Metrics.documentation())):
        assert text.count(f"\n| `{name}` | ") == 1, name


def test_filling_twice_changes_nothing() -> None:
    text = documentation.fill(BARE)
    assert documentation.fill(text) == text
    assert "STALE" not in text
    assert text.endswith("<!-- /metrics -->\nc\n")


def test_a_missing_marker_is_named() -> None:
    with pytest.raises(ValueError, match="<!-- metrics -->"):
        documentation.fill(BARE.replace("<!-- /metrics -->", ""))
