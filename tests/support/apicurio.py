"""A real schema registry on this machine: Apicurio Registry, with the HTTP API of Confluent.

`python -m tests.support.apicurio` fetches it through Maven.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Self

import aiohttp
import pytest

from tests.support import parts
from worker.dev.process import ChildProcess, free_port

# The last that runs on Java 17.
_VERSION = "2.6.13.Final"
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{_VERSION}:tar.gz:all"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
HOME = Path(__file__).parents[2] / ".cache" / "apicurio" / _VERSION


def is_here() -> bool:
    """Whether Java is here, and the registry or the Maven to fetch it."""
    return shutil.which("java") is not None and (HOME.is_dir() or shutil.which("mvn") is not None)


needs_a_registry = pytest.mark.skipif(
    # As for Kafka: in CI a test that silently does not run would be a lie.
    not (is_here() and parts.apache_kafka_is_here()) and not parts.must_be_apache_kafka(),
    reason="no Java or Maven here, or they are unwanted",
)


def fetch() -> Path:
    """Unpack the registry to ``.cache`` unless it is there; the directory."""
    if not HOME.is_dir():
        HOME.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when complete, so that an interrupted or concurrent run leaves no half.
        partial = Path(tempfile.mkdtemp(prefix="unpacked-", dir=HOME.parent))
        command = ["mvn", "-q", "-B", _PLUGIN, f"-Dartifact={_ARTIFACT}"]
        try:
            subprocess.run(
                [*command, f"-DoutputDirectory={partial}"], check=True, stdin=subprocess.DEVNULL
            )
            (archive,) = partial.glob("*.tar.gz")
            with tarfile.open(archive) as packed:
                packed.extractall(partial, filter="data")
            archive.unlink()
            if not HOME.is_dir():
                partial.rename(HOME)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return HOME


class Apicurio:
    """One registry that keeps its schemas in memory."""

    def __init__(self) -> None:
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="plazo-apicurio-"))
        self._process: ChildProcess | None = None

    @property
    def url(self) -> str:
        """Address of the API of Confluent."""
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    async def start(self, timeout: float = 150.0) -> Self:
        """Return once it answers."""
        (jar,) = (await asyncio.to_thread(fetch)).glob("*-runner.jar")
        options = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        address = {"QUARKUS_HTTP_HOST": "127.0.0.1", "QUARKUS_HTTP_PORT": str(self.port)}
        self._process = ChildProcess(
            ["java", *options, "-jar", jar],
            log=self._directory / "log",
            orphan_signal=signal.SIGKILL,
            environment={**os.environ, **address, "REGISTRY_UI_CONFIG_UI_CONTEXT_PATH": "/ui/"},
        )
        await self._process.wait_until(self._answers, timeout)
        return self

    def pause(self) -> None:
        """Hang: connections stay open and nothing answers."""
        assert self._process
        self._process.pause()

    def resume(self) -> None:
        """End the hang."""
        assert self._process
        self._process.send(signal.SIGCONT)

    async def close(self) -> None:
        """End it at once, and its schemas."""
        if self._process:
            await self._process.kill()
        self._process = None
        shutil.rmtree(self._directory)

    async def _answers(self) -> bool:
        limit = aiohttp.ClientTimeout(total=2)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.get(f"{self.url}/schemas/types") as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


if __name__ == "__main__":
    print(f"Apicurio Registry is in {fetch()}")
