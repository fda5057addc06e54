"""The cluster, one for a whole run.

Nothing here is collected unless a path in this directory is named, as by `make cluster`.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from .control_plane import ControlPlane
from .programs import CRDS

HERE = Path(__file__).parent
# Of the parts and the pods of the last run.
LOGS = HERE.parents[1] / ".cache" / "cluster-logs"


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """Not pytest's directory: the path of a socket may have no more than 107 characters."""
    with tempfile.TemporaryDirectory(prefix="plazo-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)
        shutil.rmtree(LOGS, ignore_errors=True)
        LOGS.mkdir(parents=True)
        for log in Path(directory).rglob("*.log"):
            shutil.copy(log, LOGS / "-".join(log.relative_to(directory).parts[-3:]))


@pytest.fixture(scope="session")
async def plane(home: Path) -> AsyncIterator[ControlPlane]:
    """An API server that knows the operators' resources and nothing else."""
    async with ControlPlane(home, whole="PLAZO_CLUSTER_IMAGE" in os.environ) as started:
        started.kubectl("apply", "--server-side", f"--filename={CRDS}")
        await started.wait("Established", "crds")
        yield started
