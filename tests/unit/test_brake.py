"""The brake: how much of a sweep the limits let through."""

from collections import Counter
from datetime import timedelta

import pytest

from worker.decide.brake import BrakeRequest, Limits, Usage, choose, trips
from worker.settings import Settings


def limits(**changed: object) -> Limits:
    terms = {"window": timedelta(hours=1), "cancels": None, "seller_cancels": None, "share": 1.0,
             "least": 10, "silent_feed": None}  # fmt: skip
    return Limits(**(terms | changed))  # type: ignore[arg-type]


def sweep(*sellers: str, others: int = 0) -> BrakeRequest:
    """One silent order of each seller named, and so many more that were acted upon."""
    lapsed = Counter(sellers)
    lapsed["busy"] += others
    return BrakeRequest(lapsed, [(f"o{n}", seller) for n, seller in enumerate(sellers)])


def chosen(limits: Limits, used: Usage, of: BrakeRequest) -> list[str]:
    return [order for order, _ in choose(limits, used, of)]


@pytest.mark.parametrize(("used", "let"), [(0, 3), (7, 3), (8, 2), (10, 0), (11, 0)])
def test_so_many_in_the_window(used: int, let: int) -> None:
    found = chosen(limits(cancels=10), Usage(50, used), sweep("a", "b", "c"))
    assert found == ["o0", "o1", "o2"][:let]  # the longest overdue first


def test_each_seller_has_a_limit_of_its_own() -> None:
    used = Usage(9, 4, Counter(a=1, b=2))
    found = chosen(limits(seller_cancels=2), used, sweep("a", "a", "b", "c", "c", "c"))
    assert found == ["o0", "o3", "o4"]


def test_a_seller_at_its_limit_leaves_room_for_others() -> None:
    used = Usage(9, 2, Counter(a=2))
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
    found = chosen(limits(share=0.3), Usage(lapsed, cancels), sweep("a", "b", "c", others=others))
    assert len(found) == let


def test_one_sweep_too_many_trips_it() -> None:
    few, many = sweep("a", "b"), sweep("a", "b", "c", "c")
    assert not trips(limits(cancels=2), Usage(), few)
    assert trips(limits(cancels=2), Usage(), many)
    assert trips(limits(share=0.3), Usage(100, 33), few)
    # A seller at its own limit holds up nobody else.
    assert not trips(limits(cancels=9, seller_cancels=1), Usage(), many)


def test_a_share_is_limited_unless_somebody_says_otherwise() -> None:
    usual = Limits.of(Settings.model_construct())
    assert usual is not None
    half = sweep(*"a" * 100, others=100)
    assert len(chosen(usual, Usage(), half)) == 100
    assert len(chosen(usual, Usage(), sweep(*"a" * 199))) == 199  # too few for a share
    assert len(chosen(usual, Usage(), sweep(*"a" * 200))) == 100


def test_no_limit_is_no_brake() -> None:
    assert Limits.of(Settings(brake_share=1)) is None
    assert Limits.of(Settings(brake_cancels=0)) is not None
