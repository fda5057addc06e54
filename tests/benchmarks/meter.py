"""The bill of a piece of work: CPU time by part, and bytes written and sent.

A byte for each event is a megabyte for a million of them, a microsecond is a second.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncpg
import psutil

from .site import Site

WRITTEN = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, pg_database_size(current_database())
"""


@dataclass(frozen=True)
class Bill:
    """For each event or verdict: µs of CPU time by part, and bytes by kind."""

    cpu_us: dict[str, float]
    bytes: dict[str, float]


class Meter:
    """Reads what has been spent since it started.

    ``wal`` is what Postgres wrote ahead, ``database`` by how much the database has grown,
    ``kafka`` the same of all logs of the broker, ``state`` of a directory of the entrant's own.
    ``network`` is all that went over the loopback interface, by whomever: leave the machine alone.
    """

    def __init__(self, site: Site, url: str, pids: Iterable[int], state: Path | None) -> None:
        self._site = site
        self._url = url
        self._state = state
        self.processes = [psutil.Process(pid) for pid in pids]
        self._parts = {
            "worker": self.processes,
            "postgres": [psutil.Process(site.postgres.pid)],
            "kafka": [psutil.Process(site.kafka.pid)],
        }

    @classmethod
    async def start(
        cls, site: Site, url: str, pids: Iterable[int], state: Path | None = None
    ) -> Self:
        """Begin to count, for these processes with all their children."""
        meter = cls(site, url, pids, state)
        meter._cpu, meter._bytes = meter._cpu_seconds(), await meter._written()
        return meter

    _cpu: dict[str, float]
    _bytes: dict[str, int]

    async def bill(self, count: int) -> Bill:
        """What each of so many has cost."""
        cpu, written = self._cpu_seconds(), await self._written()
        return Bill(
            {name: round(1e6 * (cpu[name] - self._cpu[name]) / count, 1) for name in cpu},
            {name: round((written[name] - self._bytes[name]) / count, 1) for name in written},
        )

    def rss_mib(self) -> float:
        """Of the largest process now, with its children."""
        return max(_tree_rss(process) for process in self.processes) / 2**20

    def _cpu_seconds(self) -> dict[str, float]:
        return {name: sum(map(_tree_seconds, of_part)) for name, of_part in self._parts.items()}

    async def _written(self) -> dict[str, int]:
        connection = await asyncpg.connect(self._url)
        try:
            wal, database = await connection.fetchrow(WRITTEN)
        finally:
            await connection.close()
        return {
            "wal": wal,
            "database": database,
            # Without the indexes, which are files with holes.
            "kafka": _size(self._site.kafka.data.rglob("*.log")),
            "state": _size(self._state.rglob("*")) if self._state else 0,
            "network": psutil.net_io_counters(pernic=True)["lo"].bytes_recv,
        }


def _size(files: Iterable[Path]) -> int:
    total = 0
    for file in files:
        with suppress(FileNotFoundError):  # compacted meanwhile
            total += file.stat().st_size
    return total


def _tree(root: psutil.Process) -> Sequence[psutil.Process]:
    return (root, *root.children(recursive=True))


def _tree_rss(root: psutil.Process) -> int:
    total = 0
    for process in _tree(root):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def _tree_seconds(root: psutil.Process) -> float:
    """Of a process, its children, and those that it has outlived."""
    seconds = 0.0
    for process in _tree(root):
        with suppress(psutil.NoSuchProcess):  # its parent has counted it
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
