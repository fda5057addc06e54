"""The terms an order gets when it enters."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from worker.domain.policy import Policy

DAY = Policy("default", window=timedelta(hours=24), grace=timedelta(seconds=30))


def test_due_is_the_window_after_entry_and_the_verdict_may_fall_a_grace_later() -> None:
    entered = datetime(2026, 11, 22, 15, 4, 5, 123_456, tzinfo=UTC)
    assert DAY.due(entered) == datetime(2026, 11, 23, 15, 4, 5, 123_456, tzinfo=UTC)
    assert DAY.fires_at(DAY.due(entered)) == datetime(2026, 11, 23, 15, 4, 35, 123_456, tzinfo=UTC)


def test_a_window_counts_time_that_passes_not_calendar_days() -> None:
    lima = timezone(timedelta(hours=-5))
    entered = datetime(2026, 12, 31, 23, 0, tzinfo=lima)
    assert DAY.due(entered) == datetime(2027, 1, 2, 4, 0, tzinfo=UTC)


def test_the_end_of_the_calendar_is_told() -> None:
    with pytest.raises(OverflowError):
        DAY.due(datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-14))))
