"""The brake is foreseen by its own rule."""

from datetime import UTC, datetime, timedelta

from worker.decide.brake import Limits
from worker.operations.brake_forecast import Due, Trip, Used, forecast

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def limits(
    cancels: int | None = None, seller: int | None = None, share: float = 1, least: int = 1
) -> Limits:
    return Limits(HOUR, cancels, seller, share, least, None)


def lapse(*minutes: int, cancels: bool = True, seller: str = "s") -> list[Due]:
    return [Due(START + n * MINUTE, f"{seller}{n}", seller, cancels) for n in minutes]


def test_the_first_minute_beyond_the_limit_trips() -> None:
    due = lapse(0, 10, 20, 30)
    assert forecast(limits(cancels=4), [], due).trip is None
    assert forecast(limits(cancels=3), [], due).trip == Trip(START + 30 * MINUTE, 4, 4)


def test_a_window_that_has_passed_leaves_room() -> None:
    assert forecast(limits(cancels=2), [], lapse(0, 30, 61, 91)).trip is None
    assert forecast(limits(cancels=2), [], lapse(0, 30, 59)).trip is not None


def test_what_was_used_before_now_counts() -> None:
    used = [Used(START - 10 * MINUTE, "other", 5, 2)]
    assert forecast(limits(cancels=2), used, lapse(0)).trip == Trip(START, 6, 3)
    assert forecast(limits(cancels=2), used, lapse(51)).trip is None


def test_a_share_counts_all_that_lapse() -> None:
    kept = lapse(0, 1, 2, cancels=False)
    assert forecast(limits(share=0.5, least=5), [], kept + lapse(3, 4, 5)).trip is None
    found = forecast(limits(share=0.5, least=5), [], kept + lapse(3, 4, 5, 6)).trip
    assert found == Trip(START + 6 * MINUTE, 7, 4)


def test_the_limit_of_a_seller_holds_and_does_not_trip() -> None:
    due = sorted([*lapse(0, 1, 2, seller="a"), *lapse(3, seller="b")], key=lambda one: one.at)
    found = forecast(limits(seller=2), [], due)
    assert (found.trip, dict(found.held_by_seller)) == (None, {"a": 1})
