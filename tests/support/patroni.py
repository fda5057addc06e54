"""Two Postgres servers that Patroni keeps, one of them the primary; etcd holds the lock.

Patroni and etcd are Debian's packages `patroni` and `etcd-server`; Postgres is the embedded one.
"""

import asyncio
import json
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.support.waiting import eventually
from worker.dev.postgres import EmbeddedPostgres
from worker.dev.process import ChildProcess, StartError, free_port

_PROGRAMS = {name: shutil.which(name) for name in ("patroni", "etcd")}
_PACKAGES = {"patroni": "patroni", "etcd": "etcd-server"}

# For pytest.mark.skipif, with the reason.
MISSING = [_PACKAGES[name] for name, found in _PROGRAMS.items() if found is None]

# Seconds after which a primary that renews nothing has lost its lock. With 5 a busy machine made
# Patroni fail over by itself.
TTL = 10
_LOCAL = "127.0.0.1"


class Node:
    """One server and the Patroni that keeps it."""

    def __init__(self, name: str, directory: Path, cluster: "Patroni") -> None:
        self.name = name
        self.port = free_port()
        self.api = free_port()
        self.data = directory / f"{name}-data"
        self._directory = directory
        self._cluster = cluster
        self._process: ChildProcess | None = None

    def start(self) -> None:
        """Start Patroni; it starts Postgres."""
        file = self._directory / f"{self.name}.yaml"
        file.write_text(json.dumps(self._settings()))  # JSON is YAML
        account = self._cluster.account
        program = _PROGRAMS["patroni"]
        assert program is not None
        self._process = ChildProcess(
            [program, file],
            log=self._directory / f"{self.name}.log",
            environment={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
        )

    async def role(self) -> str:
        """``primary``, ``replica``, or what else Patroni says; empty while it says nothing."""
        told = await self._ask("GET", "patroni")
        if told.get("state") != "running":
            return ""
        role = str(told.get("role", ""))
        return "primary" if role == "master" else role

    async def switch_over(self) -> None:
        """Let this primary become a standby in place, and the other one the primary."""
        await self._ask("POST", "switchover", leader=self.name)

    def freeze(self) -> None:
        """Stop the machine as a hypervisor does: Patroni and Postgres, in the middle of a word."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on where it was."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    async def kill9(self) -> None:
        """Crash: nothing of it lives on."""
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self._process is not None
        await self._process.kill()

    def tail(self) -> str:
        """The end of Patroni's log."""
        return self._process.tail() if self._process else ""

    def _pids(self) -> list[int]:
        """Patroni, the server and its children. Each of these leads a process group of its own."""
        found = [self._process.pid] if self._process and self._process.alive else []
        with suppress(OSError, IndexError, ValueError):
            server = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
            found += [server, *(int(child) for child in children)]
        return found

    async def _ask(self, method: str, path: str, **body: str) -> dict[str, Any]:
        limit = aiohttp.ClientTimeout(total=1 if method == "GET" else 30)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.request(
                    method, f"http://{_LOCAL}:{self.api}/{path}", json=body or None
                ) as answer,
            ):
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return {}
        if method == "POST":
            assert answer.status == 200, text
            return {}
        found: dict[str, Any] = json.loads(text)
        return found

    def _settings(self) -> dict[str, Any]:
        user = {"username": "postgres", "password": "unused"}
        return {
            "scope": "plazo",
            "name": self.name,
            "restapi": {
                "listen": f"{_LOCAL}:{self.api}",
                "connect_address": f"{_LOCAL}:{self.api}",
            },
            "etcd3": {"host": f"{_LOCAL}:{self._cluster.etcd_port}"},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": 2,
                    "retry_timeout": 4,
                    # As docs/how-to/back-up.md asks for.
                    "synchronous_mode": True,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {"max_connections": 100, "wal_log_hints": "on"},
                    },
                },
                "initdb": [{"encoding": "UTF8"}, "no-locale", {"auth": "trust"}],
            },
            "postgresql": {
                "listen": f"{_LOCAL}:{self.port}",
                "connect_address": f"{_LOCAL}:{self.port}",
                "data_dir": str(self.data),
                "bin_dir": str(self._cluster.programs),
                "pgpass": str(self._directory / f"{self.name}.pgpass"),
                "authentication": dict.fromkeys(("superuser", "replication", "rewind"), user),
                "pg_hba": [
                    f"host {database} all {_LOCAL}/32 trust" for database in ("all", "replication")
                ],
                "parameters": {"unix_socket_directories": "", "timezone": "UTC"},
            },
        }


