"""Finds orders: by seller, policy, state, reason and time, or those that wait for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from worker.operations.questions import BEGINNING, END, MOST, PATIENCE, Page, asking, place_parts
from worker.operations.questions import page as cut
from worker.operations.questions import place as named
from worker.operations.states import OrderStatus
from worker.storage.database import Database
from worker.storage.transaction import Transaction

# No order id is behind it in the order of bytes.
_LAST_ID = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What every order of the answer fits; a field that is not set fits all.

    ``seller`` and ``policy`` are exact. ``reason`` is that of a decision in force. ``since`` and
    ``until`` bound the entry: ``since <= entered_at < until``. ``open``: not decided yet, its
    deadline set. ``overdue``: open, not on hold, and its verdict should have been made.
    ``held``: on hold by an event. ``waiting_for_person``: on hold, shielded by an unsettled dead
    letter, or escalated and without an act since.
    """

    seller: str | None = None
    policy: str | None = None
    reason: str | None = None
    status: OrderStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    open: bool = False
    overdue: bool = False
    held: bool = False
    waiting_for_person: bool = False

    @property
    def urgent(self) -> bool:
        """Whether the answer is read from the deadlines, the most urgent order first."""
        return self.open or self.overdue or self.status == OrderStatus.OPEN

    @property
    def contradictory(self) -> bool:
        """Whether no order can fit."""
        undecided = self.urgent or self.held
        return undecided and self.status not in (None, OrderStatus.OPEN)


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in a list. Times are UTC; ``reasons`` are those of the decisions in force."""

    order_id: str
    seller_id: str | None
    fulfilment: str | None
    policy: str | None
    status: OrderStatus
    entered_at: datetime
    due: datetime | None
    fires_at: datetime | None
    decided_at: datetime | None
    reasons: tuple[str, ...]
    held: bool
    overdue: bool
    shielded: bool
    waiting_for_person: bool


async def find_orders(
    database: Database,
    wanted: OrderFilter,
    *,
    limit: int = 50,
    after: str | None = None,
    patience: timedelta = PATIENCE,
) -> Page[OrderRow]:
    """A page of the orders that fit.

    Open ones come by their deadline, the most urgent first; all others by their entry, the newest
    first. ``after`` is the ``next`` of the page before; ``limit`` is at most 1,000. Without a
    seller, bound a question about decided orders by ``since``: else it reads them all.

    Raises:
        TooCostly: narrow the filter.
        UnknownPlace: ``after`` comes from no page.
        DatabaseUnavailable: try again later.
    """
    limit = min(limit, MOST)
    if wanted.contradictory:
        return Page([], None)
    now = await database.now()
    async with asking(database, patience) as tx:
        found, more = cut(await _find(tx, wanted, after, limit + 1, now), limit)
        ids = [row["order_id"] for row in found]
        rows = {r["order_id"]: r for r in await tx.rows("order_summaries", ids, now)}
    behind = named(found[-1]["place"], ids[-1]) if more else None
    return Page([_row(rows[order_id]) for order_id in ids], behind)


async def _find(
    tx: Transaction, wanted: OrderFilter, after: str | None, limit: int, now: datetime
) -> list[Any]:
    if wanted.urgent and not wanted.held:
        at, order_id = _place(after, BEGINNING, "")
        return await tx.rows(
            "find_orders_by_deadline", now if wanted.overdue else END, at, order_id,
            wanted.since, wanted.until, wanted.seller, wanted.policy, wanted.reason,
            wanted.waiting_for_person, limit, wanted.overdue,
        )  # fmt: skip
    at, order_id = _place(after, END, _LAST_ID)
    if wanted.held:
        if wanted.overdue:
            return []  # a hold is what keeps its verdict from being overdue
        return await tx.rows(
            "find_orders_on_hold", wanted.since, wanted.until, at, order_id, wanted.seller,
            wanted.policy, wanted.reason, limit,
        )  # fmt: skip
    return await tx.rows(
        "find_orders_by_entry", wanted.since or BEGINNING, wanted.until or END, at, order_id,
        wanted.seller, wanted.policy, wanted.status, wanted.reason, wanted.waiting_for_person,
        limit,
    )  # fmt: skip


def _place(after: str | None, at: datetime, order_id: str) -> tuple[datetime, str]:
    if after is None:
        return at, order_id
    at, (order_id,) = place_parts(after, 1)
    return at, order_id


def _row(row: Mapping[str, Any]) -> OrderRow:
    reasons: Sequence[str] = row["reasons"]
    waiting = row["held"] or row["shielded"] or row["unanswered"]
    known = {name: row[name] for name in OrderRow.__dataclass_fields__ if name in row.keys()}  # noqa: SIM118
    known |= {"reasons": tuple(reasons), "status": OrderStatus(row["status"])}
    return OrderRow(**known, waiting_for_person=bool(waiting))
