"""Cancellations of lines: the last one closes its order, any other closes its lines only."""

import json
from datetime import timedelta
from typing import Any

import pytest

from schemas.statuses import Meaning
from worker.decide.lines import complete_cancellations, last_cancellation
from worker.domain.acts import Act, Place
from worker.domain.policy import AtLapse, Policies, Policy

from .domain.words import ENTERED, act

HOUR = timedelta(hours=1)
IN_PART = "canceled-in-part"
POLICIES = Policies.of(Policy("p", 24 * HOUR, HOUR, AtLapse.AUTO_CANCEL))

Told = dict[str, Any]


def line(sku: str, quantity: object = None) -> Told:
    return {"sku": sku} if quantity is None else {"sku": sku, "quantity": quantity}


def row(hours: float, *lines: Told, status: str = IN_PART, body: str | None = None) -> Told:
    """A record of this order, so long after its entry."""
    return {
        "order_id": "o",
        "status": status,
        "occurred_at": ENTERED + hours * HOUR,
        "topic": "status",
        "partition": 0,
        "offset": int(hours * 100),
        "body": json.dumps({"lines": lines}) if body is None else body,
    }


def order(*lines: Told) -> Told:
    return row(0, *lines, status="order-created")


def closed_after(*rows: Told) -> float | None:
    at = last_cancellation(rows, "o")
    return None if at is None else (at - ENTERED) / HOUR


TWO = order(line("a", 2), line("b", 1))


@pytest.mark.parametrize(
    ("cancellations", "closed"),
    [
        ([], None),
        ([row(1, line("a", 2))], None),
        ([row(1, line("a", 2), line("b", 1))], 1),
        ([row(1, line("a", 2)), row(2, line("b", 1))], 2),
        ([row(1, line("a", 2)), row(2, line("b", 1)), row(3, line("b", 1))], 2),
        # Piece by piece.
        ([row(1, line("a", 1)), row(2, line("b", 1))], None),
        ([row(1, line("a", 1)), row(2, line("b", 1)), row(3, line("a", 1))], 3),
        # Without a quantity, all of the line.
        ([row(1, line("a")), row(2, line("b"))], 2),
        # More than there is.
        ([row(1, line("a", 9)), row(2, line("b", 9))], 2),
        ([row(1, line("a", 9))], None),
        # Of another order's lines.
        ([row(1, line("c", 3))], None),
        # No line that we can read says nothing of the rest.
        ([row(1)], None),
        ([row(1, body="{}")], None),
        ([row(1, body="no JSON")], None),
        ([row(1, body='{"lines": ["a", "b"]}')], None),
        ([row(1, line("a", "NaN"), line("b"))], None),
        ([row(1, line("a", -2), line("b"))], None),
        ([row(1, line("a", "many"), line("b"))], None),
        ([row(1, line("a", "2"), line("b", 1.0))], 1),
    ],
)
def test_the_cancellation_that_leaves_no_line(
    cancellations: list[Told], closed: float | None
) -> None:
    assert closed_after(TWO, *cancellations) == closed


def test_a_repeat_cancels_nothing_more() -> None:
    once = row(1, line("a", 1), line("b", 1))
    assert closed_after(TWO, once, once | {"offset": 7}) is None
    assert closed_after(TWO, once, row(2, line("a", 1))) == 2


def test_fractions_leave_no_rest() -> None:
    assert 1.1 - 0.4 - 0.7 > 0  # such a crumb would keep the order open
    assert closed_after(order(line("a", 1.1)), row(1, line("a", 0.4)), row(2, line("a", 0.7))) == 2


@pytest.mark.parametrize("lines", [[], [line("a", "many")], [{"quantity": 1}], [7]])
def test_an_order_whose_lines_nobody_can_read_is_never_closed(lines: list[Any]) -> None:
    assert closed_after(order(*lines), row(1, line("a"))) is None


def test_lines_of_one_sku_add_up() -> None:
    twice = order(line("a", 1), line("a", 1))
    assert closed_after(twice, row(1, line("a", 1))) is None
    assert closed_after(twice, row(1, line("a", 2))) == 1
    assert closed_after(order(line("a")), row(1, line("a", 5))) is None  # of how many?
    assert closed_after(order(line("a")), row(1, line("a"))) == 1


def test_the_first_lines_of_an_order_count() -> None:
    assert closed_after(TWO, order(line("a", 1)), row(1, line("a"))) is None


def test_the_lines_in_a_cloud_event() -> None:
    wrapped = json.dumps({"data": {"lines": [line("a"), line("b")]}})
    assert closed_after(TWO, row(1, body=wrapped)) == 1


def test_other_orders_do_not_count() -> None:
    assert closed_after(TWO, row(1, line("a"), line("b")) | {"order_id": "other"}) is None


def test_a_cancellation_from_before_its_order_closes_nothing() -> None:
    assert closed_after(row(-1, line("a"), line("b")), TWO) is None
    assert closed_after(row(-1, line("a")), row(1, line("b")), TWO) is None
    assert closed_after(row(0, line("a"), line("b")), TWO) == 0


class Rows:
    """As a transaction, with the answer to one statement."""

    def __init__(self, *rows: Told) -> None:
        self.answer = rows
        self.asked: list[Any] = []

    async def rows(self, name: str, *arguments: Any) -> tuple[Told, ...]:
        self.asked.append((name, *arguments))
        return self.answer


async def meanings(tx: Rows, *acts: Act) -> list[str]:
    found = await complete_cancellations(tx, {"o": acts}, POLICIES)  # type: ignore[arg-type]
    return [one.meaning for one in found.get("o", acts)]


async def test_the_cancellation_of_the_last_line_cancels_its_order() -> None:
    acts = act(IN_PART, HOUR), act("start-handling", 2 * HOUR), act(IN_PART, 2 * HOUR)
    tx = Rows(TWO, row(1, line("a")), row(2, line("b")))
    in_part, handling = Meaning.CANCELED_IN_PART, Meaning.HANDLING
    assert await meanings(tx, *acts) == [in_part, handling, Meaning.CANCELED]
    assert await meanings(Rows(TWO, row(1, line("a"))), *acts) == [in_part, handling, in_part]


async def test_it_does_so_whichever_of_several_records_at_that_time_is_known() -> None:
    """A case keeps one of several like acts: only their times tell them apart."""
    tx = Rows(TWO, row(1, line("a")), row(1, line("b")))
    kept = act(IN_PART, HOUR)._replace(place=Place("status", 3, 9))
    assert await meanings(tx, kept) == [Meaning.CANCELED]


async def test_an_order_without_such_cancellations_asks_for_no_lines() -> None:
    tx = Rows()
    assert await meanings(tx, act("canceled"), act("handling")) == ["canceled", "handling"]
    assert tx.asked == []
