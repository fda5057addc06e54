"""While the registry is away, or a schema on its way, a lane waits."""

import asyncio
from typing import Any

import pytest

from tests.support.registry import SmallRegistry, basic
from tests.support.waiting import eventually
from tests.unit.schema_registry.bench import ACT, BODY, NOW, WANTED, MakeBench, act, framed
from worker.ingest.registry.schemas import SchemasMissing
from worker.observability.labels import Guard

AWAY = [
    pytest.param({"fault": 503}, id="HTTP 503"),
    pytest.param({"fault": 403}, id="HTTP 403"),
    pytest.param({"fault": 404}, id="HTTP 404, of a proxy"),
    pytest.param({"fault": 200}, id="HTTP 200, and no answer"),
    pytest.param({"fault": 302}, id="HTTP 302"),
    pytest.param({"authorization": basic("u", "other")}, id="HTTP 401"),
    pytest.param({"hang": True}, id="TimeoutError"),
]


@pytest.mark.parametrize("fault", AWAY)
async def test_while_the_registry_is_away_a_lane_waits_and_shows_it(
    registry: SmallRegistry, make: MakeBench, fault: dict[str, Any]
) -> None:
    bench = make(schema_registry_timeout="PT0.2S")
    one = act(framed(7, BODY))
    before = dict(vars(registry))
    vars(registry).update(fault)
    reading = asyncio.create_task(bench.read(one))
    await eventually(lambda: bool(bench.guards.lanes), 20)
    assert bench.guards.lanes == {Guard.REGISTRY: 1}
    assert bench.schemas.waiting == {3}
    # A day goes by, but where each answer takes a real part of a second.
    await eventually(lambda: bench.clock.slept > ("hang" not in fault and 500), 60)
    assert not reading.done()
    with pytest.raises(SchemasMissing):
        bench.decoder.decode(one, NOW)
    vars(registry).update({name: before[name] for name in fault})
    assert await reading == [WANTED]
    assert not bench.guards.lanes
    assert not bench.schemas.waiting
    name = "plazo_schema_registry_answers_total"
    assert bench.metrics.registry.get_sample_value(name, {"answer": "away"})


async def test_a_lane_that_stops_waits_no_longer(registry: SmallRegistry, make: MakeBench) -> None:
    await registry.stop()
    bench = make()
    reading = asyncio.create_task(bench.read(act(framed(7, BODY))))
    await eventually(lambda: bool(bench.guards.lanes), 20)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not bench.guards.lanes


async def test_a_lane_waits_for_its_own_schemas_only(
    registry: SmallRegistry, make: MakeBench
) -> None:
    """Another lane goes on while this one waits for a schema that may still come."""
    bench = make()
    bench.clock.runs.clear()
    unknown = asyncio.create_task(bench.schemas.fetch(1, {70}))
    await eventually(lambda: 1 in bench.schemas.waiting, 20)
    assert await bench.read(act(framed(7, BODY))) == [WANTED]
    assert not unknown.done()
    bench.clock.runs.set()
    await unknown


async def test_a_schema_that_is_on_its_way_is_waited_for(
    registry: SmallRegistry, make: MakeBench
) -> None:
    bench = make()
    bench.clock.runs.clear()
    reading = asyncio.create_task(bench.read(act(framed(70, BODY))))
    await eventually(lambda: bench.schemas.waiting, 20)
    registry.add(70, ACT)
    bench.clock.runs.set()
    assert await reading == [WANTED]
