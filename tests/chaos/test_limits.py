"""A pod with little memory, or with a tenth of a core: slower, and right."""

import asyncio

import pytest

from tests.end_to_end.world import World
from tests.support.cgroup import ControlGroup

from .stage import GRACE, JUDGED, WINDOW, Stage

MIB = 1 << 20


@pytest.fixture
def groups() -> None:
    try:
        with ControlGroup(memory=512 * MIB, cores=0.5):
            pass
    except OSError as error:
        pytest.skip(f"no control groups: {error}")


@pytest.mark.usefixtures("groups")
@pytest.mark.parametrize(
    ("memory", "cores"), [(512 * MIB, None), (None, 0.1)], ids=["512 MiB", "a tenth of a core"]
)
async def test_a_worker_with_little(stage: Stage, memory: int | None, cores: float | None) -> None:
    topics = await stage.make_topics(created=3, status=3)
    world = World(94, 300, topics, WINDOW, GRACE, spread=25, behaviours=JUDGED)
    # With a tenth of a core a member misses sessions of 3 s, as the guide on sizing says.
    (worker,) = await stage.ready_workers(topics, 1, session_timeout="PT15S")
    with ControlGroup(memory=memory, cores=cores) as group:
        async with stage.publishing(world) as reader:
            group.add(worker.pid)
            stage.strike("limited")
            for _ in range(4):
                await asyncio.sleep(5)
                assert (await worker.get("/livez"))[0] == 200
            resident = (await worker.metrics())["process_resident_memory_bytes"]
            print(f"resident: {resident / MIB:.0f} MiB")
        stage.judge(world, reader)
    assert worker.exit_code == 0
