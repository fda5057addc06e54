"""The HTTP server: /metrics, /livez, /readyz and the board, on the worker's own event loop.

Small on purpose: few pages, no request bodies, one request per connection. No client can cost the
worker more than a few kilobytes for a few seconds.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from aiohttp.http import HttpProcessingError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.errors import CannotListen
from worker.observability.health import Health

# A connection is closed after this in any case; scrapes of Prometheus end after 10 s.
_CONNECTION_SECONDS = 10.0
_CONNECTIONS = 64
_HEADER_BYTES = 4096
_NO_STORE = {"Cache-Control": "no-store"}

Page = Callable[[web.BaseRequest], Awaitable[web.Response]]


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whether to log: aiohttp logs an error with traceback when a port scanner sends no HTTP."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_log = logging.getLogger(__name__)
_log.addFilter(_is_our_fault)


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
        self._web: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._pages: dict[str, Page] = {
            **(more or {}),
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
        loop = asyncio.get_running_loop()
        self._web = web.Server(
            self._answer,
            access_log=None,
            logger=_log,
            keepalive_timeout=0,
            lingering_time=0,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )
        try:
            self._server = await loop.create_server(
                self._connection, self._host, self._port, backlog=_CONNECTIONS
            )
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise CannotListen(
                f"cannot listen on {self._host} port {self._port}: {why}; "
                "set PLAZO_HTTP_HOST and PLAZO_HTTP_PORT"
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        server, self._server = self._server, None
        if server is None or self._web is None:
            return
        server.close()
        await self._web.shutdown(timeout=1.0)
        await server.wait_closed()

    def _connection(self) -> asyncio.BaseProtocol:
        assert self._web is not None
        protocol = self._web()
        # aiohttp waits forever for the first request, and too many connections would use up the
        # file descriptors that Kafka and Postgres need.
        crowded = len(self._web.connections) >= _CONNECTIONS
        asyncio.get_running_loop().call_later(
            0.05 if crowded else _CONNECTION_SECONDS, protocol.force_close
        )
        return protocol

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
        response = web.Response(
            body=encode(self._registry), headers={"Content-Type": content_type, **_NO_STORE}
        )
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
