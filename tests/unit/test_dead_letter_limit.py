"""The limit on dead letters, and who may be refused under it."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import Halted
from worker.ingest.dead_letter_limit import DeadLetterLimit, crowded
from worker.storage.transaction import Transaction

ORDERS, ACTS = ("orders", 0), ("acts", 0)


class Stored:
    """A transaction that knows which offsets of each partition were refused before."""

    def __init__(self, **stored: Sequence[int]) -> None:
        self._stored = stored
        self.asked = 0

    async def row(self, name: str, topic: str, number: int, above: int, below: int) -> Any:
        assert (name, number) == ("recent_dead_letters", 0)
        self.asked += 1
        return {"offsets": [o for o in self._stored.get(topic, ()) if above < o < below]}


async def check(limit: DeadLetterLimit, tx: Stored, *offsets: int, of: Any = ORDERS) -> None:
    await limit.check(cast("Transaction", tx), [(of, offset) for offset in offsets])


async def test_off_asks_nothing_and_refuses_everything() -> None:
    stored = Stored()
    await check(DeadLetterLimit(1.0, 10), stored, *range(1000))
    assert stored.asked == 0


async def test_good_records_cost_nothing() -> None:
    stored = Stored()
    await check(DeadLetterLimit(0.0, 10), stored)
    assert stored.asked == 0


async def test_as_many_as_allowed_pass_and_one_more_halts() -> None:
    limit = DeadLetterLimit(0.5, 10)
    await check(limit, Stored(), 0, 1, 2, 3, 4)
    with pytest.raises(Halted, match=r"more than 5 of 10 records of orders/0"):
        await check(limit, Stored(), 0, 1, 2, 3, 4, 5)


async def test_none_allowed() -> None:
    with pytest.raises(Halted):
        await check(DeadLetterLimit(0.0, 10), Stored(), 7)


async def test_those_refused_before_a_restart_count() -> None:
    limit = DeadLetterLimit(0.5, 10)
    before = Stored(orders=[95, 96, 97, 98, 99])
    await check(limit, before, 105)  # 95 has left the window
    with pytest.raises(Halted):
        await check(limit, before, 104)


async def test_each_partition_counts_by_itself() -> None:
    limit = DeadLetterLimit(0.5, 10)
    refused = [(partition, offset) for offset in range(5) for partition in (ORDERS, ACTS)]
    await limit.check(cast("Transaction", Stored()), refused)
    with pytest.raises(Halted, match="of acts/0"):
        await limit.check(cast("Transaction", Stored()), [*refused, (ACTS, 5)])


async def test_a_long_batch_is_judged_in_every_place() -> None:
    offsets = [*range(0, 100, 10), *range(100, 106), *range(110, 2000, 10)]
    with pytest.raises(Halted):
        await check(DeadLetterLimit(0.5, 10), Stored(), *offsets)


@given(st.sets(st.integers(0, 60)), st.integers(1, 20), st.integers(0, 20))
def test_crowded_is_a_window_slid_over_every_record(
    offsets: set[int], window: int, allowed: int
) -> None:
    slid = any(
        len(offsets & set(range(first, first + window))) > allowed for first in range(-20, 61)
    )
    assert crowded(sorted(offsets), window, allowed) == slid
