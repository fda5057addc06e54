"""The worker as a process of its own: started, hurt and stopped like in production."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from tests.support.waiting import eventually
from worker.dev.process import free_port, pause

ROOT = Path(__file__).parents[2]


class WorkerProcess:
    """``plazo run`` (or other ``arguments``) with these ``PLAZO_…`` variables and no others.

    ``code`` is the checkout that it runs.

    Output goes to ``NAME.stdout`` and ``NAME.stderr`` in ``directory``.
    """

    module = "worker"  # or one that runs it

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        *,
        name: str = "worker",
        arguments: Sequence[str] = ("run",),
        code: Path = ROOT,
    ) -> None:
        self.http_port = free_port()
        self.stdout_file = directory / f"{name}.stdout"
        self.stderr_file = directory / f"{name}.stderr"
        self._directory = directory  # not the checkout: a developer's .env must not reach a test
        self._arguments = arguments
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PLAZO_")},
            "PYTHONPATH": str(code),
            "PLAZO_LOG_FORMAT": "json",
            "PLAZO_HTTP_PORT": str(self.http_port),
            # Most tests publish orders that are older than their database and topics.
            "PLAZO_BEFORE_ADOPTION": "decide",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "WorkerProcess":
        """Start it; again after it has ended, with the same variables and HTTP port."""
        assert self._process is None or not self.alive, "it still runs"
        with self.stdout_file.open("ab") as out, self.stderr_file.open("ab") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self._directory,
                env=self._environment,
            )
        return self

    @property
    def pid(self) -> int:
        return self._started.pid

    @property
    def alive(self) -> bool:
        return self._started.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._started.poll()

    @property
    def output(self) -> str:
        """All it has written so far, to either stream."""
        return self.stdout_file.read_text() + self.stderr_file.read_text()

    async def get(self, path: str, timeout: float = 5.0) -> tuple[int, str]:
        """Status and body of its HTTP answer; status 0 while nobody answers."""
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.get(f"http://127.0.0.1:{self.http_port}{path}") as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return 0, repr(error)

    async def wait_ready(self, timeout: float = 60.0) -> "WorkerProcess":
        """Until /readyz says yes; fails at once when the process ends."""
        status, body = 0, ""

        async def settled() -> bool:
            nonlocal status, body
            status, body = await self.get("/readyz")
            return status == 200 or not self.alive

        try:
            await eventually(settled, timeout)
            assert self.alive, f"ended with exit code {self.exit_code}"
        except AssertionError as error:
            raise AssertionError(
                f"not ready: {error}; /readyz: {status} {body}\n{self.output[-4000:]}"
            ) from None
        return self

    async def metrics(self) -> dict[str, float]:
        """The samples of /metrics, by name with labels, such as ``plazo_x_total{a="b"}``."""
        status, body = await self.get("/metrics")
        assert status == 200, body
        lines = [line for line in body.splitlines() if line and not line.startswith("#")]
        return {key: float(value) for key, _, value in (line.rpartition(" ") for line in lines)}

    def sigkill(self) -> None:
        """Crash."""
        self._started.kill()
        self._started.wait()

    def kill_if_alive(self) -> None:
        """For the end of a test."""
        if self._process is not None and self.alive:
            self.sigkill()

    def sigstop(self) -> None:
        """Hang: a long garbage collection, a frozen virtual machine."""
        pause(self._started.pid)

    def sigcont(self) -> None:
        """End the hang."""
        self._started.send_signal(signal.SIGCONT)

    async def sigterm(self, timeout: float = 40.0) -> int:
        """Ask it to stop; its exit code. ``AssertionError`` when it does not within the time."""
        self._started.terminate()
        return await self.wait(timeout)

    async def wait(self, timeout: float = 40.0) -> int:
        """Its exit code, once it has ended."""
        await eventually(
            lambda: not self.alive, timeout, f"the end of the worker\n{self.output[-4000:]}"
        )
        return self._started.wait()

    @property
    def _started(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "not started"
        return self._process
