"""A control group with limits of memory and CPU, of version 1 or 2."""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_ROOT = Path("/sys/fs/cgroup")


class ControlGroup:
    """Limits the processes that are added to it.

    Raises:
        OSError: this machine lets us make none.
    """

    def __init__(self, *, memory: int | None = None, cores: float | None = None) -> None:
        name = f"plazo-{os.getpid()}"
        quota = None if cores is None else int(100_000 * cores)
        self._groups: list[Path] = []
        if (_ROOT / "cgroup.controllers").exists():
            group = self._make(_ROOT / name)
            if memory is not None:
                (group / "memory.max").write_text(str(memory))
            if quota is not None:
                (group / "cpu.max").write_text(f"{quota} 100000")
            return
        if memory is not None:
            group = self._make(_ROOT / "memory" / name)
            (group / "memory.limit_in_bytes").write_text(str(memory))
        if quota is not None:
            group = self._make(_ROOT / "cpu" / name)
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text(str(quota))

    def add(self, pid: int) -> None:
        """Limit a process, with all its threads."""
        for group in self._groups:
            (group / "cgroup.procs").write_text(str(pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for group in self._groups:
            with suppress(OSError):  # a process that still runs
                group.rmdir()

    def _make(self, group: Path) -> Path:
        group.mkdir()
        self._groups.append(group)
        return group
