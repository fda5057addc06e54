"""The HTTP server: /metrics, /livez, /readyz and the board, on a thread and a loop of its own.

A batch that is computed must not delay a probe, so only the board's data come from the worker's
loop. Small on purpose: few pages, no request bodies, one request per connection. No client can
cost the worker more than a few kilobytes for a few seconds, and no crowd keeps a newcomer out.
"""

import asyncio
import json
import logging
import os
import resource
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from threading import Thread

from aiohttp import web
from aiohttp.http import HttpProcessingError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.errors import CannotListen
from worker.observability.health import Health

# A connection is closed after this in any case; scrapes of Prometheus end after 10 s.
_CONNECTION_SECONDS = 10.0
# Too many connections would use up the file descriptors that Kafka and Postgres need. When all
# places are taken, a newcomer gets that of the oldest.
_SILENT = min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)  # have not yet asked
_ASKING = 64
# Accepted in one turn of the loop: a newcomer has several turns in which to ask.
_ACCEPTED = 16
# Clients that the kernel lets wait: a probe that finds no room asks again after a second.
_BACKLOG = 4096
# Between two signs of life of the worker's loop.
_TURN_SECONDS = 1.0
_HEADER_BYTES = 4096
_HEAD_BYTES = 2 * _HEADER_BYTES
_NO_STORE = {"Cache-Control": "no-store"}

Page = Callable[[web.BaseRequest], Awaitable[web.Response]]


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whether to log: aiohttp logs an error with traceback when a port scanner sends no HTTP."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_log = logging.getLogger(__name__)
_log.addFilter(_is_our_fault)


class _Silent(asyncio.Protocol):
    """A client until it has sent the head of a request; this costs little, and a crowd as well."""

    def __init__(
        self, silent: dict["_Silent", None], admit: Callable[[asyncio.Transport, bytes], None]
    ) -> None:
        self._silent = silent
        self._admit = admit
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._silent[self] = None
        if len(self._silent) > _SILENT:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.close()
        asyncio.get_running_loop().call_later(_CONNECTION_SECONDS, transport.abort)

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._head += data
        ended = b"\n\r\n" in self._head or b"\n\n" in self._head
        if (ended or len(self._head) > _HEAD_BYTES) and self._silent.pop(self, self) is None:
            self._admit(self._transport, self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._silent.pop(self, None)


class HttpServer:
    """Serves the pages on one address; ``more`` are further pages, by path.

    ``start`` once, ``stop`` any number of times.
    """

    def __init__(
        self,
        host: str,
        port: int,
        metrics_registry: CollectorRegistry,
        health: Health,
        more: Mapping[str, Page] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._registry = metrics_registry
        self._health = health
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._main: asyncio.AbstractEventLoop | None = None
        self._turning: asyncio.TimerHandle | None = None
        self._web: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._silent: dict[_Silent, None] = {}
        self._encoding = asyncio.Lock()
        self._pages: dict[str, Page] = {
            **{path: self._on_main(page) for path, page in (more or {}).items()},
            "/metrics": self._metrics,
            "/livez": self._livez,
            "/readyz": self._readyz,
        }

    @property
    def port(self) -> int:
        """The port in use; before ``start`` the configured one."""
        return self._port

    async def start(self) -> None:
        """Listen.

        Raises:
            CannotListen: the port is taken, or the address is not ours.
        """
        self._main = asyncio.get_running_loop()
        self._loop = asyncio.SelectorEventLoop()
        self._thread = Thread(target=self._loop.run_forever, name="http", daemon=True)
        self._thread.start()
        try:
            await self._there(self._listen())
        except OSError as error:
            await self.stop()
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise CannotListen(
                f"cannot listen on {self._host} port {self._port}: {why}; "
                "set PLAZO_HTTP_HOST and PLAZO_HTTP_PORT"
            ) from error
        self._turn()

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._turning is not None:
            self._turning.cancel()
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None:
            return
        await self._there(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(thread.join)
        self._loop.close()

    async def _listen(self) -> None:
        self._web = web.Server(
            self._answer,
            handler_cancellation=True,
            access_log=None,
            logger=_log,
            keepalive_timeout=0,
            lingering_time=0,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )
        self._server = await asyncio.get_running_loop().create_server(
            partial(_Silent, self._silent, self._admit), self._host, self._port, backlog=_ACCEPTED
        )
        for listening in self._server.sockets:
            # asyncio takes its backlog for both: how many wait, and how many one turn accepts.
            with socket.fromfd(listening.fileno(), listening.family, listening.type) as same:
                same.listen(_BACKLOG)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is None or self._web is None:
            return
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(5):  # turns, in which those just accepted become connections
            await asyncio.sleep(0)
        await self._web.shutdown(timeout=1.0)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        self._server.close()
        for one in self._silent:
            one.close()
        await asyncio.sleep(0)  # in which the transports close
        await self._server.wait_closed()

    async def _there(self, work: Coroutine[None, None, None]) -> None:
        """Do this work on the server's own loop."""
        assert self._loop is not None
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _on_main(self, page: Page) -> Page:
        """The page, computed on the worker's loop, where its database is."""

        async def on_main(request: web.BaseRequest) -> web.Response:
            async def work() -> web.Response:
                return await page(request)

            assert self._main is not None
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._main))

        return on_main

    def _turn(self) -> None:
        assert self._main is not None
        self._health.turn()
        self._turning = self._main.call_later(_TURN_SECONDS, self._turn)

    def _admit(self, transport: asyncio.Transport, head: bytes) -> None:
        assert self._web is not None
        asking = [one for one in self._web.connections if one.transport is not None]
        if len(asking) >= _ASKING:
            asking[0].force_close()
        protocol = self._web()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(head)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        page = self._pages.get(request.path)
        if page is None:
            response = web.Response(status=404, text="not found\n")
        elif request.method not in ("GET", "HEAD"):
            response = web.Response(status=405, headers={"Allow": "GET, HEAD"})
        else:
            response = await page(request)
        response.force_close()
        return response

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        try:
            encode, content_type = choose_encoder(",".join(request.headers.getall("Accept", ())))
        except TypeError:  # a version that is not a number
            encode, content_type = choose_encoder("")
        async with self._encoding:  # one in each turn of the loop: probes go in between
            body = encode(self._registry)
        response = web.Response(body=body, headers={"Content-Type": content_type, **_NO_STORE})
        response.enable_compression()
        return response

    async def _livez(self, _request: web.BaseRequest) -> web.Response:
        live = self._health.live()
        return _json(200 if live else 503, {"live": live})

    async def _readyz(self, _request: web.BaseRequest) -> web.Response:
        ready = self._health.ready
        body = {"ready": ready, "reasons": self._health.reasons}
        return _json(200 if ready else 503, body)


def _json(status: int, body: object) -> web.Response:
    return web.Response(
        status=status,
        text=json.dumps(body) + "\n",
        content_type="application/json",
        headers=_NO_STORE,
    )
