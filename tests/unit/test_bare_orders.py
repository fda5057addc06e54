"""Orders of which nothing else is known: judged and told as all others, only in fewer steps."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from worker.decide.bare import Alike, BareOrders, take_bare
from worker.decide.cases import order_of
from worker.domain.case import Case, Limits, Order, Reason
from worker.domain.decide import decide, likeness
from worker.domain.policy import AtLapse
from worker.freshness.evidence import Reading
from worker.outbox.events import events

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=2)
NOTHING_KNOWN: dict[str, Any] = {
    "acted": False, "refused": False, "changed": False, "retold": False, "has_namesake": False,
    "finding": None, "decisions": 0,
}  # fmt: skip
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
            **NOTHING_KNOWN,
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
@pytest.mark.parametrize("braked", [False, True])
def test_they_are_judged_and_told_as_all_others(known: Limits, braked: bool) -> None:
    orders = BareOrders(known, READING, NOW)
    shared: Counter[Alike] = Counter()
    for row in rows(400):
        case = Case(order_of(row))
        judgement = decide(case, known, braked=braked)
        found = orders.judge(row, braked=braked)
        assert found.judgement == judgement
        assert found.events(row) == list(events(case, judgement.decisions, READING, NOW))
        shared[found] += 1
    assert max(shared.values()) > 1


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


@pytest.mark.parametrize("name", [*NOTHING_KNOWN])
def test_an_order_of_which_more_is_known_is_not_one_of_them(name: str) -> None:
    more = {"finding": "silent", "decisions": 1}.get(name, True)
    (row,) = rows(1)
    assert take_bare({"a": {**row, "order_id": "a"}}, NOW)
    assert not take_bare({"a": {**row, "order_id": "a", name: more}}, NOW)


def test_those_that_fire_later_stay_with_the_others() -> None:
    (row,) = rows(1)
    due = {**row, "order_id": "due", "fires_at": NOON}
    later = {**row, "order_id": "later", "fires_at": NOON + timedelta(microseconds=1)}
    never = {**row, "order_id": "never", "fires_at": None}
    orders = {"later": later, "due": due, "never": never}
    assert take_bare(orders, NOON) == [due]
    assert orders == {"later": later, "never": never}
