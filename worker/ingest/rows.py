"""Decodes a batch of records into the rows that Postgres stores."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, cast

from schemas.events import RESPONSIBLE, RefusalClass
from schemas.models import (
    DeadlineExtended,
    DeadlineHeld,
    DeadlineReleased,
    OrderCreated,
    OrderStatusChanged,
)
from schemas.statuses import Meaning, normalise
from worker.domain.acts import CANCELED_IN_PART, EXTENDED, HELD, ORDER_CREATED, RELEASED
from worker.ingest.bodies import kept
from worker.ingest.decoder import Decoder
from worker.ingest.entry import Entry
from worker.ingest.envelope import Event
from worker.ingest.formats.model import Facts
from worker.ingest.salvage import DOUBT, salvage
from worker.observability.labels import Effect
from worker.records import NOT_INFLATED, Partition, Record, Refusal, timestamp_of
from worker.storage import binary_copy

_CHANGES: dict[type, str] = {
    DeadlineExtended: EXTENDED,
    DeadlineHeld: HELD,
    DeadlineReleased: RELEASED,
}
# The columns of an order that differ within a batch; also the parameters of enter_orders.sql.
_ORDER_FIELDS = (
    "order_id", "seller_id", "fulfilment", "entered_at", "due", "fires_at", "policy",
    "policy_version", "at_lapse", "doubt", "labels", "told_due", "total", "currency", "offset",
)  # fmt: skip
_DUE, _DOUBT = map(_ORDER_FIELDS.index, ("due", "doubt"))


class Affected(IntEnum):
    """How an act affects its order: the place of the order's set in :meth:`Rows.affected`."""

    TOUCHED = 0
    READY = 1
    MENTIONED = 2


class UnknownStatus(NamedTuple):
    """The acts of a batch with one unknown status: partition, offset and time of two of them."""

    first: tuple[int, int, datetime]
    last: tuple[int, int, datetime]
    records: int


