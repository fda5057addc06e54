"""The monitor: which lanes its watchdog watches."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from worker.clock import SystemClock
from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.records import Partition
from worker.runtime.monitor import Monitor
from worker.settings import Settings

BEHIND = {("acts", 0): 5, ("acts", 1): 5}


@pytest.mark.parametrize(("waiting", "watched"), [({1}, {("acts", 0): 5}), (None, BEHIND)])
async def test_a_lane_that_waits_for_a_schema_is_not_taken_for_a_stuck_client(
    waiting: set[int] | None, watched: Mapping[Partition, int]
) -> None:
    """A new consumer would stop all lanes, again and again, and help none."""

    async def ends() -> Any:
        return dict.fromkeys(BEHIND, 9)

    services: Any = SimpleNamespace(
        metrics=Metrics(Settings(_env_file=None)), clock=SystemClock(),
        offsets=SimpleNamespace(ends=ends),
        schemas=None if waiting is None else SimpleNamespace(waiting=waiting),
    )  # fmt: skip
    membership: Any = SimpleNamespace(consumer=None)
    monitor = Monitor(services, Health(), membership)
    seen: list[Mapping[Partition, int]] = []

    async def look(given: Mapping[Partition, int]) -> None:
        seen.append(given)

    monitor._watchdog = SimpleNamespace(look=look, reset=lambda: None)  # type: ignore[assignment]
    runners: Any = [
        SimpleNamespace(lane=SimpleNamespace(positions={p: at}, marks={}), last_timestamp={})
        for p, at in BEHIND.items()
    ]
    await monitor._kafka(runners)
    assert seen == [watched]
    # Its lag is shown all the same.
    sample = services.metrics.registry.get_sample_value
    assert sample("plazo_lag_records", {"topic": "acts", "partition": "1"}) == 4


async def test_each_look_is_at_the_membership_too() -> None:
    """A member without lanes reads nothing that would tell of its end."""
    checked: list[bool] = []

    async def enough(_seconds: float) -> None:
        raise asyncio.CancelledError

    services: Any = SimpleNamespace(
        metrics=Metrics(Settings(_env_file=None)),
        clock=SimpleNamespace(sleep=enough, now=lambda: datetime.now(UTC)),
        database=Mock(), guards=Mock(),
    )  # fmt: skip
    membership: Any = SimpleNamespace(
        runners={}, joined=False, waits_for=None, check=lambda: checked.append(True)
    )
    monitor = Monitor(services, Health(), membership)
    monitor._database = monitor._kafka = AsyncMock()  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await monitor._observe()
    assert checked == [True]


async def test_the_group_is_told_of_each_position_until_it_takes_it() -> None:
    taken, commits = [False, True, True], []

    async def commit(positions: Mapping[Partition, int]) -> bool:
        commits.append(dict(positions))
        return taken.pop(0)

    services: Any = SimpleNamespace(
        metrics=Metrics(Settings(_env_file=None)), clock=SystemClock(), offsets=Mock(), schemas=None
    )
    services.offsets.ends = AsyncMock(return_value=dict.fromkeys(BEHIND, 9))
    membership: Any = SimpleNamespace(consumer=SimpleNamespace(commit=commit))
    monitor = Monitor(services, Health(), membership)
    monitor._watchdog = Mock(look=AsyncMock())
    positions = {("acts", 0): 5}
    runners: Any = [
        SimpleNamespace(lane=SimpleNamespace(positions=positions, marks={}), last_timestamp={})
    ]
    for _ in range(3):  # refused, taken, and nothing new
        await monitor._kafka(runners)
    positions["acts", 0] = 6
    await monitor._kafka(runners)
    await monitor._kafka([])  # no lane
    assert [one["acts", 0] for one in commits] == [5, 5, 6]
