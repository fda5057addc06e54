"""Extends, holds or releases many open orders: publishes one event for each of them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic_core import to_json

from schemas import events
from worker.errors import TopicsNotFit
from worker.kafka.offsets import OffsetReader
from worker.kafka.producer import Message, Producer
from worker.operations.actions import record
from worker.settings import Settings
from worker.storage.database import Database

PAGE = 500
_SHOWN = 20
_SOURCE = "plazo/deadlines"
_BEGIN = (-1, datetime(1, 1, 1, tzinfo=UTC), "")

# Called with the number of open orders that were looked at, and with their total if it is known.
Progress = Callable[[int, int | None], None]


class Kind(StrEnum):
    """The kinds of changes."""

    EXTEND = "extend"
    HOLD = "hold"
    RELEASE = "release"


_TYPES = {
    Kind.EXTEND: events.DEADLINE_EXTENDED,
    Kind.HOLD: events.DEADLINE_HELD,
    Kind.RELEASE: events.DEADLINE_RELEASED,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The open orders to change: those named, or all that fit every other field given."""

    orders: Sequence[str] = ()
    seller: str | None = None
    policy: str | None = None
    entered_from: datetime | None = None
    entered_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change, with its author and reason.

    An extension is to a time, or by a time beyond the first deadline of each order: a second run
    gives no order more.
    """

    kind: Kind
    author: str
    reason: str
    to: datetime | None = None
    add: timedelta | None = None

    def due(self, first_due: datetime) -> datetime | None:
        """The deadline that it gives an order."""
        return first_due + self.add if self.add is not None else self.to


@dataclass(slots=True)
class Result:
    """Numbers of orders: published, changed so already, and beyond the longest extension.

    ``not_open`` are named orders that have no open deadline. ``first`` are the ids of some that
    were published.
    """

    published: int = 0
    already: int = 0
    too_far: int = 0
    not_open: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)


async def change(
    settings: Settings,
    database: Database,
    selection: Selection,
    wanted: Change,
    *,
    dry_run: bool,
    progress: Progress = lambda _done, _total: None,
) -> Result:
    """Publish the change for each selected order that is open and not changed so already.

    It may be stopped at any point and started again: orders that workers have changed by then are
    left out. Orders without a deadline, because their clock has not started, are not open.

    Raises:
        TopicsNotFit: the topic for the changes is missing.
        PublishFailed, KafkaUnavailable, DatabaseUnavailable: what was published stays published.
    """
    result = Result()
    if dry_run:
        async for page in _pages(database, selection, result, progress):
            _take(page, settings, wanted, result)
        return result
    offsets, producer = OffsetReader(settings), Producer(settings)
    topic = settings.changes_topic
    try:
        width = (await offsets.widths([topic])).get(topic)
        if width is None:
            raise TopicsNotFit(f"missing: {topic}; create it or run `plazo topics create`")
        await _record(database, selection, wanted)
        async for page in _pages(database, selection, result, progress):
            taken = _take(page, settings, wanted, result)
            # The database's clock: a worker refuses times that lie ahead of it.
            now = await database.now()
            messages = [_message(topic, width, row, wanted, now) for row in taken]
            if messages:
                await producer.publish(messages)
    finally:
        with suppress(Exception):
            await producer.close()
            await offsets.close()
    return result


async def _pages(
    database: Database, selection: Selection, result: Result, progress: Progress
) -> AsyncIterator[Sequence[Any]]:
    if selection.orders:
        for start in range(0, len(selection.orders), PAGE):
            named = list(selection.orders[start : start + PAGE])
            rows = await database.rows("open_orders_by_id", named)
            found = {row["order_id"] for row in rows}
            result.not_open += [order_id for order_id in named if order_id not in found]
            yield rows
            progress(start + len(named), len(selection.orders))
        return
    total = sum(row["open_deadlines"] for row in await database.rows("lanes"))
    place, done = _BEGIN, 0
    chosen = selection.seller, selection.policy, selection.entered_from, selection.entered_to
    while rows := await database.rows("open_orders", *place, PAGE, *chosen):
        yield [row for row in rows if row["chosen"]]
        place = rows[-1]["lane"], rows[-1]["fires_at"], rows[-1]["order_id"]
        done += len(rows)
        progress(done, max(done, total))


def _take(
    rows: Sequence[Mapping[str, Any]], settings: Settings, wanted: Change, result: Result
) -> list[Mapping[str, Any]]:
    """The orders of a page that the change still concerns; counts all of them."""
    taken = []
    for row in rows:
        if wanted.kind == Kind.EXTEND:
            due = wanted.due(row["first_due"])
            assert due is not None
            changed = row["due"] >= due
            if due > row["first_due"] + settings.max_extension:
                result.too_far += 1
                continue
        else:
            changed = row["held"] == (wanted.kind == Kind.HOLD)
        if changed:
            result.already += 1
        else:
            taken.append(row)
    result.published += len(taken)
    result.first += [row["order_id"] for row in taken[: _SHOWN - len(result.first)]]
    return taken


def _message(
    topic: str, width: int, row: Mapping[str, Any], wanted: Change, now: datetime
) -> Message:
    order_id, kind = row["order_id"], _TYPES[wanted.kind]
    due = wanted.due(row["first_due"]) if wanted.kind == Kind.EXTEND else None
    body = {
        "order_id": order_id, "occurred_at": now, "author": wanted.author, "reason": wanted.reason,
    }  # fmt: skip
    # A repeat of an extension is the same event.
    event_id = uuid5(NAMESPACE_URL, f"{kind}/{order_id}/{due or now}")
    headers = {
        events.CE_SPECVERSION: events.SPECVERSION,
        events.CE_TYPE: kind,
        events.CE_ID: str(event_id),
        events.CE_SOURCE: _SOURCE,
        events.CE_TIME: now.isoformat(),
        events.CONTENT_TYPE_HEADER: events.CONTENT_TYPE,
    }
    return Message(
        topic,
        # That of the order's lane: there it needs no hand-over.
        row["lane"] if row["lane"] < width else None,
        order_id.encode(),
        to_json(body | ({"due": due} if due else {})),
        [(name, text.encode()) for name, text in headers.items()],
    )


async def _record(database: Database, selection: Selection, wanted: Change) -> None:
    """Before the first event, so that a run that is broken off leaves its trace too."""
    chosen = {
        "seller": selection.seller, "policy": selection.policy,
        "entered_from": selection.entered_from, "entered_to": selection.entered_to,
        "orders": len(selection.orders) or None, "to": wanted.to, "add": wanted.add,
    }  # fmt: skip
    told = {name: value for name, value in chosen.items() if value is not None}
    async with database.transaction() as tx:
        await record(tx, wanted.author, f"deadlines {wanted.kind}", **told)
