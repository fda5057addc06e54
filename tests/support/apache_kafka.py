"""A real Apache Kafka on this machine, with the faults that a broker can have.

`python -m tests.support.apache_kafka` (`make kafka`) fetches its jars through Maven.
"""

import base64
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from worker.dev.broker import brokers_known_to
from worker.dev.process import ChildProcess, StartError, free_port

_HERE = Path(__file__).parent / "kafka"
JARS = Path(__file__).parents[2] / ".cache" / "kafka" / "libs"


def fetch_jars(pom: Path = _HERE / "pom.xml", libs: Path = JARS) -> Path:
    """Copy Kafka's jars to ``.cache`` unless they are there, or those of ``pom``; the directory."""
    if not libs.is_dir():
        libs.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when complete, so that an interrupted or concurrent run leaves no half.
        partial = Path(tempfile.mkdtemp(prefix="libs-", dir=libs.parent))
        command = ["mvn", "-q", "-B", "-f", str(pom)]
        command += ["dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
        try:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
            if not libs.is_dir():
                partial.rename(libs)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return libs


class Member(NamedTuple):
    """A node of a cluster: its number, the ports of all controllers by node, and the cluster."""

    node: int
    controllers: Mapping[int, int]
    cluster_id: str


def new_cluster_id() -> str:
    """An id as Kafka wants it: 16 bytes in Base64."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


class ApacheKafka:
    """One KRaft node, broker and controller. Its port and data stay the same over restarts.

    ``detour`` is the port of a proxy: clients that come in by ``detour_port`` are told that
    address, so that they stay behind the proxy. Others come in as ever. ``member`` makes it a
    node of a cluster.
    """

    idempotence = True  # it has producer ids and transactions

    def __init__(
        self,
        settings: Mapping[str, str | int] | None = None,
        *,
        detour: int | None = None,
        member: Member | None = None,
    ) -> None:
        self.port = free_port()
        self.detour_port = free_port()
        self._member = member or Member(1, {1: free_port()}, new_cluster_id())
        self._detour = detour
        self._settings = settings or {}
        self._directory: Path | None = None
        self._process: ChildProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        return self._running.pid

    @property
    def data(self) -> Path:
        """The directory of its logs."""
        return self._home / "data"

    async def start(self, timeout: float = 60.0) -> Self:
        """Format the storage the first time; return once the broker is in its own metadata."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="plazo-kafka-"))
            self._write_configuration(self._directory)
            # In one word: an id may begin with a dash.
            cluster = f"--cluster-id={self._member.cluster_id}"
            tool = self._java("kafka.tools.StorageTool", "format", cluster)
            command = [*tool, "-c", str(self._configuration)]
            process = ChildProcess(command, log=self._log)
            if await process.finish(timeout) != 0:
                raise StartError(f"formatting the storage failed\n{process.tail()}")
        command = self._java("kafka.Kafka", str(self._configuration))
        # Shutting down in order takes seconds; if we die, nobody needs that order.
        self._process = ChildProcess(command, log=self._log, orphan_signal=signal.SIGKILL)
        await self._process.wait_until(self._is_ready, timeout)
        return self

    async def stop(self) -> None:
        """Controlled shutdown; the data stays."""
        if self._process:
            await self._process.stop()
        self._process = None

    async def kill9(self) -> None:
        """Crash."""
        await self._running.kill()
        self._process = None

    def pause(self) -> None:
        """Hang: connections stay open and nothing answers."""
        self._running.pause()

    def resume(self) -> None:
        """End the hang."""
        self._running.send(signal.SIGCONT)

    async def restart(self) -> None:
        """Stop if running, and start on the same ports and data."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """End it at once and remove its data."""
        if self._process:
            await self._process.kill()
        self._process = None
        if self._directory:
            shutil.rmtree(self._directory)
        self._directory = None

    def log(self) -> str:
        """The end of its log."""
        return self._running.tail()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def _running(self) -> ChildProcess:
        assert self._process is not None, "Kafka is not running"
        return self._process

    @property
    def _home(self) -> Path:
        assert self._directory is not None
        return self._directory

    @property
    def _log(self) -> Path:
        return self._home / "log"

    @property
    def _configuration(self) -> Path:
        return self._home / "server.properties"

    async def _is_ready(self) -> bool:
        return await brokers_known_to(self.port) > 0

    def _java(self, main: str, *arguments: str) -> list[str]:
        # Small and quick to start, for two cores: no background compiler of the second tier.
        options = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        options += [f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}"]
        return ["java", *options, "-cp", f"{fetch_jars()}{os.sep}*", main, *arguments]

    def _write_configuration(self, directory: Path) -> None:
        node, controllers, _ = self._member
        broker, controller = f"127.0.0.1:{self.port}", f"127.0.0.1:{controllers[node]}"
        listeners, advertised = f"PLAINTEXT://{broker}", f"PLAINTEXT://{broker}"
        if self._detour is not None:
            listeners += f",DETOUR://127.0.0.1:{self.detour_port}"
            advertised += f",DETOUR://127.0.0.1:{self._detour}"
        settings: dict[str, str | int] = {
            "process.roles": "broker,controller",
            "node.id": node,
            "listeners": f"{listeners},CONTROLLER://{controller}",
            "advertised.listeners": advertised,
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,DETOUR:PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": ",".join(
                f"{number}@127.0.0.1:{port}" for number, port in controllers.items()
            ),
            "log.dirs": str(self.data),
            # One node holds the single copy of everything.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            # A topic that nobody created is a fault to be seen.
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            # After a crash the broker waits until its former self has expired: 9 s by default.
            "broker.session.timeout.ms": 2_000,
            "broker.heartbeat.interval.ms": 500,
            **self._settings,
        }
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (directory / "server.properties").write_text("".join(lines))


if __name__ == "__main__":
    print(f"Apache Kafka's jars are in {fetch_jars()}")
