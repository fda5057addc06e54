"""The end-to-end judge itself: both tables, races, and that it agrees with the worker's rule.

The judge was written apart from the worker; here alone the two are laid side by side.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.end_to_end.oracle import (
    AUTO_CANCEL,
    DISPUTE_OPEN,
    EVIDENCE_INCOMPLETE,
    HANDLED_LATE,
    LATE_DISPUTE,
    POLICY,
    UNREADABLE,
    WITHOUT_STOCK,
    Act,
    Expected,
    Published,
    Terms,
    Unreadable,
    expected,
)
from worker.domain.acts import Act as WorkerAct

from .domain import words

ENTERED = datetime(2026, 11, 22, 12, tzinfo=UTC)
TERMS = Terms(ENTERED, timedelta(seconds=5), timedelta(seconds=1))
SEEN = TERMS.fires_at + timedelta(seconds=0.5)


def at(seconds: float) -> datetime:
    return ENTERED + timedelta(seconds=seconds)


def told(
    status: str,
    occurred: float,
    published: float | None = None,
    *,
    stock_ok: bool | None = None,
    partition: int = 0,
) -> Published:
    when = at(occurred if published is None else published)
    offset = int(when.timestamp() * 1_000_000)
    return Published(Act(status, at(occurred), stock_ok), when, when, "status", partition, offset)


def refused(published: float) -> Published:
    return Published(Unreadable(), at(published), at(published), "status", 0, int(published * 1e6))


def standing(result: Expected) -> set[frozenset[str]]:
    return {ending.standing for ending in result.endings}


@pytest.mark.parametrize(
    ("facts", "verdicts"),
    [
        pytest.param([], {AUTO_CANCEL}, id="nothing"),
        pytest.param([told("ready-for-handling", 1)], {AUTO_CANCEL}, id="unknown status"),
        pytest.param([told("start-handling", 2)], set(), id="handled"),
        pytest.param([told("invoiced", 5)], set(), id="invoiced exactly at due"),
        pytest.param([told("canceled", 2)], set(), id="cancelled"),
        pytest.param(
            [told("start-handling", 2, stock_ok=False)], {WITHOUT_STOCK}, id="without stock"
        ),
        pytest.param(
            [told("start-handling", 2, stock_ok=False), told("dispute-opened", 3)],
            {DISPUTE_OPEN},
            id="without stock, disputed",
        ),
        pytest.param(
            [
                told("start-handling", 2, stock_ok=False),
                told("dispute-opened", 3),
                told("dispute-resolved", 4),
            ],
            set(),
            id="without stock, dispute resolved",
        ),
        pytest.param([refused(2)], {UNREADABLE}, id="refused"),
        pytest.param([told("start-handling", 5.1)], {HANDLED_LATE}, id="handled in the grace"),
        pytest.param([told("canceled", 5.1)], set(), id="cancelled in the grace"),
        pytest.param(
            [told("dispute-opened", 5.1)], {HANDLED_LATE, LATE_DISPUTE}, id="disputed in the grace"
        ),
        pytest.param(
            [told("start-handling", 6, 7)], {AUTO_CANCEL, HANDLED_LATE}, id="handled after"
        ),
        pytest.param([told("dispute-opened", 6, 7)], {AUTO_CANCEL, LATE_DISPUTE}, id="disputed"),
        pytest.param([told("canceled", 6, 7)], {AUTO_CANCEL}, id="cancelled after"),
        pytest.param([told("start-handling", 2, 7)], set(), id="late evidence"),
        pytest.param(
            [told("start-handling", 2, 7, stock_ok=False)],
            {WITHOUT_STOCK},
            id="late evidence of missing stock",
        ),
        pytest.param([refused(7)], {AUTO_CANCEL}, id="refused after"),
        pytest.param(
            [told("start-handling", 6, 7), told("dispute-opened", 6, 8), told("handling", 4, 9)],
            {LATE_DISPUTE},
            id="follow-ups go with the auto-cancel, a late dispute stays",
        ),
    ],
)
def test_a_course_of_events_has_one_ending(facts: list[Published], verdicts: set[str]) -> None:
    assert standing(expected(TERMS, facts, SEEN)) == {frozenset(verdicts)}


def test_evidence_stored_before_the_verdict_may_fall_allows_no_auto_cancel() -> None:
    result = expected(TERMS, [told("start-handling", 4, 5.9)])
    assert not result.may_cancel
    assert result.certain


def test_evidence_sent_while_the_verdict_falls_may_or_may_not_be_known() -> None:
    result = expected(TERMS, [told("start-handling", 4, 6.2)], SEEN)
    assert {ending.told for ending in result.endings} == {
        (),
        (AUTO_CANCEL, f"revoked {AUTO_CANCEL}"),
    }
    assert standing(result) == {frozenset()}


def test_late_handling_sent_while_the_verdict_falls_has_two_endings() -> None:
    result = expected(TERMS, [told("start-handling", 5.5, 6.2)], SEEN)
    assert standing(result) == {
        frozenset({HANDLED_LATE}),
        frozenset({AUTO_CANCEL, HANDLED_LATE}),
    }
    assert not result.certain
    assert result.speaks


def test_records_of_one_partition_are_known_in_order() -> None:
    bad, late = told("handling", 2, 6.1, stock_ok=False), told("handling", 5.5, 6.2)
    one = expected(TERMS, [bad, late], SEEN)
    apart = expected(TERMS, [bad, told("handling", 5.5, 6.2, partition=1)], SEEN)
    assert one.endings < apart.endings


def test_short_logs_and_policy_replace_the_auto_cancel_only() -> None:
    short = Terms(ENTERED, TERMS.window, TERMS.grace, logs_reach_back=False)
    person = Terms(ENTERED, TERMS.window, TERMS.grace, on_silence=POLICY)
    assert standing(expected(short, [])) == {frozenset({EVIDENCE_INCOMPLETE})}
    assert standing(expected(person, [])) == {frozenset({POLICY})}
    assert standing(expected(person, [told("canceled", 1)])) == {frozenset()}


acts = st.lists(
    st.builds(
        words.act,
        st.sampled_from(
            [
                "start-handling",
                "invoiced",
                "canceled",
                "dispute-opened",
                "dispute-resolved",
                "aceptado",
            ]
        ),
        st.sampled_from([timedelta(hours=h) for h in (1, 2, 24, 25, 26)]),
        stock_ok=st.sampled_from([None, True, False]),
    ),
    max_size=4,
)


@given(st.lists(acts, min_size=1, max_size=3), st.booleans())
def test_judge_and_worker_agree_on_any_history(
    batches: list[list[WorkerAct]], shield: bool
) -> None:
    """The first batch is known to the verdict; each later one arrives whole, after it."""
    shields = [words.a_refused_record()] if shield else []
    story = words.Story(*batches[0], *shields)
    story.lapses()
    for batch in batches[1:]:
        story.then(*batch)

    terms = Terms(words.ENTERED, words.WINDOW, timedelta(seconds=30))
    facts: list[Published] = []
    for number, batch in enumerate(batches):
        when = words.ENTERED + timedelta(days=number * 3)
        facts += [
            Published(
                Act(act.status, act.occurred_at, act.stock_ok), when, when, "status", 0, len(facts)
            )
            for act in batch
        ]
    if shield:
        facts.append(Published(Unreadable(), words.ENTERED, words.ENTERED, "status", 1, 0))
    seen = terms.fires_at + timedelta(seconds=1)

    outcomes = expected(terms, facts, seen).endings
    names: list[str] = []
    for line in story.told:
        names.append(line if "#" not in line else f"revoked {names[int(line.split('#')[1]) - 1]}")
    assert any(
        Counter(ending.told) == Counter(names) and ending.standing == set(story.standing)
        for ending in outcomes
    )
