"""Working time: shops' hours, year ends, and days on which the clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.calendar import Calendar, Hours

NINE_TO_SIX = (Hours(9 * 60, 18 * 60),)
OFFICE = (*(NINE_TO_SIX,) * 5, (Hours(9 * 60, 13 * 60),), ())
ALWAYS = ((Hours(0, 24 * 60),),) * 7


def calendar(zone: str = "America/Lima", week=OFFICE, *closed: str) -> Calendar:
    return Calendar("shop", ZoneInfo(zone), week, frozenset(map(date.fromisoformat, closed)))


def local(zone: str, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("entered", "hours", "due"),
    [
        ("2026-11-23T10:00", 4, "2026-11-23T14:00"),  # within a Monday
        ("2026-11-23T16:00", 4, "2026-11-24T11:00"),  # over night
        ("2026-11-23T03:00", 1, "2026-11-23T10:00"),  # before opening
        ("2026-11-23T09:00", 9, "2026-11-23T18:00"),  # a whole day ends with it
        ("2026-11-27T17:00", 6, "2026-11-30T10:00"),  # Friday, four hours of Saturday, Monday
        ("2026-11-29T12:00", 1, "2026-11-30T10:00"),  # a Sunday
        ("2026-12-31T17:00", 2, "2027-01-02T10:00"),  # over the year end, with New Year's Day
        ("2026-11-23T18:00", 1, "2026-11-24T10:00"),  # the instant of closing
    ],
)
def test_only_open_hours_count(entered: str, hours: int, due: str) -> None:
    shop = calendar("America/Lima", OFFICE, "2027-01-01")
    found = shop.add(local("America/Lima", entered), timedelta(hours=hours))
    assert found == local("America/Lima", due)


@pytest.mark.parametrize(
    ("zone", "entered", "due"),
    [
        ("Europe/Madrid", "2026-03-28T12:00", "2026-03-29T13:00"),  # a day of 23 hours
        ("Europe/Madrid", "2026-10-24T12:00", "2026-10-25T11:00"),  # a day of 25
        ("America/Santiago", "2026-09-05T12:00", "2026-09-06T13:00"),
        ("America/Lima", "2026-03-28T12:00", "2026-03-29T12:00"),  # none there
    ],
)
def test_a_day_on_which_the_clocks_change(zone: str, entered: str, due: str) -> None:
    found = calendar(zone, ALWAYS).add(local(zone, entered), timedelta(hours=24))
    assert found == local(zone, due)


def test_opening_in_the_hour_that_is_leapt_over() -> None:
    week = ((Hours(2 * 60, 4 * 60),),) * 7
    found = calendar("Europe/Madrid", week).add(
        local("Europe/Madrid", "2026-03-29T00:00"), timedelta(hours=1)
    )
    assert found == local("Europe/Madrid", "2026-03-29T04:00")


def test_closing_in_the_hour_that_comes_twice_is_in_the_sellers_favour() -> None:
    week = ((Hours(60, 150),),) * 7
    found = calendar("Europe/Madrid", week).add(
        local("Europe/Madrid", "2026-10-25T00:00"), timedelta(minutes=150)
    )
    assert found == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("entered", "due"),
    [
        ("2026-11-23T13:59", "2026-11-23T19:00"),
        ("2026-11-23T14:00", "2026-11-23T19:00"),  # until, and with it
        ("2026-11-23T14:01", "2026-11-24T19:00"),
        ("2026-11-27T20:00", "2026-11-30T19:00"),  # Friday evening to Monday
        ("2026-11-28T10:00", "2026-11-30T19:00"),  # Saturday
        ("2026-12-24T15:00", "2026-12-28T19:00"),  # Christmas, and the week-end behind it
    ],
)
def test_orders_until_two_are_due_by_seven(entered: str, due: str) -> None:
    weekdays = (*(NINE_TO_SIX,) * 5, (), ())
    shop = calendar("America/Lima", weekdays, "2026-12-25")
    found = shop.next_cut_off(local("America/Lima", entered), 14 * 60, 19 * 60)
    assert found == local("America/Lima", due)


@pytest.mark.parametrize(
    ("entered", "days", "due"),
    [
        ("2026-11-26T13:09:07.5", 2, "2026-11-30T13:09:07.5"),  # Thursday, Friday, Monday
        ("2026-11-26T18:00", 1, "2026-11-30T09:00"),  # the instant of closing: from Friday 09:00
        ("2026-11-26T20:00", 1, "2026-11-30T09:00"),
        ("2026-11-28T12:00", 1, "2026-12-01T09:00"),  # Saturday: from Monday 09:00
        ("2026-11-30T08:00", 1, "2026-12-01T09:00"),  # before opening
        ("2026-12-23T10:00", 2, "2026-12-28T10:00"),  # over Christmas and a week-end
    ],
)
def test_working_days_end_at_the_same_wall_time(entered: str, days: int, due: str) -> None:
    weekdays = (*(NINE_TO_SIX,) * 5, (), ())
    shop = calendar("America/Lima", weekdays, "2026-12-25")
    found = shop.add_days(local("America/Lima", entered), days)
    assert found == local("America/Lima", due)


@pytest.mark.parametrize(
    ("entered", "due"),
    [
        ("2026-11-27T15:00", "2026-11-28T13:00"),  # closed on Saturday afternoon
        ("2026-11-27T09:30", "2026-11-28T13:00"),  # not open yet on Saturday
        ("2026-11-26T12:30", "2026-11-27T18:00"),  # lunch on Friday
    ],
)
def test_a_working_day_that_is_closed_at_that_time_counts_to_its_end(
    entered: str, due: str
) -> None:
    friday = (Hours(9 * 60, 12 * 60), Hours(13 * 60, 18 * 60))
    week = (*(NINE_TO_SIX,) * 4, friday, (Hours(10 * 60, 13 * 60),), ())
    found = calendar("America/Lima", week).add_days(local("America/Lima", entered), 1)
    assert found == local("America/Lima", due)


def test_working_days_over_a_change_of_the_clocks_keep_the_wall_time() -> None:
    madrid = calendar("Europe/Madrid", ALWAYS)
    assert madrid.add_days(local("Europe/Madrid", "2026-03-28T12:00"), 1) == local(
        "Europe/Madrid", "2026-03-29T12:00"
    )
    # 02:30 comes twice: the later one.
    assert madrid.add_days(local("Europe/Madrid", "2026-10-24T02:30"), 1) == datetime(
        2026, 10, 25, 1, 30, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("due", "hours", "before"),
    [
        ("2026-11-24T09:30", 1, "2026-11-23T17:30"),  # the working day before
        ("2026-11-24T10:00", 1, "2026-11-24T09:00"),  # exactly since opening
        ("2026-11-24T09:00", 1, "2026-11-23T17:00"),
        ("2026-11-30T09:30", 5, "2026-11-27T17:30"),  # over Saturday's four hours
        ("2026-11-29T12:00", 1, "2026-11-28T12:00"),  # a due on a Sunday
    ],
)
def test_working_time_counts_back(due: str, hours: int, before: str) -> None:
    found = calendar().subtract(local("America/Lima", due), timedelta(hours=hours))
    assert found == local("America/Lima", before)


def test_a_calendar_that_never_opens_says_so() -> None:
    with pytest.raises(OverflowError, match="shop"):
        calendar("UTC", ((),) * 7).add(datetime.now(UTC), timedelta(hours=1))
    with pytest.raises(OverflowError, match="shop"):
        calendar("UTC", ((),) * 7).subtract(datetime.now(UTC), timedelta(hours=1))
    with pytest.raises(OverflowError, match="shop"):
        calendar("UTC", ((),) * 7).add_days(datetime.now(UTC), 1)


@given(
    st.integers(0, 2 * 365 * 24 * 60),
    st.integers(1, 60 * 80),
    st.sampled_from(["America/Lima", "Europe/Madrid", "America/Santiago", "Australia/Lord_Howe"]),
    st.sampled_from([OFFICE, ALWAYS, ((Hours(60, 200), Hours(1200, 1440)),) * 7]),
)
def test_so_much_working_time_lies_between(entered: int, minutes: int, zone: str, week) -> None:
    """Counted minute by minute on the clock of the wall."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=entered)
    due = calendar(zone, week).add(start, timedelta(minutes=minutes))
    back = calendar(zone, week).subtract(due, timedelta(minutes=minutes))
    assert calendar(zone, week).add(back, timedelta(minutes=minutes)) == due
    passed, now = 0, start
    while now < due:
        wall = now.astimezone(ZoneInfo(zone))
        of_day = wall.hour * 60 + wall.minute
        passed += any(h.opens <= of_day < h.closes for h in week[wall.weekday()])
        now += timedelta(minutes=1)
    # Where a shop closes in an hour that comes twice, it is open in between; nothing else differs.
    assert abs(passed - minutes) <= (60 if week[0][0].opens == 60 else 0)
