"""Tools for lag see the group as Plazo sees itself: the advisory commits tell the truth."""

import asyncio
import subprocess
import uuid
from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

from . import programs

pytestmark = pytest.mark.apache_kafka


async def test_the_lag_of_the_group(
    new_worker: Callable[..., WorkerProcess], kafka: Kafka, topics: Topics, market: Market
) -> None:
    command = programs.consumer_groups()
    group = f"lag-{uuid.uuid4().hex[:8]}"

    def lags() -> Counter[str]:
        done = subprocess.run(
            [*command, "--bootstrap-server", kafka.bootstrap_servers, "--describe",
             "--group", group],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        found: Counter[str] = Counter()
        for line in done.stdout.splitlines():
            words = line.split()
            # GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG; a dash for what is not told.
            if words[:1] == [group]:
                assert words[5].isdigit(), line
                found[words[1]] += int(words[5])
        return found

    async def told(wanted: dict[str, int]) -> bool:
        found = await asyncio.to_thread(lags)
        assert {name: found[name] for name in wanted} == wanted
        return bool(found)

    orders = [market.order(f"o-{n}") for n in range(60)]
    await market.publish(*orders)
    await market.publish(*(market.act(f"o-{n}", "start-handling") for n in range(30)))
    worker = await new_worker(topics, group_id=group).start().wait_ready()
    none = {topics.order_created: 0, topics.order_status_changed: 0}
    await eventually(lambda: told(none), 60)
    assert await worker.sigterm() == 0
    await market.publish(*(market.order(f"p-{n}") for n in range(7)))
    await market.publish(*(market.act(f"p-{n}", "start-handling") for n in range(5)))
    await eventually(lambda: told({topics.order_created: 7, topics.order_status_changed: 5}), 60)
    await worker.start().wait_ready()
    await eventually(lambda: told(none), 60)
    own = {
        name: value for name, value in (await worker.metrics()).items()
        if name.startswith("plazo_lag_records")
    }  # fmt: skip
    assert len(own) == sum(topics.widths[topic] for topic in none)
    assert not any(own.values()), own
