"""The pages of the board: three files that hold no data, and the data behind a token."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

from aiohttp import web

from worker.board.snapshot import Snapshots
from worker.errors import DatabaseUnavailable, RowRejected
from worker.observability.http import Page
from worker.operations import explanation
from worker.operations.format import to_json
from worker.runtime.state import WorkerState
from worker.settings import Settings
from worker.storage.database import Database

# Nothing from elsewhere, nothing inline, in no frame: the content of a record can run nothing.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FILES = {
    "/": ("index.html", "text/html"),
    "/board.css": ("board.css", "text/css"),
    "/board.js": ("board.js", "text/javascript"),
}


def pages(worker: WorkerState) -> Mapping[str, Page]:
    """The pages by path; none if the settings hold no token."""
    token = worker.services.settings.board_token
    if token is None:
        return {}
    snapshots = Snapshots(worker)
    orders = _Orders(worker.services.settings, worker.services.database)
    guarded = {"/board.json": snapshots.latest, "/order.json": orders.one}
    secret = token.get_secret_value()
    return {
        **{path: _file(*named) for path, named in _FILES.items()},
        **{path: _behind(secret, answer) for path, answer in guarded.items()},
    }


class _Orders:
    """The history of one order; one question at a time, so that none slows the lanes down."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._lock = asyncio.Lock()

    async def one(self, request: web.BaseRequest) -> object:
        order_id = request.query.get("id", "")
        try:
            async with self._lock:
                history = await explanation.load(self._settings, self._database, order_id)
        except RowRejected:  # no id that Postgres could hold
            raise _NotFound from None
        if history.nothing:
            raise _NotFound
        return explanation.document(order_id, history, personal=False)


class _NotFound(Exception):
    """No record that names the order has been read."""


def _file(name: str, content_type: str) -> Page:
    text = files(__package__).joinpath("assets", name).read_text("utf-8")

    async def page(_request: web.BaseRequest) -> web.Response:
        return web.Response(text=text, content_type=content_type, headers=_HEADERS)

    return page


def _behind(secret: str, answer: Callable[[web.BaseRequest], Awaitable[object]]) -> Page:
    expected = f"Bearer {secret}".encode()

    async def page(request: web.BaseRequest) -> web.Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            return _json(401, {"error": "the token is missing or wrong"})
        try:
            return _json(200, await answer(request))
        except _NotFound:
            return _json(404, {"error": str(_NotFound.__doc__)})
        except DatabaseUnavailable as error:
            return _json(503, {"error": str(error)})

    return page


def _json(status: int, body: object) -> web.Response:
    headers = {**_HEADERS, **({"WWW-Authenticate": "Bearer"} if status == 401 else {})}
    response = web.Response(
        status=status, text=to_json(body), content_type="application/json", headers=headers
    )
    response.enable_compression()
    return response
