"""The monitor: which lanes its watchdog watches."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

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
    membership: Any = SimpleNamespace()
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
