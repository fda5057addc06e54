"""A small registry for each test, and what reads by it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.registry import SmallRegistry
from tests.unit.schema_registry.bench import ACT, Bench, MakeBench


@pytest.fixture
async def registry() -> AsyncIterator[SmallRegistry]:
    async with SmallRegistry() as small:
        small.add(7, ACT)
        yield small


@pytest.fixture
async def make(registry: SmallRegistry) -> AsyncIterator[MakeBench]:
    made: list[Bench] = []

    def new(**more: Any) -> Bench:
        made.append(Bench(registry, **more))
        return made[-1]

    yield new
    for each in made:
        await each.schemas.close()
