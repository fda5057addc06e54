"""Schemas are remembered, also those that nobody knows: the registry is asked seldom."""

from typing import Any

import pytest

from schemas.events import RefusalClass
from tests.support.registry import SmallRegistry
from tests.unit.schema_registry.bench import (
    ACT,
    BODY,
    GUID,
    WANTED,
    Headers,
    MakeBench,
    act,
    framed,
)
from worker.records import Refusal


@pytest.mark.parametrize(
    ("value", "headers", "name"),
    [
        (framed(70, BODY), (), "schema id 70"),
        (BODY, (("__value_schema_id", b"\1" + GUID.bytes),), f"schema GUID {GUID}"),
    ],
)
async def test_a_schema_that_nobody_knows_is_refused_after_a_while(
    registry: SmallRegistry, make: MakeBench, value: bytes, headers: Headers, name: str
) -> None:
    bench = make()
    refusal = await bench.refused(act(value, headers=headers))
    assert refusal.message == f"Confluent wire format, {name}: the registry does not know it"
    assert 15 <= bench.clock.slept < 30
    asked = registry.asked.total()
    await bench.refused(act(value, headers=headers))
    assert registry.asked.total() == asked
    bench.clock.at += 601
    registry.add(70 if not headers else str(GUID), ACT)
    assert await bench.read(act(value, headers=headers)) == [WANTED]


async def test_a_flood_of_unknown_schemas_does_not_become_as_many_requests(
    registry: SmallRegistry, make: MakeBench
) -> None:
    bench = make()
    refused: list[Any] = []
    for begin in range(100, 4_100, 500):
        batch = [act(framed(number, b"x" * 9)) for number in range(begin, begin + 500)]
        refused += await bench.read(*batch)
    assert {type(one) for one in refused} == {Refusal}
    assert len(registry.asked) < 100
    assert registry.asked.total() < 500
    assert registry.busiest <= 8  # each may ask once more whether it is a registry
    assert bench.clock.slept < 1_000
    assert "replay later" in refused[-1].message
    # There will be room again.
    bench.clock.at += 60
    assert await bench.read(act(framed(7, BODY))) == [WANTED]


async def test_known_schemas_are_bounded_and_fetched_again(
    registry: SmallRegistry, make: MakeBench
) -> None:
    bench = make()
    for number in range(1_000, 2_101):
        registry.add(number, ACT)
    for begin in range(1_000, 2_100, 100):
        ids = range(begin, begin + 100)
        assert await bench.read(*(act(framed(n, BODY)) for n in ids)) == [WANTED] * 100
    assert await bench.read(act(framed(1_000, BODY))) == [WANTED]
    assert registry.asked["1000"] == 2
    assert registry.asked["2099"] == 1


@pytest.mark.parametrize("wire", [b"\0\0\0\0\0", b"\0\xff\xff\xff\xff", b"\0\x80\0\0\0"])
async def test_a_number_that_no_schema_has_is_not_asked_for(
    registry: SmallRegistry, make: MakeBench, wire: bytes
) -> None:
    assert (await make().refused(act(wire + BODY))).error == RefusalClass.NOT_JSON
    assert not registry.asked
