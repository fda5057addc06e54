"""The pages of the board: files that hold no data, and the data behind a sign-in."""

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any

from aiohttp import web

from worker import __version__
from worker.board.access import Access, Person, Refused, Role
from worker.board.charts import Charts
from worker.board.history import Trend
from worker.board.lists import Lists
from worker.board.orders import Orders
from worker.board.reader import Reader
from worker.board.snapshot import Snapshots
from worker.errors import PlazoError
from worker.observability.http import Page
from worker.operations.format import to_json
from worker.operations.sentences import SENTENCES
from worker.runtime.state import WorkerState

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
_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
}

_TEXTS = _TYPES["json"]

Answer = Callable[[Person, web.BaseRequest], Awaitable[dict[str, Any]]]


def pages(worker: WorkerState) -> Mapping[str, Page]:
    """The pages by path; none if the settings let nobody in."""
    services = worker.services
    access = Access(services.settings)
    if access.nobody:
        return {}
    reader = Reader(services.settings, services.metrics)
    trend = Trend(services.metrics, services.clock)
    trend.start()
    orders, lists = Orders(services.settings, reader), Lists(reader)

    async def session(person: Person, _request: web.BaseRequest) -> dict[str, Any]:
        return {
            "user": person.name,
            "role": person.role,
            "personal": orders.personal(person),
            "version": __version__,
            "mode": services.settings.mode,
            "zone": services.settings.zone,
        }

    # For everybody, and for operators alone.
    shared: dict[str, Answer] = {
        "/session.json": session,
        "/order.json": orders.one,
        "/search.json": orders.search,
        "/list.json": lists.one,
    }
    operations: dict[str, Answer] = {
        "/board.json": Snapshots(worker, reader).latest,
        "/charts.json": Charts(services, reader, trend).latest,
        "/dead-letter.json": lists.dead_letter,
    }
    return {
        **dict(_files()),
        **{path: _signed_in(access, Role.SUPPORT, answer) for path, answer in shared.items()},
        **{path: _signed_in(access, Role.OPERATOR, answer) for path, answer in operations.items()},
    }


def _files() -> list[tuple[str, Page]]:
    folder = files(__package__).joinpath("assets")
    found = []
    for file in folder.iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            path = "/" if file.name == "index.html" else f"/{file.name}"
            text = file.read_text("utf-8")
            found.append((path, _file(_with_sentences(text) if kind == _TEXTS else text, kind)))
    return found


def _with_sentences(text: str) -> str:
    """The board's own texts, and the sentences that `plazo explain` has as well."""
    own = json.loads(text)
    return json.dumps({one: SENTENCES[one] | texts for one, texts in own.items()})


def _file(text: str, content_type: str) -> Page:
    async def page(_request: web.BaseRequest) -> web.Response:
        response = web.Response(text=text, content_type=content_type, headers=_HEADERS)
        response.enable_compression()
        return response

    return page


def _signed_in(access: Access, role: Role, answer: Answer) -> Page:
    async def page(request: web.BaseRequest) -> web.Response:
        try:
            person = access.person(request)
            if role == Role.OPERATOR and person.role != Role.OPERATOR:
                raise Refused(403, "your role sees orders and no operations")
            return _json(200, await answer(person, request))
        except Refused as refused:
            return _json(refused.status, {"error": str(refused), "token": access.by_token})
        except PlazoError as error:
            return _json(503, {"error": str(error)})

    return page


def _json(status: int, body: object) -> web.Response:
    headers = {**_HEADERS, **({"WWW-Authenticate": "Bearer"} if status == 401 else {})}
    response = web.Response(
        status=status, text=to_json(body), content_type="application/json", headers=headers
    )
    response.enable_compression()
    return response
