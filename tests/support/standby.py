"""An asynchronous standby of a Postgres server, which can be left behind and promoted."""

from pathlib import Path

import asyncpg

from worker.dev.postgres import EmbeddedPostgres
from worker.dev.process import StartError


class Standby(EmbeddedPostgres):
    """Follows ``primary`` from its start on. It can be read, and written to once promoted."""

    def __init__(self, primary: EmbeddedPostgres) -> None:
        # No fewer connections than its primary, or it does not start.
        super().__init__(settings={"max_connections": 200})
        self._primary = primary

    async def leave_behind(self) -> None:
        """Receive nothing more: what the primary commits from now on is lost with it."""
        await self._execute("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")

    async def follow(self, slot: str) -> None:
        """Hold a place in the primary's log by a slot of this name."""
        primary = await asyncpg.connect(self._primary.url)
        await primary.execute("SELECT pg_create_physical_replication_slot($1)", slot)
        await primary.close()
        await self._execute(
            f"ALTER SYSTEM SET primary_slot_name = '{slot}'", "SELECT pg_reload_conf()"
        )

    async def promote(self) -> None:
        """Become the primary, on a new time line."""
        await self._execute("SELECT pg_promote()")

    async def take_over(self) -> None:
        """Become the primary, and let the former one, at its address, be the standby."""
        former = self._primary
        assert former._data_dir is not None
        (former._data_dir / "standby.signal").touch()
        with (former._data_dir / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = '{self.url}'\n")
        await former.restart()  # it stops once this one has all of its log
        await self.promote()

    async def _execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def _initialise(self, programs: Path, data: Path, timeout: float) -> None:
        command = [programs / "pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast"]
        process = self._launch([*command, "-d", self._primary.url])
        if await process.finish(timeout) != 0:
            raise StartError(f"pg_basebackup failed\n{process.tail()}")
