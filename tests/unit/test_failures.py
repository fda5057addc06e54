"""When a lane counts as failing, and when no longer."""

from worker.errors import DatabaseUnavailable, KafkaUnavailable, RecordFailed
from worker.runtime.failures import STEADY, Failures

ORDERS, ACTS = ("orders", 0), ("acts", 0)
AT = {ORDERS: 12, ACTS: 7}


def record(offset: int = 12) -> RecordFailed:
    return RecordFailed(*ORDERS, offset, "ValueError")


def test_the_third_failure_at_a_record_names_it_once() -> None:
    failures = Failures()
    assert [failures.add(record(), AT, 1.0) for _ in range(5)] == [False, False, True, False, False]
    assert failures.failing == "orders/0@12"


def test_a_record_fails_however_long_the_lane_worked_in_between() -> None:
    failures = Failures()
    assert [failures.add(record(), AT, 2 * STEADY) for _ in range(3)] == [False, False, True]


def test_another_record_counts_by_itself() -> None:
    failures = Failures()
    assert not any(failures.add(record(offset), AT, 1.0) for offset in (12, 12, 13, 13))
    assert failures.add(record(13), AT, 1.0)
    assert failures.failing == "orders/0@13"


def test_it_ends_when_the_position_moves_and_not_before() -> None:
    failures = Failures()
    for _ in range(3):
        failures.add(record(), AT, 1.0)
    failures.settle(AT, 2 * STEADY)
    assert failures.failing
    failures.settle({**AT, ORDERS: 13}, 0.0)
    assert failures.failing is None
    assert not failures.add(record(), AT, 1.0)


def test_without_a_record_the_positions_are_named() -> None:
    failures = Failures()
    # A busy lane moves on between the failures of its sweep.
    assert [failures.add(ValueError(), {**AT, ACTS: n}, 1.0) for n in range(3)] == [
        False,
        False,
        True,
    ]
    assert failures.failing == "acts/0@2, orders/0@12"
    failures.settle(AT, STEADY / 2)
    assert failures.failing
    failures.settle(AT, 2 * STEADY)
    assert failures.failing is None


def test_a_lane_that_was_never_taken_is_named_by_its_partitions() -> None:
    failures = Failures()
    for _ in range(3):
        failures.add(ValueError(), {ORDERS: None, ACTS: None}, 0.0)
    assert failures.failing == "acts/0, orders/0"


def test_rare_failures_do_not_add_up() -> None:
    failures = Failures()
    assert not any(failures.add(ValueError(), AT, 2 * STEADY) for _ in range(10))


def test_outages_have_guards_of_their_own() -> None:
    failures = Failures()
    for outage in (KafkaUnavailable("x"), DatabaseUnavailable("Closed", "08003")):
        assert not any(failures.add(outage, AT, 1.0) for _ in range(5))
    breach = DatabaseUnavailable("UniqueViolationError", "23505")
    assert [failures.add(breach, AT, 1.0) for _ in range(3)] == [False, False, True]
