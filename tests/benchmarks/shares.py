"""Holds processes to a share of a core, where the kernel lets us: control groups, as root."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

_PERIOD_US = 10_000
# Version 1 mounts each controller apart; version 2 has one tree.
_V1, _V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


class NoShares(Exception):
    """This machine does not let us."""


@contextmanager
def held(pids: Sequence[int], share: float) -> Iterator[None]:
    """Each process gets at most so much of a core.

    Raises:
        NoShares
    """
    with ExitStack() as groups:
        for pid in pids:
            groups.enter_context(_group(pid, share))
        yield


@contextmanager
def _group(pid: int, share: float) -> Iterator[None]:
    root = _V1 if (_V1 / "cpu.cfs_quota_us").exists() else _V2
    group = root / f"plazo-bench-{uuid.uuid4().hex[:8]}"
    quota = int(share * _PERIOD_US)
    try:
        group.mkdir()
        try:
            if root is _V1:
                (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
                (group / "cpu.cfs_quota_us").write_text(str(quota))
            else:
                (group / "cpu.max").write_text(f"{quota} {_PERIOD_US}")
            (group / "cgroup.procs").write_text(str(pid))
        except OSError:
            group.rmdir()
            raise
    except OSError as error:
        raise NoShares(f"no control group to be had: {error.strerror}") from None
    try:
        yield
    finally:
        # A group goes when it is empty: its process moves back, or has ended.
        if Path(f"/proc/{pid}").exists():
            (root / "cgroup.procs").write_text(str(pid))
        os.rmdir(group)
