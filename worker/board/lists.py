"""The lists: what waits for a person, and all decisions. Each is bounded."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from worker.board.access import Person, Refused, Role
from worker.board.reader import Reader
from worker.domain.case import Kind, Reason
from worker.errors import RowRejected, TooCostly, UnknownPlace
from worker.operations.decisions import DecisionFilter, find_decisions
from worker.storage.database import Database
from worker.storage.transaction import Transaction

SHOWN = 100
# Acts of an order that has not come; as in count_waiting.sql.
_ORPHANED = timedelta(hours=1)

# Decisions of so many days; fewer where that takes too long.
_DAYS = (30, 7, 1)
_PATIENCE = timedelta(seconds=2)

Rows = list[dict[str, Any]]
Read = Callable[[Transaction, web.BaseRequest], Awaitable[Rows]]


async def _holds(tx: Transaction, _request: web.BaseRequest) -> Rows:
    # The name of who held it is personal.
    names = ("order_id", "seller_id", "policy", "entered_at", "due", "held_at")
    rows = await tx.rows("held_deadlines", SHOWN + 1)
    return [{name: row[name] for name in names} for row in rows]


async def _dead_letters(tx: Transaction, request: web.BaseRequest) -> Rows:
    rows = await tx.rows("board_dead_letters", request.query.get("error") or None, SHOWN + 1)
    return [dict(row) for row in rows]


async def _orphans(tx: Transaction, _request: web.BaseRequest) -> Rows:
    return [dict(row) for row in await tx.rows("orphan_orders", _ORPHANED, SHOWN + 1)]


async def _unknown_statuses(tx: Transaction, _request: web.BaseRequest) -> Rows:
    return [dict(row) for row in await tx.rows("unknown_statuses", SHOWN + 1)]


_LISTS: dict[str, tuple[Role, Read]] = {
    "holds": (Role.SUPPORT, _holds),
    "dead-letters": (Role.OPERATOR, _dead_letters),
    "orphans": (Role.OPERATOR, _orphans),
    "unknown-statuses": (Role.OPERATOR, _unknown_statuses),
}


async def escalations(
    database: Database, request: Mapping[str, str], patience: timedelta = _PATIENCE
) -> tuple[Rows, int]:
    """Escalations that no act has answered, up to one more than a list shows, newest first.

    The number is that of the days that were looked at; 0: not even one day can be looked at.

    Raises:
        DatabaseFault
    """
    wanted = replace(_asked(request), kind=Kind.ESCALATION, waiting_for_person=True)
    found = await _find(database, wanted, None, SHOWN + 1, patience)
    return found["rows"], found["days"]


def _asked(request: Mapping[str, str]) -> DecisionFilter:
    """The filter by ``kind``, ``reason`` and ``seller``; an unknown code filters nothing."""
    kind, reason = request.get("kind", ""), request.get("reason", "")
    return DecisionFilter(
        kind=Kind(kind) if kind in set(Kind) else None,
        reason=Reason(reason) if reason in set(Reason) else None,
        seller=request.get("seller") or None,
    )


async def _find(
    database: Database,
    wanted: DecisionFilter,
    after: str | None,
    limit: int = SHOWN,
    patience: timedelta = _PATIENCE,
) -> dict[str, Any]:
    """The decisions that fit, newest first, the ``days`` that were looked at, and the ``next``
    place."""
    now = await database.now()
    for days in _DAYS:
        recent = replace(wanted, since=now - timedelta(days=days))
        with suppress(TooCostly):
            page = await find_decisions(
                database, recent, limit=limit, after=after, patience=patience
            )
            rows = [asdict(row) for row in page.rows]
            return {"rows": rows, "more": page.next is not None, "days": days, "next": page.next}
    return {"rows": [], "more": True, "days": 0, "next": None}


class Lists:
    """The lists, one question at a time."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = asyncio.Lock()

    async def one(self, person: Person, request: web.BaseRequest) -> dict[str, Any]:
        """The rows of the list ``of``; ``more`` says whether others are left out.

        Raises:
            Refused: there is no such list, or not for this person.
            DatabaseFault
        """
        name = request.query.get("of", "")
        if name in ("escalations", "decisions"):
            wanted = _asked(request.query)
            if name == "escalations":
                wanted = replace(wanted, kind=Kind.ESCALATION, waiting_for_person=True)
            try:
                async with self._lock, self._reader.asked() as database:
                    return await _find(database, wanted, request.query.get("after") or None)
            except UnknownPlace:
                raise Refused(404, "there is no such place in the list") from None
        if name not in _LISTS:
            raise Refused(404, "there is no such list")
        role, read = _LISTS[name]
        if role == Role.OPERATOR and person.role != Role.OPERATOR:
            raise Refused(403, "your role sees orders and no operations")
        try:
            async with self._lock, self._reader.asked() as database, database.session() as tx:
                rows = await read(tx, request)
        except RowRejected:
            rows = []
        return {"rows": rows[:SHOWN], "more": len(rows) > SHOWN}

    async def dead_letter(self, _person: Person, request: web.BaseRequest) -> dict[str, Any]:
        """The dead letter ``id``, without its bytes.

        Raises:
            Refused: there is none.
            DatabaseFault
        """
        number = request.query.get("id", "")
        if number.isascii() and number.isdigit() and int(number) < 2**63:
            async with self._reader.asked() as database, database.session() as tx:
                if (row := await tx.row("board_dead_letter", int(number))) is not None:
                    return dict(row)
        raise Refused(404, "there is no such dead letter")
