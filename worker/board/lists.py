"""Lists of what waits for a person, each bounded."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from aiohttp import web

from worker.board.access import Person, Refused, Role
from worker.board.reader import Reader
from worker.domain.case import Kind, Reason
from worker.errors import RowRejected, TooCostly
from worker.operations.decisions import DecisionFilter, find_decisions
from worker.storage.database import Database
from worker.storage.transaction import Transaction

SHOWN = 100
# Acts of an order that has not come; as in count_waiting.sql.
_ORPHANED = timedelta(hours=1)

# Escalations of so many days; fewer where that takes too long.
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
    rows = await tx.rows("board_dead_letters", request.query.get("by") or None, SHOWN + 1)
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
    """Escalations that no act has answered, newest first, and the days that were looked at.

    Raises:
        DatabaseFault
    """
    chosen = request.get("by", "")
    reason = Reason(chosen) if chosen in set(Reason) else None
    now = await database.now()
    for days in _DAYS:
        wanted = DecisionFilter(
            kind=Kind.ESCALATION,
            reason=reason,
            seller=request.get("seller") or None,
            since=now - timedelta(days=days),
            waiting_for_person=True,
        )
        with suppress(TooCostly):
            page = await find_decisions(database, wanted, limit=SHOWN + 1, patience=patience)
            return [asdict(row) for row in page.rows], days
    return [], 0


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
        if name == "escalations":
            async with self._lock, self._reader.asked() as database:
                rows, days = await escalations(database, request.query)
            return {"rows": rows[:SHOWN], "more": len(rows) > SHOWN or not days, "days": days}
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
