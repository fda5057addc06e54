"""One order with its time line, and the search for orders."""

import asyncio
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from aiohttp import web

from worker.board.access import Person, Refused
from worker.board.reader import Reader
from worker.errors import RowRejected, TooCostly
from worker.observability.logs import logger
from worker.operations import explanation, order_history
from worker.operations.answer import answer
from worker.operations.orders import OrderFilter, find_orders
from worker.operations.sentences import ENGLISH, SENTENCES
from worker.settings import Settings
from worker.storage.database import Database

log = logger(__name__)

FOUND = 50
# A seller's orders of so many days; fewer where that takes too long.
_DAYS = (30, 7, 1)
_PATIENCE = timedelta(seconds=2)
_LAST = "\U0010ffff"
NOTHING = "No record that names the order has been read."


class Orders:
    """Answers about single orders; one question at a time, so that a crowd waits in line."""

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self._settings = settings
        self._reader = reader
        self._lock = asyncio.Lock()

    async def one(self, person: Person, request: web.BaseRequest) -> dict[str, Any]:
        """All that is known of the order ``id``; with ``personal`` also the persons it names.

        The answer is in the ``language`` asked for, or else in English.

        Raises:
            Refused: no record names it, or the person may not see persons.
            DatabaseFault
        """
        order_id = request.query.get("id", "")
        personal = "personal" in request.query
        language = request.query.get("language", ENGLISH)
        if language not in SENTENCES:
            language = ENGLISH
        if personal and not self.personal(person):
            raise Refused(403, "persons are shown to nobody who is not signed in by name")
        try:
            async with self._lock, self._reader.asked() as database:
                history = await order_history.load(
                    self._settings, database, order_id, bodies=personal
                )
        except RowRejected:  # no id that Postgres could hold
            raise Refused(404, NOTHING) from None
        if history.nothing:
            raise Refused(404, NOTHING)
        # Before the answer: a look that leaves no line must not happen.
        log.info(
            "board_order_viewed",
            user=person.name or "token",
            role=person.role,
            order_id=order_id,
            personal=personal,
        )
        return {
            **explanation.document(order_id, history, personal=personal),
            "answer": asdict(answer(history, language)),
        }

    async def search(self, _person: Person, request: web.BaseRequest) -> dict[str, Any]:
        """Orders whose id begins with ``q``, in the case as typed or in one case; else those of the
        seller ``q`` that entered in the last days, the newest first, and how many ``days`` that is.

        Raises:
            DatabaseFault
        """
        asked = request.query.get("q", "").strip()
        try:
            async with self._lock, self._reader.asked() as database:
                rows = await _beginning(database, asked)
                if rows:
                    return {"orders": rows[:FOUND], "more": len(rows) > FOUND}
                return await _of_seller(database, asked)
        except RowRejected:  # no text that Postgres could hold
            return {"orders": [], "more": False}

    def personal(self, person: Person) -> bool:
        """Whether this person may see the persons that an order names: never with the token,
        which does not say who looks."""
        return self._settings.board_personal and person.name is not None


async def _beginning(database: Database, asked: str) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    async with database.session() as tx:
        for start in dict.fromkeys((asked, asked.lower(), asked.upper())):
            found = await tx.rows("board_prefix", start, start + _LAST, FOUND + 1)
            rows |= {row["order_id"]: dict(row) for row in found}
    return list(rows.values())


async def _of_seller(database: Database, seller: str) -> dict[str, Any]:
    now = await database.now()
    for days in _DAYS:
        wanted = OrderFilter(seller=seller, since=now - timedelta(days=days))
        try:
            page = await find_orders(database, wanted, limit=FOUND, patience=_PATIENCE)
        except TooCostly:
            continue
        rows = [asdict(row) for row in page.rows]
        return {"orders": rows, "more": page.next is not None, "days": days}
    return {"orders": [], "more": True, "days": 0}
