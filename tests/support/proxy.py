"""A TCP proxy with the faults that a network can have, between a worker and one of its parts."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from worker.dev.process import free_port

_CHUNK = 65_536


class Do(Enum):
    """What becomes of what a client has just sent."""

    PASS = "pass"
    LOSE_REQUEST = "lose request"  # cut before the server has it
    LOSE_ANSWER = "lose answer"  # cut once the server has answered: it did what was asked
    HOLD_ANSWER = "hold answer"  # the server did it, and the client waits in vain


@dataclass(eq=False)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    fate: Do = Do.PASS
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def cut(self) -> None:
        """Reset both ends: no goodbye, and nothing that is under way arrives."""
        for writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """Forwards ``port`` to ``target`` on 127.0.0.1; both ports stay the same throughout.

    ``on_request`` sees every piece that a client sends and says what becomes of it.
    """

    def __init__(self, target: int = 0) -> None:
        self.port = free_port()
        self.target = target
        self.on_request: Callable[[bytes], Awaitable[Do]] | None = None
        self.done: dict[Do, int] = dict.fromkeys(Do, 0)
        self._links: set[_Link] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        for link in list(self._links):
            link.cut()

    def refuse(self) -> None:
        """Reset every connection, now and until :meth:`heal`."""
        self._refusing = True
        self.cut()

    def silence(self) -> None:
        """Let nothing through; connections stay open, and what is sent arrives after healing."""
        self._flowing.clear()

    def heal(self) -> None:
        """End every fault."""
        self._refusing = False
        self.on_request = None
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        for one in (writer, server_writer):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(writer, server_writer)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward_requests(reader, link))
                group.create_task(self._forward_answers(server_reader, link))
        except* OSError:
            pass
        finally:
            link.cut()
            self._links.discard(link)

    async def _forward_requests(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while piece := await reader.read(_CHUNK):
            await self._flowing.wait()
            link.fate = Do.PASS if self.on_request is None else await self.on_request(piece)
            self.done[link.fate] += 1
            if link.fate is Do.LOSE_REQUEST:
                link.cut()
                return
            link.server.write(piece)
            await link.server.drain()
        with suppress(OSError):
            link.server.write_eof()

    async def _forward_answers(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while piece := await reader.read(_CHUNK):
            await self._flowing.wait()
            if link.fate is Do.LOSE_ANSWER:
                link.cut()
                return
            if link.fate is not Do.HOLD_ANSWER:
                link.client.write(piece)
                await link.client.drain()
        with suppress(OSError):
            link.client.write_eof()