@dataclass(slots=True)
class Rows:
    """The rows of one batch, for the tables of the first migration."""

    now: datetime
    # By order id, the columns of ``_ORDER_FIELDS``.
    orders: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    # Orders that are packed for COPY already, see worker.ingest.plain; they are not in ``orders``.
    packed_orders: dict[str, bytes] = field(default_factory=dict)
    # The partition that the orders came from; a lane has one for orders.
    home: Partition | None = None
    # Order-created records of orders that the batch holds already, as in ``orders``, with their
    # topic and partition.
    retold: list[tuple[Any, ...]] = field(default_factory=list)
    # order id, status, occurred_at, topic, partition, offset, stock_ok, form_complete, unknown,
    # body.
    acts: list[tuple[Any, ...]] = field(default_factory=list)
    # Acts that are packed for COPY already; they are no longer in ``acts``.
    packed_acts: list[bytes] = field(default_factory=list)
    # Orders with an act or change that may decide them or start their clock.
    touched: set[str] = field(default_factory=set)
    # Orders with an act that makes a cancelled order alive again.
    ready: set[str] = field(default_factory=set)
    # Orders with other acts: these may start a clock by the policies of another worker.
    mentioned: set[str] = field(default_factory=set)
    # By status and topic, the acts that no table knows: the first and last place, and their number.
    unknown: dict[tuple[str, str], UnknownStatus] = field(default_factory=dict)
    # New orders whose clock has not started.
    without_clock: set[str] = field(default_factory=set)
    # Changes of deadlines, and their orders.
    changes: list[tuple[Any, ...]] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    dead_letters: list[tuple[Any, ...]] = field(default_factory=list)
    # Partitions with records that came without bytes: they may be about any order.
    unread: set[Partition] = field(default_factory=set)
    # The number of records by topic and outcome.
    outcomes: Counter[tuple[str, Effect]] = field(default_factory=Counter)
    refusals: dict[RefusalClass, int] = field(default_factory=dict)
    # Records that carry the context of a trace.
    traced: list[Record] = field(default_factory=list)

    @property
    def is_usual(self) -> bool:
        """Whether it holds no more than orders and acts that this worker understands."""
        unusual = (
            self.dead_letters, self.changes, self.retold, self.unknown, self.unread, self.traced
        )  # fmt: skip
        return not any(unusual)

    def affected(self) -> tuple[set[str], set[str], set[str]]:
        """Return the orders that acts affect, a set for each of :class:`Affected`."""
        return self.touched, self.ready, self.mentioned

    def stubs(self, known: Collection[str] = ()) -> list[str]:
        """Return the touched orders that are neither in the batch nor in ``known``."""
        return [o for o in self.touched if not self.holds(o) and o not in known]

    def holds(self, order_id: str) -> bool:
        """Return whether the batch holds this order."""
        return order_id in self.orders or order_id in self.packed_orders

    def unpack(self, order_ids: Iterable[str]) -> None:
        """Turn those of these orders that are packed into values, for all that is not COPY."""
        for order_id in self.packed_orders.keys() & order_ids:
            row = self.packed_orders.pop(order_id)
            self.orders[order_id] = binary_copy.unpacked_order(row)

    def pack(self) -> None:
        """Pack the acts for COPY, while the processor still has them in its caches.

        Raises:
            UnicodeError: a text that is not Unicode.
        """
        self.packed_acts += binary_copy.acts(self.acts, self.now)
        self.acts.clear()

    def pack_orders(
        self, lane: int, orders: Collection[tuple[Any, ...]], stubs: Collection[str]
    ) -> list[bytes]:
        """Pack orders and stubs for COPY, with those that are packed, in the order of their keys.

        Raises:
            UnicodeError: a text that is not Unicode.
        """
        rows = binary_copy.orders(orders, lane, self.home or (None, None), self.now)
        rows += binary_copy.stubs(stubs, self.now)
        keys = chain(map(itemgetter(0), orders), stubs)
        by_key = {**self.packed_orders, **dict(zip(keys, rows, strict=True))}
        return [by_key[key] for key in sorted(by_key)]

    def orders_by_offset(self) -> dict[int, str]:
        """Return the ids of the batch's orders by the offset of their record in ``home``."""
        self.unpack([*self.packed_orders])
        return {order[-1]: order_id for order_id, order in self.orders.items()}

    def dead_letter_places(self) -> list[tuple[Partition, int]]:
        """Return the partition and offset of each dead letter."""
        return [((topic, number), offset) for _, topic, number, offset, *_ in self.dead_letters]

    def count(self, topic: str, outcome: Effect, records: int = 1) -> None:
        """Count records of a topic by their outcome."""
        self.outcomes[topic, outcome] += records


def act_columns(batches: Iterable[Rows]) -> list[list[Any]]:
    """Turn acts that are not packed into columns, as enter_orders.sql takes them."""
    acts = [
        (*act[:3], rows.now, *act[3:-1], act[-1].decode(errors="replace"))
        for rows in batches
        for act in rows.acts
    ]
    return [list(column) for column in zip(*acts, strict=True)] or [[]] * 11


def order_columns(orders: Collection[tuple[Any, ...]]) -> list[Sequence[Any]]:
    """Turn orders of :class:`Rows` into columns."""
    return list(zip(*orders, strict=True)) or [()] * len(_ORDER_FIELDS)


def entering_columns(batches: Iterable[tuple[int, Rows]]) -> list[Sequence[Any]]:
    """Turn the orders of lanes into columns, with the columns that are the same within a batch."""
    orders = [
        (*order, lane, *(rows.home or (None, None)), rows.now)
        for lane, rows in batches
        for order in rows.orders.values()
    ]
    return list(zip(*orders, strict=True)) or [()] * (len(_ORDER_FIELDS) + 4)


