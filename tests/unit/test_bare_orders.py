"""Orders of which nothing else is known: judged and told as all others, only in fewer steps."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from worker.decide.bare import alike, is_bare, shared_events
from worker.decide.cases import order_of
from worker.domain.case import Case, Judgement, Limits, Order, Reason
from worker.domain.decide import decide, likeness
from worker.domain.policy import AtLapse
from worker.freshness.evidence import Reading
from worker.outbox.events import events

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=2)
# Texts that JSON or a layout of bytes might take for something else.
TEXTS = ["a", "é😀", '"\\', "%s%b%%", "\n\x01", " "]
READING = Reading({("orders", 1): 7, ('%b"', 0): 3}, None)


def rows(number: int) -> Iterator[dict[str, Any]]:
    """Bare orders as the database tells them, many of them alike."""
    rng = Random(26)
    times = [NOON + timedelta(hours=n, microseconds=rng.choice([0, 1, 999_999])) for n in range(5)]
    doubts = [None, None, None, Reason.FACTS_MISSING, Reason.UNREADABLE_EVIDENCE]
    for n in range(number):
        policy = rng.choice(TEXTS[2:4])
        yield {
            "order_id": f"{rng.choice(TEXTS)}{n}",
            "seller_id": rng.choice(TEXTS),
            "fulfilment": rng.choice(["courier", "dropshipping"]),
            "entered_at": rng.choice(times),
            "due": rng.choice(times),
            "fires_at": NOON + timedelta(hours=rng.randrange(9)),
            "grace": None,
            "first_due": None,
            "started_at": rng.choice([None, NOON]),
            "policy": policy,
            "policy_version": 1,
            "at_lapse": rng.choice([*AtLapse]).value,
            "doubt": rng.choice(doubts),
            "dispute_type": "CS" if policy == TEXTS[2] else None,
            "dispute_text": "50 %b of it" if policy == TEXTS[2] else None,
            "reminders": None,
            "topic": rng.choice(["orders", '%b"']),
            "partition": rng.randrange(2),
            "offset": rng.randrange(2**62),
            "received_at": rng.choice(times),
        }


def limits() -> Iterator[Limits]:
    times = None, NOON + timedelta(hours=1), NOON + timedelta(hours=3)
    for since in times:
        for adopted in times:
            for escalates in (False, True):
                yield Limits(since, adopted, escalates, times[2] if since else None)


@pytest.mark.parametrize("known", [*limits()])
def test_they_are_judged_and_told_as_if_each_were_alone(known: Limits) -> None:
    told = list(rows(1_500))
    braked = {row["order_id"] for row in told if row["offset"] % 2}
    groups = alike(told, known, braked.__contains__)
    assert sorted(row["order_id"] for rows in groups for row in rows) == sorted(
        row["order_id"] for row in told
    )
    assert max(map(len, groups)) > 2
    for first, *others in groups:
        case, judgement = judged(first, known, braked)
        made = []
        for row in others:
            own_case, own = judged(row, known, braked)
            assert own == judgement
            made += events(own_case, own.decisions, READING, NOW)
        assert shared_events(case, judgement, others, READING, NOW) == made


def judged(row: dict[str, Any], known: Limits, braked: Collection[str]) -> tuple[Case, Judgement]:
    case = Case(order_of(row))
    assert is_bare(case)
    return case, decide(case, known, braked=row["order_id"] in braked)


class _Watched:
    """An order that keeps the names of what is asked of it."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.asked.add(name)
        return getattr(self._order, name)


def test_the_rule_looks_at_nothing_in_them_that_their_likeness_leaves_out() -> None:
    asked: set[str] = set()
    for known in limits():
        for row in rows(200):
            order: Any = _Watched(order_of(row))
            decide(Case(order), known)
            asked |= order.asked
    assert asked == {"entered_at", "due", "at_lapse", "doubt"}


def test_orders_are_alike_up_to_the_limits_of_what_is_known() -> None:
    known = Limits(NOON, NOON, astray_at=NOON)
    moment = timedelta(microseconds=1)

    def told(entered_at: datetime, due: datetime) -> Any:
        return likeness(entered_at, due, "auto-cancel", None, known)

    later = NOON + moment
    assert told(later, NOON) == told(later + moment, NOW)
    assert told(NOON, NOON) != told(later, NOON)  # the refused act may be its own
    assert told(NOON - moment, NOON) != told(NOON, NOON)  # the logs do not reach back to it
    assert told(NOON, NOON - moment) != told(NOON, NOON)  # over before the installation began