class Patroni:
    """A cluster with one primary and one synchronous standby once started."""

    def __init__(self) -> None:
        embedded = EmbeddedPostgres()
        self.programs = embedded._programs()
        self.account = embedded._account
        self.etcd_port = free_port()
        self._embedded = embedded
        self._directory = Path(tempfile.mkdtemp(prefix="plazo-patroni-"))
        if self.account:
            os.chown(self._directory, self.account.pw_uid, self.account.pw_gid)
        self.nodes = [Node(name, self._directory, self) for name in ("one", "two")]
        self._etcd: ChildProcess | None = None

    def url(self, database: str = "postgres") -> str:
        """All hosts, as a client names them that looks for the primary itself."""
        hosts = ",".join(f"{_LOCAL}:{node.port}" for node in self.nodes)
        return f"postgresql://postgres@{hosts}/{database}?target_session_attrs=primary"

    async def primary(self) -> Node:
        """The primary; raises ``AssertionError`` unless there is exactly one."""
        (found,) = [node for node in self.nodes if await node.role() == "primary"] or [None]
        assert found is not None, "no primary"
        return found

    async def other(self) -> Node:
        """The one that is not the primary."""
        primary = await self.primary()
        return next(node for node in self.nodes if node is not primary)

    async def whole(self, timeout: float = 90.0) -> Node:
        """Wait until a synchronous standby follows a primary, which is returned."""

        async def settled() -> bool:
            told = [await node._ask("GET", "cluster") for node in self.nodes]
            roles = [sorted(one["role"] for one in each.get("members", ())) for each in told]
            up = [one["state"] for each in told for one in each.get("members", ())]
            return (
                roles == [["leader", "sync_standby"]] * 2
                and all(state in ("running", "streaming") for state in up)
                and sorted([await node.role() for node in self.nodes]) == ["primary", "replica"]
            )

        try:
            await eventually(settled, timeout)
        except AssertionError as error:
            logs = "\n".join(node.tail() for node in self.nodes)
            raise StartError(f"{error}\n{logs}") from None
        return await self.primary()

    async def __aenter__(self) -> Self:
        program = _PROGRAMS["etcd"]
        assert program is not None
        url, peer = f"http://{_LOCAL}:{self.etcd_port}", f"http://{_LOCAL}:{free_port()}"
        self._etcd = ChildProcess(
            [program, "--data-dir", self._directory / "etcd", "--listen-client-urls", url,
             "--advertise-client-urls", url, "--listen-peer-urls", peer,
             "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
             "--unsafe-no-fsync"],
            log=self._directory / "etcd.log",
        )  # fmt: skip
        await self._etcd.wait_until(self._etcd_answers, 30)
        first, second = self.nodes
        first.start()
        await eventually(lambda: _is(first, "primary"), 60, "a first primary")
        second.start()
        await self.whole()
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes:
            node.wake()
            await node.kill9()
        if self._etcd:
            await self._etcd.kill()
        await self._embedded.stop()  # its copy of the programs
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def _etcd_answers(self) -> bool:
        limit = aiohttp.ClientTimeout(total=1)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.get(f"http://{_LOCAL}:{self.etcd_port}/health") as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


async def _is(node: Node, role: str) -> bool:
    return await node.role() == role