def deadline_rows(lane: int, orders: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return lane, firing time and id of the orders with a deadline; the first fires first."""
    rows = [(lane, fires_at, order_id) for order_id, _, _, _, _, fires_at, *_ in orders if fires_at]
    rows.sort()
    return rows


def decode_into(
    rows: Rows,
    records: Iterable[Record],
    lane: int,
    decoder: Decoder,
    entry: Entry,
    latest: datetime,
) -> None:
    """Decode records and add them to ``rows``; one that is refused is added as a dead letter.

    A time far after ``latest`` is refused.
    """
    for record in records:
        plain, event = decoder.read(record, latest)
        # No isinstance(): the models' metaclass makes it ten times as slow.
        kind = type(event)
        if kind is OrderStatusChanged:
            _add_status(rows, plain, cast("OrderStatusChanged", event), entry)
            rows.count(record.topic, Effect.STATUS)
        elif kind is OrderCreated:
            _add_order(rows, plain, cast("OrderCreated", event), entry, lane)
        elif kind is tuple:
            _add_foreign(rows, plain, cast("tuple[Event, ...]", event), entry, lane)
        elif kind in _CHANGES:
            _add_change(rows, plain, cast("DeadlineExtended", event), entry, _CHANGES[kind])
            rows.count(record.topic, Effect.DEADLINE)
        else:
            refusal = cast("Refusal", event)
            add_dead_letter(rows, record, refusal, lane)
            if record.topic == entry.orders_topic:
                facts = decoder.facts(plain)
                _add_salvaged(rows, plain, refusal, entry, latest + decoder.max_clock_skew, facts)


def packed_labels(labels: Mapping[str, str] | None) -> str | None:
    """The labels of an order as Postgres stores them; NULL without any."""
    return json.dumps(labels, sort_keys=True, ensure_ascii=False) if labels else None


def add_dead_letter(rows: Rows, record: Record, refusal: Refusal, lane: int) -> None:
    """Add a refused record: its bytes, its place in the log, and the class of its error."""
    rows.dead_letters.append((
        lane, record.topic, record.partition, record.offset,
        timestamp_of(record.timestamp), rows.now,
        refusal.error.value, refusal.message, record.key, record.value,
        [name.encode("utf-8", "surrogateescape") for name, _ in record.headers],
        [value for _, value in record.headers],
        list(refusal.order_ids),
    ))  # fmt: skip
    if record.headers == NOT_INFLATED and not refusal.order_ids:
        rows.unread.add((record.topic, record.partition))
    rows.count(record.topic, Effect.REFUSED)
    rows.refusals[refusal.error] = rows.refusals.get(refusal.error, 0) + 1


def _add_order(rows: Rows, record: Record, event: OrderCreated, entry: Entry, lane: int) -> None:
    order_id = event.order_id
    try:
        terms, doubt = entry.terms(event, timestamp_of(record.timestamp), rows.now)
    except OverflowError:
        message = "the order's policy has no deadline for this entered_at"
        refusal = Refusal(RefusalClass.OUT_OF_RANGE, message, (order_id,))
        add_dead_letter(rows, record, refusal, lane)
        return
    body = kept(record, event, whole=entry.keep_bodies)
    _add_act(rows, record, body, order_id, ORDER_CREATED, event.entered_at, None, None, None)
    order = (
        order_id, event.seller_id, event.fulfilment, event.entered_at, *terms, doubt,
        packed_labels(event.labels), event.due, event.total, event.currency, record.offset,
    )  # fmt: skip
    known = rows.orders.get(order_id)
    if order_id in rows.packed_orders or (known is not None and not is_salvaged(known)):
        rows.retold.append((*order, record.topic, record.partition))
        rows.count(record.topic, Effect.REPEAT)
        return
    _enter(rows, record, order)
    rows.count(record.topic, Effect.CREATED)


def is_salvaged(order: tuple[Any, ...]) -> bool:
    """Whether the order-created of a row of ``Rows.orders`` was refused."""
    return bool(order[_DOUBT] == DOUBT)


def _add_salvaged(
    rows: Rows,
    record: Record,
    refusal: Refusal,
    entry: Entry,
    latest: datetime,
    facts: Facts | None,
) -> None:
    """Enter the order of a refused order-created, if its deadline can be read."""
    event = salvage(record, refusal, latest, facts)
    if event is None or rows.holds(event.order_id):
        return
    with suppress(OverflowError):
        terms, _ = entry.terms(event, timestamp_of(record.timestamp), rows.now)
        _enter(rows, record, (
            event.order_id, event.seller_id, event.fulfilment, event.entered_at, *terms, DOUBT,
            None, None, None, None, record.offset,
        ))  # fmt: skip


def _enter(rows: Rows, record: Record, order: tuple[Any, ...]) -> None:
    order_id = order[0]
    rows.orders[order_id] = order
    if order[_DUE] is None:
        # The act that starts its clock may have come before the order.
        rows.without_clock.add(order_id)
    rows.home = (record.topic, record.partition)


def _add_status(rows: Rows, record: Record, event: OrderStatusChanged, entry: Entry) -> None:
    status = normalise(event.status)
    meaning = entry.meaning(status)
    if meaning is Meaning.CANCELED and event.cancels_in_part:
        status, meaning = CANCELED_IN_PART, Meaning.CANCELED_IN_PART
    unknown = True if meaning is Meaning.UNKNOWN else None
    order_id, form = event.order_id, event.form_complete
    if event.dispute is not None and event.dispute.responsible == RESPONSIBLE:
        form = None  # our own form, sent back
    body = kept(record, event, whole=entry.keep_bodies)
    _add_act(rows, record, body, order_id, status, event.occurred_at, event.stock_ok, form, unknown)
    rows.affected()[affects(status, meaning, entry)].add(order_id)
    if unknown:
        _add_unknown(rows, record, event.status, event.occurred_at)


def affects(status: str, meaning: Meaning, entry: Entry) -> Affected:
    """Return the set to which an act of this status adds its order."""
    if status in entry.clocks:
        # An order that waits for this status has no deadline. Another lane may enter the order at
        # this moment. It must see this act, whatever else the status means.
        return Affected.TOUCHED
    if meaning is Meaning.READY:
        return Affected.READY
    return Affected.MENTIONED if meaning is Meaning.NOTHING else Affected.TOUCHED


def _add_unknown(rows: Rows, record: Record, status: str, occurred_at: datetime) -> None:
    place = (record.partition, record.offset, occurred_at)
    known = rows.unknown.get((status, record.topic))
    first, number = (known.first, known.records) if known else (place, 0)
    rows.unknown[status, record.topic] = UnknownStatus(first, place, number + 1)


def _add_change(
    rows: Rows, record: Record, event: DeadlineExtended, entry: Entry, kind: str
) -> None:
    body = kept(record, event, whole=entry.keep_bodies)
    _add_act(rows, record, body, event.order_id, kind, event.occurred_at, None, None, None)
    due = event.due if kind == EXTENDED else None
    place = (record.topic, record.partition, record.offset)
    rows.changes.append((
        event.order_id, kind, event.occurred_at, rows.now, due, event.author, event.reason, *place,
    ))  # fmt: skip
    # Touched, so that an unknown order gets a stub; changed, so that it gets a notice in any case.
    rows.touched.add(event.order_id)
    rows.changed.add(event.order_id)


def _add_foreign(
    rows: Rows, record: Record, events: tuple[Event, ...], entry: Entry, lane: int
) -> None:
    # An order may come with acts; its record counts once, as that of an order.
    entered = False
    for event in events:
        if isinstance(event, OrderCreated):
            _add_order(rows, record, event, entry, lane)
            entered = True
        else:
            _add_status(rows, record, cast("OrderStatusChanged", event), entry)
    if not entered:
        nothing = Effect.TOMBSTONE if record.value is None else Effect.IGNORED
        rows.count(record.topic, Effect.STATUS if events else nothing)


def _add_act(
    rows: Rows, record: Record, body: bytes, order_id: str, status: str, occurred_at: datetime,
    stock_ok: bool | None, form_complete: bool | None, unknown: bool | None,
) -> None:  # fmt: skip
    rows.acts.append((
        order_id, status, occurred_at, record.topic, record.partition, record.offset, stock_ok,
        form_complete, unknown, body,
    ))  # fmt: skip
