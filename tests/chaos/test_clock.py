"""The clock of a worker is set while it runs; Kafka's and Postgres' clocks are right."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.end_to_end.world import World

from .stage import GRACE, JUDGED, WINDOW, Stage

# From Debian's package of that name.
_LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.mark.skipif(_LIBRARY is None, reason="libfaketime is not installed")
@pytest.mark.parametrize(
    "steps", [("+9s", "-9s", "+0"), ("-20s", "+0")], ids=["both ways", "behind"]
)
async def test_the_clock_is_set(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: tuple[str, ...]
) -> None:
    """Ahead: nothing is cancelled before its time. Behind: what is late is late under a guard."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(93, 600, topics, WINDOW, GRACE, spread=24, behaviours=JUDGED)
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    with monkeypatch.context() as environment:
        environment.setenv("LD_PRELOAD", str(_LIBRARY))
        environment.setenv("FAKETIME_TIMESTAMP_FILE", str(offset))
        environment.setenv("FAKETIME_NO_CACHE", "1")
        environment.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        wrong = stage.worker(topics)
    assert "LD_PRELOAD" not in os.environ
    await stage.ready_workers(topics, 1)
    await wrong.wait_ready()
    guarded = 0.0
    async with stage.publishing(world) as reader:
        await asyncio.sleep(5)
        async with stage.fault("clock set"):
            for step in steps:
                offset.write_text(f"{step}\n")
                for _ in range(6):
                    await asyncio.sleep(1)
                    told = await wrong.metrics()
                    guarded = max(guarded, told['plazo_guard_held_lanes{reason="clock"}'])
    print("lanes held by the guard of the clock, at most:", guarded)
    assert guarded
    stage.judge(world, reader)
