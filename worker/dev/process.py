"""A child process that does not outlive us, and a port for it."""

import asyncio
import atexit
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LOG_TAIL_BYTES = 4_000
_POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec nothing may be imported.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class StartError(RuntimeError):
    """A part did not start; the message ends with the tail of its log."""


def free_port() -> int:
    """A free port on 127.0.0.1.

    It lies below the range from which systems take ports for outgoing connections. Otherwise,
    while the part is down, a client that tries to reconnect may be given that very port and
    connect to itself, and the part can never come back.
    """
    while True:
        port = random.randint(15_000, 32_000)  # noqa: S311
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def pause(child: int) -> None:
    """Hang our child with this process id; return once all its threads have stopped.

    The signal by itself takes hold of a thread only when the kernel next runs it: on a busy
    machine a server goes on to answer for a while.
    """
    os.kill(child, signal.SIGSTOP)
    os.waitpid(child, os.WUNTRACED)


class ChildProcess:
    """Starts a program at once; its output is appended to ``log``.

    It has its own session, so that Ctrl-C in a terminal reaches only us and we stop it in our
    order. On Linux the kernel sends it ``orphan_signal`` (else ``stop_signal``) when we die
    without a word. Create it in a thread that lives as long as the child (the main thread): the
    kernel watches the thread, not the process.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        orphan_signal: signal.Signals | None = None,
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
        group: int | None = None,
    ) -> None:
        self.log = log
        self._stop_signal = stop_signal
        parent = os.getpid()

        def die_with_parent() -> None:
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, int(orphan_signal or stop_signal), 0, 0, 0)
                if os.getppid() != parent:  # we died before the kernel knew
                    os._exit(1)

        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509
            )
        atexit.register(self._kill_group)

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs (a paused process does)."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self._process.send_signal(number)

    def pause(self) -> None:
        """Hang it: see `pause`."""
        pause(self.pid)

    async def wait(self, timeout: float) -> int:
        """Its exit code; raises ``TimeoutError``."""
        async with asyncio.timeout(timeout):
            while (code := self._process.poll()) is None:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
        return code

    async def finish(self, timeout: float) -> int:
        """Let it run to its end and return its exit code; raises ``StartError`` if it hangs."""
        try:
            code = await self.wait(timeout)
        except TimeoutError:
            await self.kill()
            raise StartError(f"not finished after {timeout} s\n{self.tail()}") from None
        atexit.unregister(self._kill_group)
        return code

    async def wait_until(self, ready: Callable[[], Awaitable[bool]], timeout: float) -> None:
        """Return once ``ready`` says so; raise ``StartError`` if the process ends or hangs."""
        try:
            async with asyncio.timeout(timeout):
                while not await ready():
                    if not self.alive:
                        raise StartError(f"exit code {self._process.returncode}\n{self.tail()}")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise StartError(f"not ready after {timeout} s\n{self.tail()}") from None

    async def stop(self, timeout: float = 20.0) -> int:
        """Ask it to end, kill it after ``timeout`` seconds; its exit code."""
        if self.alive:
            self.send(self._stop_signal)
            self.send(signal.SIGCONT)  # it may be paused
        try:
            return await self.wait(timeout)
        except TimeoutError:
            return await self.kill()
        finally:
            atexit.unregister(self._kill_group)

    async def kill(self) -> int:
        """SIGKILL to its whole process group; its exit code."""
        self._kill_group()
        atexit.unregister(self._kill_group)
        return await self.wait(10)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")

    def _kill_group(self) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
