"""Finds decisions: by seller, policy, kind, reason, state and time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from worker.domain.case import Kind, Reason
from worker.errors import UnknownPlace
from worker.operations.questions import (
    BEGINNING,
    END,
    MOST,
    PATIENCE,
    Page,
    asking,
    place_parts,
)
from worker.operations.questions import page as cut
from worker.operations.questions import place as named
from worker.operations.states import DecisionStatus
from worker.storage.database import Database

_LAST = 2**31 - 1, 2**63 - 1


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """What every decision of the answer fits; a field that is not set fits all.

    ``seller`` and ``policy`` are those of the order, exact. ``since`` and ``until`` bound the
    time of the decision: ``since <= decided_at < until``. ``waiting_for_person``: an escalation
    in force whose order has had no act since.
    """

    seller: str | None = None
    policy: str | None = None
    kind: Kind | None = None
    reason: Reason | None = None
    status: DecisionStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    waiting_for_person: bool = False


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision in a list. ``revokes`` is the number (``ordinal``) of one of the same order."""

    order_id: str
    ordinal: int
    kind: str
    reason: str
    decided_at: datetime
    seller_id: str | None
    policy: str | None
    due: datetime | None
    published: bool
    revokes: int | None
    revoked_at: datetime | None
    lane: int
    sequence: int
    id: UUID


async def find_decisions(
    database: Database,
    wanted: DecisionFilter,
    *,
    limit: int = 50,
    after: str | None = None,
    patience: timedelta = PATIENCE,
) -> Page[DecisionRow]:
    """A page of the decisions that fit, the newest first.

    ``after`` is the ``next`` of the page before; ``limit`` is at most 1,000. Without a seller,
    bound the question by ``since``: else it reads all decisions.

    Raises:
        TooCostly: narrow the filter.
        UnknownPlace: ``after`` comes from no page.
        DatabaseUnavailable: try again later.
    """
    limit = min(limit, MOST)
    at, lane, sequence = _place(after)
    async with asking(database, patience) as tx:
        found = await tx.rows(
            "find_decisions", wanted.since or BEGINNING, wanted.until or END, at, lane, sequence,
            wanted.seller, wanted.policy, wanted.kind, wanted.reason, wanted.status,
            wanted.waiting_for_person, limit + 1,
        )  # fmt: skip
    shown, more = cut(found, limit)
    rows = [_row(row) for row in shown]
    last = rows[-1] if more else None
    return Page(rows, named(last.decided_at, last.lane, last.sequence) if last else None)


def _place(after: str | None) -> tuple[datetime, int, int]:
    if after is None:
        return END, *_LAST
    at, parts = place_parts(after, 2)
    if not all(part.isdecimal() and len(part) < 19 for part in parts):
        raise UnknownPlace("no such place in the list: begin again without --after")
    return at, int(parts[0]), int(parts[1])


def _row(row: Mapping[str, Any]) -> DecisionRow:
    return DecisionRow(**{name: row[name] for name in DecisionRow.__dataclass_fields__})
