"""/metrics, /livez, /readyz and the board, served from the worker's own event loop.

Small on purpose: few pages, no bodies read, one request per connection. Nothing that a client
does may cost the worker more than a few kilobytes for a few seconds.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import web
from aiohttp.http import HttpProcessingError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.errors import CannotListen

# A connection lives no longer than this, whatever it does; Prometheus' scrapes end after 10 s.
_CONNECTION_SECONDS = 10.0
_CONNECTIONS = 64
_HEADER_BYTES = 4096
_NO_STORE = {"Cache-Control": "no-store"}

Page = Callable[[web.BaseRequest], Awaitable[web.Response]]


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Port scanners send what is no HTTP; aiohttp calls that an error, with a traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_log = logging.getLogger(__name__)
_log.addFilter(_is_our_fault)


class Health:
    """What the orchestrator is told: whether to restart the worker, and whether it is at work.

    Each part is not ready until it says so. The worker lives while its main loop calls
    :meth:`beat` at least every ``patience`` seconds; before the first beat it is starting, and
    live, since a migration or a broker that is down is no reason to be restarted.
    """

    def __init__(
        self,
        parts: Iterable[str] = (),
        *,
        patience: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = dict.fromkeys(parts, "starting")
        self._patience = patience
        self._monotonic = monotonic
        self._beat: float | None = None

    def set_not_ready(self, part: str, reason: str) -> None:
        """Say why a part does no work. The reason is public: no personal data."""
        self._waiting[part] = reason

    def set_ready(self, part: str) -> None:
        """Say that a part is at work."""
        self._waiting.pop(part, None)

    def beat(self) -> None:
        """Sign of life from the main loop."""
        self._beat = self._monotonic()

    def live(self) -> bool:
        """Whether the main loop gave a sign of life of late."""
        return self._beat is None or self._monotonic() - self._beat <= self._patience

    def at_work(self, part: str) -> bool:
        """Whether this part is."""
        return part not in self._waiting

    @property
    def ready(self) -> bool:
        """Whether every part is at work."""
        return not self._waiting

    @property
    def reasons(self) -> list[str]:
        """Why it is not ready, as ``part: reason``."""
        return [f"{part}: {reason}" for part, reason in sorted(self._waiting.items())]


class HttpServer:
    """The pages on one address; ``more`` are others, by path.

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
        """The port in use; before ``start`` the one asked for."""
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
        # aiohttp waits for ever for the first request; and too many connections would use up
        # the file descriptors that Kafka and Postgres need.
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
        except TypeError:  # a version that is not made of numbers
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
