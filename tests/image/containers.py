"""Containers of the image under test, confined as the pages tell operators to confine them."""

import json
import subprocess
import uuid
from collections.abc import Mapping
from typing import Any

import aiohttp

from deploy.image.engine import Engine
from tests.support.waiting import eventually

MEMORY = 512 * 2**20
# The two limits are those of a machine that may not raise them.
CONFINED = (
    "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
    "--memory", str(MEMORY), "--network", "host",
    "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096",
)  # fmt: skip


class Container:
    """One of the image ``tag``, in the background; :meth:`remove` it in any case.

    It runs the image's own program unless another one is named.
    """

    def __init__(
        self,
        engine: Engine,
        tag: str,
        environment: Mapping[str, str],
        *arguments: str,
        program: str = "",
    ) -> None:
        self._engine = engine
        self.name = f"plazo-test-{uuid.uuid4().hex[:12]}"
        words = ["run", "--detach", "--name", self.name, *confined(engine, environment)]
        words += ["--entrypoint", program] if program else []
        self._call(*words, tag, *arguments)

    def remove(self) -> None:
        """End it at once and leave nothing of it."""
        subprocess.run(
            self._engine.words("rm", "--force", self.name),
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def stop(self, seconds: int) -> int:
        """SIGTERM, and SIGKILL after so many seconds; its exit status."""
        self._call("stop", "--time", str(seconds), self.name)
        return int(self.state()["ExitCode"])

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        return int(self._call("wait", self.name))

    def state(self) -> dict[str, Any]:
        """What the engine knows of its process."""
        found: dict[str, Any] = json.loads(self._call("inspect", self.name))[0]["State"]
        return found

    def process(self) -> dict[str, str]:
        """The first process as the kernel describes it: the fields of ``/proc/1/status``."""
        text = self._call("exec", self.name, "cat", "/proc/1/status")
        return {name: value.strip() for name, _, value in (
            line.partition(":") for line in text.splitlines())}  # fmt: skip

    def output(self) -> str:
        """All it has written to either stream."""
        done = subprocess.run(
            self._engine.words("logs", self.name), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.stdout

    async def wait_ready(self, port: int, timeout: float = 60.0) -> None:
        """Until ``/readyz`` says yes; fails at once if it has ended."""
        said = ""

        async def settled() -> bool:
            nonlocal said
            try:
                async with (
                    aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                    session.get(f"http://127.0.0.1:{port}/readyz") as answer,
                ):
                    said = await answer.text()
                    return answer.status == 200
            except (aiohttp.ClientError, TimeoutError) as error:
                said = repr(error)
                return not self.state()["Running"]

        try:
            await eventually(settled, timeout, interval=0.2)
            assert self.state()["Running"], "it has ended"
        except AssertionError as error:
            raise AssertionError(f"{error}: {said}\n{self.output()[-4000:]}") from None

    def _call(self, *arguments: str) -> str:
        return called(self._engine, *arguments)


def confined(engine: Engine, environment: Mapping[str, str]) -> list[str]:
    """The options of ``run``."""
    # Podman would put writable file systems over the read-only one.
    words = ["--read-only-tmpfs=false"] if "podman" in engine.command else []
    for name, value in environment.items():
        words += ["--env", f"{name}={value}"]
    return [*CONFINED, *words]


def called(engine: Engine, *arguments: str, status: int = 0, timeout: float = 120) -> str:
    """Both streams of a subcommand that has to end with this status."""
    done = subprocess.run(
        engine.words(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == status, f"{' '.join(arguments)}: {done.returncode}\n{done.stdout}"
    return done.stdout
