"""A refused order-created never stops its lane, whatever it tells."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.events import RefusalClass
from worker.ingest.salvage import salvage
from worker.records import Record, Refusal

LATEST = datetime(2026, 1, 2, tzinfo=UTC)
REFUSAL = Refusal(RefusalClass.OUT_OF_RANGE, "", ("a",))


def told(entered_at: Any) -> Any:
    value = json.dumps({"entered_at": entered_at}).encode()
    order = salvage(Record("t", 0, 0, 0, b"a", value, ()), REFUSAL, LATEST)
    return order and order.entered_at


@pytest.mark.parametrize(
    "time",
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "",
     "\x00", None, 5, 1e300, [], {}, True],
)  # fmt: skip
def test_a_time_that_is_none_saves_nothing(time: Any) -> None:
    assert told(time) is None


def test_a_time_is_saved() -> None:
    assert told("2026-01-01T00:00:00+00:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert told("2026-01-03T00:00:00+00:00") is None  # ahead
