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
    ``asked`` counts the requests for schemas.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.schemas: dict[str, dict[str, Any]] = {}
        self.subjects: dict[tuple[str, str], dict[str, Any]] = {}
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


def _found(body: Any, code: int) -> web.Response:
    if body is None:
        return web.json_response({"error_code": code, "message": "not found"}, status=404)
    return web.json_response(body)


def basic(user: str, password: str) -> str:
    """The header of basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
