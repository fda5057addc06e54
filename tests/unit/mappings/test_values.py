"""Times and amounts in the forms that publishers use."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.unit.mappings.shop import ORDER, changed, read
from worker.ingest.formats.mapping.values import amount, moments

LIMA = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    "text",
    ["2026-11-22T15:04:05Z", "2026-11-22 10:04:05-05:00", "2026-11-22t10:04:05-0500",
     "2026-11-22T10:04:05 -05", "2026-11-22 10:04:05", "2026-11-22T10:04:05.000000000"],
)  # fmt: skip
def test_times_in_the_forms_that_publishers_use(text: str) -> None:
    assert moments(text, LIMA, None) == (datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC),)


@pytest.mark.parametrize(
    "value", ["2026-11-22", "10:04", "20261122T100405Z", "2026-13-22T10:04:05Z", "now", True, [], 5,
              "9999-12-31T23:59:59-14:00"],
)  # fmt: skip
def test_what_is_no_time(value: Any) -> None:
    assert moments(value, LIMA, None) == ()


def test_a_time_without_an_offset_needs_a_zone() -> None:
    assert moments("2026-11-22T10:04:05", None, None) == ()


def test_an_hour_that_comes_twice_is_both() -> None:
    lisbon = changed(zone="Europe/Lisbon")
    twice = {
        "created": "2026-10-25T01:30:00",
        "changed": "2026-10-25T01:30:00",
        "state": "accepted",
    }
    order, act = read(ORDER | twice, lisbon)
    assert (order.entered_at.hour, act.occurred_at.hour) == (1, 0)


@pytest.mark.parametrize("value", [1_763_805_845, "1763805845", 1_763_805_845.0, "1763805845.000"])
def test_seconds_since_1970(value: Any) -> None:
    wanted = (datetime(2025, 11, 22, 10, 4, 5, tzinfo=UTC),)
    assert moments(value, None, timedelta(seconds=1)) == wanted


@pytest.mark.parametrize("value", [10**17, float("1e300"), float("nan"), "x", True, None, 10**400])
def test_what_is_no_number_since_1970(value: Any) -> None:
    assert moments(value, None, timedelta(seconds=1)) == ()


@pytest.mark.parametrize(
    ("found", "digits", "wanted"),
    [(1990, (2,), "19.90"), ("1990", (2,), "19.90"), (5, (0,), "5"), (1, (3,), "0.001"),
     (19.9, (), "19.9"), ("19.90", (), "19.90"), (20, (), "20"), (1e-7, (), "0.0000001")],
)  # fmt: skip
def test_amounts(found: Any, digits: tuple[Any, ...], wanted: str) -> None:
    assert amount(found, *digits) == wanted


@pytest.mark.parametrize(
    ("found", "digits"), [("19.90", (2,)), (19.9, (2,)), (1990, (None,)), (True, (2,)), (1e20, ())]
)
def test_what_is_no_amount(found: Any, digits: tuple[Any, ...]) -> None:
    assert not isinstance(amount(found, *digits), str)
