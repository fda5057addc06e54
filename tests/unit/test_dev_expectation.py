"""The audit's reading of the article: by the table, and against the worker's own."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.statuses import STATUSES as TABLE
from schemas.statuses import Meaning
from worker.dev.expectation import (
    AUTO_CANCEL,
    CONTRADICTORY,
    DISPUTE_OPEN,
    HANDLED_LATE,
    LATE_DISPUTE,
    UNKNOWN_STATUS,
    UNREADABLE_EVIDENCE,
    WITHOUT_STOCK,
    expect,
)
from worker.dev.ledger import UNREADABLE, Fact
from worker.domain.acts import Act, Place, RefusedRecord
from worker.domain.case import Case, Order
from worker.domain.decide import decide
from worker.domain.policy import AtLapse

DUE = datetime(2026, 11, 23, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def fact(status: str, seconds: float, stock_ok: bool | None = None) -> Fact:
    """An act so many seconds after the deadline."""
    return Fact(status, DUE + seconds * SECOND, stock_ok)


def stands(*verdicts: str) -> frozenset[frozenset[str]]:
    return frozenset([frozenset(verdicts)])


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ([], AUTO_CANCEL),
        ([fact("ready-for-handling", -5)], AUTO_CANCEL),
        ([fact("start-handling", 0)], None),
        ([fact("invoiced", -5)], None),
        ([fact("start-handling", 0.000001)], HANDLED_LATE),
        ([fact("start-handling", -5, False)], WITHOUT_STOCK),
        ([fact("start-handling", -5, False), fact("start-handling", -4, True)], None),
        ([fact("start-handling", -5, False), fact("handling", -4)], WITHOUT_STOCK),
        ([fact("start-handling", -5, False), fact("dispute-opened", -4)], DISPUTE_OPEN),
        ([fact("dispute-opened", -4), fact("dispute-resolved", -4)], None),
        ([fact("canceled", -5), fact("start-handling", -4)], CONTRADICTORY),
        ([fact("start-handling", -5), fact("canceled", -4)], None),
        ([fact("aceptado", -5)], UNKNOWN_STATUS),
        ([fact("canceled", -5)], None),
        ([fact("canceled", 1)], None),
        ([UNREADABLE], UNREADABLE_EVIDENCE),
        ([UNREADABLE, fact("start-handling", -5)], None),
    ],
)
def test_the_table(facts: list[Fact], verdict: str | None) -> None:
    expected = expect(DUE, facts, [])
    assert expected.standing == stands(*([verdict] if verdict else []))
    assert expected.may_cancel == (verdict == AUTO_CANCEL)


def test_evidence_that_came_late_may_be_preceded_by_a_cancel_which_must_not_stand() -> None:
    expected = expect(DUE, [], [fact("start-handling", -5)])
    assert expected.may_cancel
    assert expected.standing == stands()


def test_evidence_that_stood_in_the_log_allows_no_cancel() -> None:
    assert not expect(DUE, [fact("start-handling", -5)], []).may_cancel


def test_what_comes_after_the_deadline_takes_nothing_back() -> None:
    assert expect(DUE, [], [fact("canceled", 9)]).standing >= stands(AUTO_CANCEL)
    late = expect(DUE, [], [fact("start-handling", 9), fact("dispute-opened", 10)])
    assert frozenset([AUTO_CANCEL, HANDLED_LATE, LATE_DISPUTE]) in late.standing


STATUSES = (
    "start-handling", "invoiced", "canceled", "dispute-opened", "dispute-resolved", "unknown",
)  # fmt: skip
FACTS = st.builds(
    fact,
    st.sampled_from(STATUSES),
    st.sampled_from([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]),
    st.sampled_from([None, True, False]),
) | st.just(UNREADABLE)


@given(st.lists(FACTS, max_size=6))
def test_agrees_with_the_worker_where_all_is_known(facts: list[Fact]) -> None:
    """They were written apart; a difference is a fault of one of them."""
    place = Place("t", 0, 0)
    case = Case(
        Order("o", "s", "courier", DUE, DUE, "p", AtLapse.AUTO_CANCEL, place, DUE),
        acts=tuple(
            Act(
                f.status,
                f.occurred_at,
                DUE,
                place,
                f.stock_ok,
                meaning=TABLE.get(f.status, Meaning.UNKNOWN),
            )
            for f in facts
            if f.status is not None and f.occurred_at is not None
        ),
        refusals=tuple(RefusedRecord(place, DUE, "not-json") for f in facts if f.status is None),
    )
    decided = {f"{one.kind} {one.reason}" for one in decide(case).decisions}
    assert expect(DUE, facts, []).standing == stands(*decided)
