"""A small schema registry in this process, with the faults that a registry can have."""

import asyncio
import base64
import json
import ssl
from collections import Counter
from typing import Any, Self

from aiohttp import web

from worker.dev.process import free_port


class SmallRegistry:
    """Serves ``schemas`` by id or GUID, and ``subjects`` by name and version.

    ``fault`` answers instead, with this status and a text; ``hang`` lets every request wait.
    ``asked`` counts the requests for schemas. ``registered`` are the versions of each
    subject; a new one is refused with ``incompatible``, which is what the registry says of it.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.schemas: dict[str, dict[str, Any]] = {}
        self.subjects: dict[tuple[str, str], dict[str, Any]] = {}
        self.registered: dict[str, list[dict[str, Any]]] = {}
        self.incompatible: str | None = None
        self.compatibility = "BACKWARD"
        self.asked: Counter[str] = Counter()
        self.fault: int | None = None
        self.hang = False
        self.authorization: str | None = None
        self.busiest = 0
        self._open = 0
        self.port = free_port()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def add(self, schema: int | str, text: Any, kind: str | None = None, **more: Any) -> None:
        """Register a schema; a dictionary becomes its text."""
        body = {"schema": text if isinstance(text, str) else json.dumps(text), **more}
        self.schemas[str(schema)] = body | ({"schemaType": kind} if kind else {})

    async def start(self) -> Self:
        app = web.Application(middlewares=[self._answer])
        app.router.add_get("/schemas/types", self._types)
        app.router.add_get("/schemas/{by:ids|guids}/{schema}", self._schema)
        app.router.add_get("/subjects/{subject}/versions/{version}", self._subject)
        app.router.add_post("/subjects/{subject}", self._look_up)
        app.router.add_post("/subjects/{subject}/versions", self._register)
        app.router.add_post("/compatibility/subjects/{subject}/versions", self._is_compatible)
        app.router.add_get("/config/{subject}", self._config_of_subject)
        app.router.add_get("/config", self._config)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls).start()
        return self

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        self._runner = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @web.middleware
    async def _answer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self._open += 1
        self.busiest = max(self.busiest, self._open)
        try:
            if self.hang:
                await asyncio.sleep(30)
            if self.authorization and request.headers.get("Authorization") != self.authorization:
                return web.json_response({"error_code": 40101, "message": "who?"}, status=401)
            if self.fault is not None:
                if self.fault == 422:
                    told = {"error_code": 42201, "message": "no valid schema"}
                    return web.json_response(told, status=422)
                return web.Response(status=self.fault, text="<html>a proxy</html>")
            answer: web.StreamResponse = await handler(request)
            return answer
        finally:
            self._open -= 1

    async def _types(self, _request: web.Request) -> web.Response:
        return web.json_response(["JSON", "PROTOBUF", "AVRO"])

    async def _schema(self, request: web.Request) -> web.Response:
        schema = request.match_info["schema"]
        self.asked[schema] += 1
        return _found(self.schemas.get(schema), 40403)

    async def _subject(self, request: web.Request) -> web.Response:
        name = request.match_info["subject"], request.match_info["version"]
        return _found(self.subjects.get(name), 40401)

    async def _look_up(self, request: web.Request) -> web.Response:
        self.asked[request.match_info["subject"]] += 1
        told = await request.json()
        versions = self.registered.get(request.match_info["subject"])
        if versions is None:
            return _found(None, 40401)
        same = (one for one in versions if one["schema"] == told["schema"])
        return _found(next(same, None), 40403)

    async def _register(self, request: web.Request) -> web.Response:
        told = await request.json()
        if self.incompatible:
            return web.json_response({"error_code": 409, "message": self.incompatible}, status=409)
        number = 1 + sum(map(len, self.registered.values()))
        self.registered.setdefault(request.match_info["subject"], []).append({**told, "id": number})
        return web.json_response({"id": number})

    async def _is_compatible(self, request: web.Request) -> web.Response:
        if request.match_info["subject"] not in self.registered:
            return _found(None, 40401)
        said = [self.incompatible] if self.incompatible else []
        return web.json_response({"is_compatible": not said, "messages": said})

    async def _config_of_subject(self, _request: web.Request) -> web.Response:
        return _found(None, 40408)

    async def _config(self, _request: web.Request) -> web.Response:
        return web.json_response({"compatibilityLevel": self.compatibility})


def _found(body: Any, code: int) -> web.Response:
    if body is None:
        return web.json_response({"error_code": code, "message": "not found"}, status=404)
    return web.json_response(body)


def basic(user: str, password: str) -> str:
    """The header of basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
