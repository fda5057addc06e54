"""A worker under the confinement of its unit: all that it needs is let through."""

import platform
import shutil
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

import pytest

from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from worker.storage.migrate import migrate

KERNEL = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
LACKING = [
    name
    for name, there in (
        ("systemd-analyze", shutil.which("systemd-analyze")),
        ("libseccomp", find_library("seccomp")),
        ("Linux 6.3", platform.system() == "Linux" and KERNEL >= (6, 3)),
    )
    if not there
]
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"the unit was not tried: no {LACKING}")


def confinement(pid: int) -> tuple[str, str]:
    """What the kernel says: no new privileges, and a filter of system calls."""
    words = Path(f"/proc/{pid}/status").read_text().split()
    return words[words.index("NoNewPrivs:") + 1], words[words.index("Seccomp:") + 1]


async def test_a_worker_works_as_the_unit_confines_it(
    new_worker: Callable[..., WorkerProcess], kafka: Kafka, topics: Topics, database: str
) -> None:
    await migrate(database)
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    worker = new_worker(topics, stock_window="PT1S", grace="PT0S")
    worker.module = "tests.support.confined"
    await worker.start().wait_ready()
    assert confinement(worker.pid) == ("1", "2")
    await market.publish(market.order("kept"), market.act("kept", "start-handling"))
    await market.publish(market.order("silent"))
    await market.publish((topics.order_created, "refused", b"not JSON"), market.order("refused"))
    await market.told(
        "silent auto-cancel stock-not-validated", "refused escalation unreadable-evidence"
    )
    assert await worker.sigterm() == 0
    assert "not permitted" not in worker.output
