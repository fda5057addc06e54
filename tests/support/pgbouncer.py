"""pgbouncer between a worker and Postgres; from Debian's package of that name."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Self

from worker.dev.process import ChildProcess, free_port
from worker.storage.database import _SESSION

_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")

# What a session may ask for at its start.
_ASKED = (*_SESSION, "search_path")

# For pytest.mark.skipif.
MISSING = _PROGRAM is None


class PgBouncer:
    """Pools the connections to ``target``, a port of 127.0.0.1, by ``mode``."""

    def __init__(self, target: int, mode: str, *, ignores: bool = True) -> None:
        self.port = free_port()
        self._target = target
        self._mode = mode
        self._ignores = ignores
        self._directory: Path | None = None
        self._process: ChildProcess | None = None

    async def start(self) -> Self:
        """Start, and return once it listens."""
        assert _PROGRAM is not None
        self._directory = self._directory or Path(tempfile.mkdtemp(prefix="plazo-pgbouncer-"))
        users = self._directory / "users"
        users.write_text('"postgres" ""\n')
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "auth_file": users,
            "pool_mode": self._mode,
            "default_pool_size": 40,
            # Otherwise it refuses connections with settings that it does not know.
            **({"ignore_startup_parameters": ",".join(_ASKED)} if self._ignores else {}),
        }
        lines = ["[databases]", f"* = host=127.0.0.1 port={self._target} user=postgres"]
        lines += ["[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items())]
        file = self._directory / "pgbouncer.ini"
        file.write_text("\n".join(lines) + "\n")
        self._directory.chmod(0o755)
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self._process = ChildProcess([_PROGRAM, *as_user, file], log=self._directory / "log")
        await self._process.wait_until(self._listens, 20)
        return self

    async def kill9(self) -> None:
        """Crash."""
        assert self._process is not None
        await self._process.kill()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        if self._process:
            await self._process.kill()
        if self._directory:
            shutil.rmtree(self._directory)

    async def _listens(self) -> bool:
        assert self._process is not None
        return "process up" in self._process.tail()
