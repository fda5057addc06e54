"""The brake: how much of a sweep the limits let through."""

from collections import Counter
from datetime import timedelta

import pytest

from worker.decide.brake import Limits, Sweep, Used, choose
from worker.settings import Settings


def limits(**changed: object) -> Limits:
    terms = {"window": timedelta(hours=1), "cancels": None, "seller_cancels": None, "share": 1.0,
             "least": 10, "silent_feed": None}  # fmt: skip
    return Limits(**(terms | changed))  # type: ignore[arg-type]


def sweep(*sellers: str, others: int = 0) -> Sweep:
    """One silent order of each seller named, and so many more that were acted upon."""
    lapsed = Counter(sellers)
    lapsed["busy"] += others
    return Sweep(lapsed, [(f"o{n}", seller) for n, seller in enumerate(sellers)])


def chosen(limits: Limits, used: Used, of: Sweep) -> list[str]:
    return [order for order, _ in choose(limits, used, of)]


@pytest.mark.parametrize(("used", "let"), [(0, 3), (7, 3), (8, 2), (10, 0), (11, 0)])
def test_so_many_in_the_window(used: int, let: int) -> None:
    found = chosen(limits(cancels=10), Used(50, used), sweep("a", "b", "c"))
    assert found == ["o0", "o1", "o2"][:let]  # the longest overdue first


def test_each_seller_has_a_limit_of_its_own() -> None:
    used = Used(9, 4, Counter(a=1, b=2))
    found = chosen(limits(seller_cancels=2), used, sweep("a", "a", "b", "c", "c", "c"))
    assert found == ["o0", "o3", "o4"]


def test_a_seller_at_its_limit_leaves_room_for_others() -> None:
    used = Used(9, 2, Counter(a=2))
    assert chosen(limits(cancels=3, seller_cancels=2), used, sweep("a", "b", "b")) == ["o1"]


@pytest.mark.parametrize(
    ("lapsed", "cancels", "others", "let"),
    [
        (0, 0, 6, 3),  # nine orders: too few for a share
        (0, 0, 7, 3),  # 30 % of ten are three
        (0, 1, 7, 2),
        (100, 30, 7, 3),  # 30 % of 110 are 33
        (100, 33, 7, 0),
    ],
)
def test_a_share_of_what_lapses(lapsed: int, cancels: int, others: int, let: int) -> None:
    found = chosen(limits(share=0.3), Used(lapsed, cancels), sweep("a", "b", "c", others=others))
    assert len(found) == let


def test_no_limit_is_no_brake() -> None:
    assert Limits.of(Settings.model_construct()) is None
    assert Limits.of(Settings(brake_cancels=0)) is not None
