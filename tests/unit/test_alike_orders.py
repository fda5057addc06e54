"""Orders that share a judgement: judged and told as if each were alone, only in fewer steps."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from schemas.statuses import Meaning, Vocabulary
from worker.decide.alike import KEPT, Alike, SharedEvents, alike
from worker.decide.cases import facts_of, order_of
from worker.decide.deadlines import ChangeLimits, Deadlines
from worker.domain.acts import Act, Place
from worker.domain.case import Case, Judgement, Limits, Order, Reason
from worker.domain.decide import decide, likeness
from worker.domain.policy import AtLapse, Match, Policies, Policy, Rule
from worker.freshness.evidence import Reading
from worker.outbox.events import events

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=2)
# Texts that JSON or a layout of bytes might take for something else.
TEXTS = ["a", "é😀", '"\\', "%s%b%%", "\n\x01", " "]
POLICY = Policy("default", timedelta(days=1), timedelta(0))
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
            "handled": False,
        }


def limits() -> Iterator[Limits]:
    times = None, NOON + timedelta(hours=1), NOON + timedelta(hours=3)
    for since in times:
        for adopted in times:
            for escalates in (False, True):
                yield Limits(since, adopted, escalates, times[2] if since else None)


@pytest.mark.parametrize("braked", [False, True])
@pytest.mark.parametrize("known", [*limits()])
def test_they_are_judged_and_told_as_if_each_were_alone(known: Limits, braked: bool) -> None:
    told = list(rows(1_500))
    groups = alike(told, known, Policies.of(POLICY))
    grouped = [row["order_id"] for group in groups for row in group.rows]
    assert sorted(grouped) == sorted(row["order_id"] for row in told)
    assert max(len(group.rows) for group in groups) > 1
    for group in groups:
        case, judgement = judged(group.rows[0], known, braked)
        assert group.share(case, judgement)
        shared = SharedEvents(case.order, judgement, READING, NOW)
        for row in group.rows:
            own_case, own = judged(row, known, braked)
            assert own == judgement
            assert shared.of(row) == list(events(own_case, own.decisions, READING, NOW))


def judged(row: dict[str, Any], known: Limits, braked: bool) -> tuple[Case, Judgement]:
    case = Case(order_of(row))
    return case, decide(case, known, braked=braked)


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


def test_a_plainly_handled_order_is_kept_whatever_else_holds() -> None:
    """By acts as alike_orders.sql lets them pass, under any terms, and with any repeats."""
    rng = Random(27)
    day, none = timedelta(days=1), timedelta(0)
    staged = Policy("staged", day, none, stops=frozenset({"payment-pending"}))
    waits = Policy("waits", day, none, clock="ready-for-handling")
    odd = Policy("odd", day, none, clock="assigned", stops=frozenset({"order-accepted"}))
    vocabulary = Vocabulary({"aceptado": Meaning.HANDLING, "pack": Meaning.READY})
    policies = Policies(tuple(Rule(Match(), one) for one in (staged, waits, odd)), vocabulary)
    neutral = policies.words(Meaning.NOTHING, Meaning.READY)
    handling = policies.words(Meaning.HANDLING)
    assert {"payment-pending", "order-accepted", "ready-for-handling"}.isdisjoint(neutral)
    assert "pack" in neutral
    assert "aceptado" in handling
    assert policies.mere_clocks == ["assigned", "ready-for-handling"]
    known, shared = [*limits()], Counter[str]()
    for number, row in enumerate(rows(10_000)):
        row |= {"handled": True, "policy": rng.choice(["staged", "waits", "odd", "gone"])}
        row |= {"total": None, "currency": None, "labels": None, "told_due": None}
        due, clock = row["due"], rng.choice([None, *policies.mere_clocks])
        hours = [timedelta(hours=n) for n in (-2, -1, 0, 1, 50)]
        starts = [row["entered_at"] + rng.choice(hours) for _ in range(rng.randrange(1, 3))]
        told = [(clock, at, None) for at in starts] if clock else []
        told += [(rng.choice(handling), due - abs(rng.choice(hours)), rng.choice([None, True]))]
        for _ in range(rng.randrange(4)):
            handled = rng.choice(handling), due - abs(rng.choice(hours)), rng.choice([None, True])
            passed = rng.choice(neutral), due + rng.choice(hours), rng.choice([None, False])
            told.append(rng.choice([handled, passed]))
        row |= {"clock": clock, "clock_at": min(starts) if clock else None}
        row["started_at"] = rng.choice([None, row["entered_at"], *starts])
        if not alike([row], Limits(), policies):
            continue
        order = order_of(row)
        acts = tuple(
            Act(
                status=status,
                occurred_at=at,
                received_at=NOW,
                place=Place("changes", 0, offset),
                stock_ok=stock_ok,
                form_complete=rng.choice([None, True, False]),
                meaning=policies.meaning(status),
            )
            for offset, (status, at, stock_ok) in enumerate(told)
        )
        case = Case(order, acts)
        deadlines = Deadlines(policies, ChangeLimits(day, day), (), NOW)
        settled = deadlines.settle(case, facts_of(row))
        assert settled.judgement is None
        judgement = decide(settled.case, rng.choice(known), braked=number % 2 == 0)
        assert judgement == KEPT
        assert Alike([row]).share(case, judgement)
        shared[row["policy"], row["started_at"] is None] += 1
    assert len(shared) == 8
    assert min(shared.values()) > 100


def test_what_the_first_turns_out_to_be_is_not_shared_if_it_is_another_kind() -> None:
    row = next(rows(1))
    case = Case(order_of(row))
    acted = case._replace(acts=(Act("received", NOON, NOON, case.order.place),))
    assert not Alike([row]).share(acted, KEPT)
    assert not Alike([row | {"handled": True}]).share(case, decide(case))
