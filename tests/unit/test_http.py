"""The three pages, and what strangers may do to them."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from worker.errors import CannotListen
from worker.observability import http
from worker.observability.health import Health
from worker.observability.http import HttpServer


@pytest.fixture
def health() -> Health:
    return Health(["consumer", "database"])


@pytest.fixture
async def server(health: Health) -> AsyncIterator[HttpServer]:
    registry = CollectorRegistry()
    Counter("plazo_published", "Published.", registry=registry).inc(3)
    server = HttpServer("127.0.0.1", 0, registry, health)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def get(server: HttpServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session


async def raw(server: HttpServer, data: bytes) -> bytes:
    """What comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("accept", "content_type", "ends"),
    [
        (None, "text/plain; version=0.0.4", b""),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text", b"# EOF\n"),
        ("application/openmetrics-text;version=one.two", "text/plain", b""),
    ],
)
async def test_metrics_come_in_the_format_asked_for(
    get: aiohttp.ClientSession, accept: str | None, content_type: str, ends: bytes
) -> None:
    headers = {"Accept": accept} if accept else {}
    async with get.get("/metrics", headers=headers) as response:
        body = await response.read()
        assert response.status == 200
        assert response.headers["Content-Type"].startswith(content_type)
        assert b"plazo_published_total 3.0\n" in body
        assert body.endswith(ends)


async def test_ready_once_every_part_is(get: aiohttp.ClientSession, health: Health) -> None:
    health.set_ready("consumer")
    health.set_not_ready("database", "read-only")
    async with get.get("/readyz") as response:
        assert response.status == 503
        assert await response.json() == {"ready": False, "reasons": ["database: read-only"]}
    health.set_ready("database")
    async with get.get("/readyz") as response:
        assert response.status == 200
        assert await response.json() == {"ready": True, "reasons": []}


