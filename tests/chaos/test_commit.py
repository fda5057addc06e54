"""Connections to Postgres that break around COMMIT: what was committed must count once."""

import asyncio
import random

import pytest

from tests.end_to_end.world import World
from tests.support.proxy import Do

from .stage import COMMIT, GRACE, WINDOW, Stage


@pytest.mark.parametrize("fate", [Do.LOSE_ANSWER, Do.LOSE_REQUEST], ids=lambda one: one.value)
async def test_connections_are_cut_around_commit(stage: Stage, fate: Do) -> None:
    """Applied but unanswered, or never applied: the worker cannot tell, and has to be right."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(21, 800, topics, WINDOW, GRACE, spread=20)
    chance = random.Random(21)

    async def some_commits(piece: bytes) -> Do:
        if COMMIT in piece and chance.random() < 0.15:
            stage.strike(fate.value)
            return fate
        return Do.PASS

    await stage.ready_workers(topics, 2)
    async with stage.publishing(world) as reader:
        stage.postgres_proxy.on_request = some_commits
        await asyncio.sleep(20)
        stage.postgres_proxy.heal()

    assert stage.postgres_proxy.done[fate] >= 20, stage.postgres_proxy.done
    stage.judge(world, reader)


async def test_commits_are_applied_and_never_answered(stage: Stage) -> None:
    """The connection stays open and silent: only the worker's own time-out ends the wait."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(22, 800, topics, WINDOW, GRACE, spread=24)
    held = 0

    async def every_lane_once(piece: bytes) -> Do:
        nonlocal held
        if COMMIT in piece and held < 4:
            held += 1
            stage.strike("commit held")
            return Do.HOLD_ANSWER
        return Do.PASS

    await stage.ready_workers(topics, 2)
    async with stage.publishing(world) as reader:
        for _ in range(2):
            await asyncio.sleep(6)
            held = 0
            stage.postgres_proxy.on_request = every_lane_once

    assert stage.postgres_proxy.done[Do.HOLD_ANSWER] >= 8
    stage.judge(world, reader)