async def test_live_while_the_main_loop_beats(server: HttpServer) -> None:
    now = 0.0
    health = Health(patience=10, monotonic=lambda: now)
    assert health.live()  # starting
    health.beat()
    now = 10.0
    assert health.live()
    now = 10.1
    assert not health.live()
    server._health = health
    reply = await raw(server, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 503 ")
    assert json.loads(reply.rpartition(b"\r\n")[2]) == {"live": False}
    health.beat()
    reply = await raw(server, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 ")


async def test_other_pages_and_methods_are_refused(get: aiohttp.ClientSession) -> None:
    async with get.get("/") as response:
        assert response.status == 404
    async with get.post("/metrics", data=b"x" * 100_000) as response:
        assert response.status == 405
    async with get.head("/metrics") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nA: " + b"x" * 10_000 + b"\r\n\r\n",
        b"\x16\x03\x01 not http\r\n\r\n",
    ],
)
async def test_requests_beyond_bounds_are_refused_without_a_word(
    server: HttpServer, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert b" 400 " in (await raw(server, data)).partition(b"\r\n")[0]
    assert caplog.records == []


async def test_a_fault_of_our_own_is_logged(
    get: aiohttp.ClientSession, server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    del server._health
    async with get.get("/readyz") as response:
        assert response.status == 500
    assert len(caplog.records) == 1


async def test_a_silent_connection_is_closed(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_CONNECTION_SECONDS", 0.1)
    assert await raw(server, b"") == b""
    assert await raw(server, b"GET /livez HTTP/1.1\r\nA: ") == b""


@pytest.mark.parametrize("limit", ["_SILENT", "_ASKING"])
async def test_the_oldest_connection_makes_room(
    health: Health, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(http, limit, 1)
    never = asyncio.Event()

    async def slow(_request: web.BaseRequest) -> web.Response:
        await never.wait()
        return web.Response()

    server = HttpServer("127.0.0.1", 0, CollectorRegistry(), health, {"/slow": slow})
    await server.start()
    reader, first = await asyncio.open_connection("127.0.0.1", server.port)
    first.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n" + b"\r\n" * (limit == "_ASKING"))
    await asyncio.sleep(0.1)  # until the server knows it
    assert b" 200 " in await raw(server, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    first.close()
    await server.stop()


def ask(port: int, path: str = "/livez") -> tuple[int, float]:
    """Status and duration in seconds; -1 if no answer came. Blocks, like a probe from elsewhere."""
    began = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
            probe.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status = int(probe.recv(1024)[9:12] or -1)
    except OSError:
        status = -1
    return status, time.monotonic() - began


# A thousand silent clients in a process of their own; each that is sent away comes back, at most a
# thousand in a second: without a limit they are a race for the processor, and no test of places.
_CROWD = """
import selectors, socket, sys, time
watched, came = selectors.DefaultSelector(), 0
def come():
    global came
    client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    watched.register(client, selectors.EVENT_READ)
    came += 1
    if came == int(sys.argv[2]):
        print("there", flush=True)
for _ in range(1000):
    come()
while True:
    for key, _ in watched.select():
        watched.unregister(key.fileobj)
        key.fileobj.close()
        time.sleep(0.001)
        come()
"""


@pytest.mark.parametrize(("places", "came"), [(1024, 1000), (256, 1500)])
async def test_live_within_a_second_while_a_thousand_clients_hold_connections(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, places: int, came: int
) -> None:
    monkeypatch.setattr(http, "_SILENT", places)
    crowd = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CROWD, str(server.port), str(came), stdout=asyncio.subprocess.PIPE
    )
    assert crowd.stdout is not None
    try:
        assert await asyncio.wait_for(crowd.stdout.readline(), 30) == b"there\n"
        probes = [await asyncio.to_thread(ask, server.port) for _ in range(20)]
    finally:
        crowd.kill()
        await crowd.wait()
    assert {status for status, _ in probes} == {200}
    assert max(seconds for _, seconds in probes) < 1


async def test_live_while_the_worker_computes_a_batch(server: HttpServer) -> None:
    probe = asyncio.create_task(asyncio.to_thread(ask, server.port))
    await asyncio.sleep(0)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:  # holds the loop, as a batch does
        pass
    status, seconds = await probe
    assert status == 200
    assert seconds < 1


async def test_not_live_when_the_loop_hangs(server: HttpServer) -> None:
    server._health._patience = 0.2

    def later() -> tuple[int, float]:
        time.sleep(0.5)
        return ask(server.port)

    probe = asyncio.create_task(asyncio.to_thread(later))
    await asyncio.sleep(0)
    time.sleep(1)  # noqa: ASYNC251 - the hang
    assert (await probe)[0] == 503
    server._health._patience = 60
    assert (await asyncio.to_thread(ask, server.port))[0] == 200


async def test_a_page_of_the_worker_runs_on_its_loop(health: Health) -> None:
    loops = []

    async def page(_request: web.BaseRequest) -> web.Response:
        loops.append(asyncio.get_running_loop())
        return web.Response(text="here")

    server = HttpServer("127.0.0.1", 0, CollectorRegistry(), health, {"/page": page})
    await server.start()
    assert (await asyncio.to_thread(ask, server.port, "/page"))[0] == 200
    await server.stop()
    assert loops == [asyncio.get_running_loop()]


async def test_a_taken_port_is_named(server: HttpServer, health: Health) -> None:
    second = HttpServer("127.0.0.1", server.port, CollectorRegistry(), health)
    with pytest.raises(CannotListen, match=rf"port {server.port}: .*in use; set PLAZO_HTTP_HOST"):
        await second.start()
    await second.stop()


async def test_it_stops_twice_and_with_connections_open(server: HttpServer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await asyncio.wait_for(server.stop(), 5)
    await server.stop()
    writer.close()
    with pytest.raises(OSError, match=r".*"):
        await asyncio.open_connection("127.0.0.1", server.port)
