"""A batch of records, read and sorted into the rows they become."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, cast

from schemas.events import RefusalClass
from schemas.models import (
    DeadlineExtended,
    DeadlineHeld,
    DeadlineReleased,
    OrderCreated,
    OrderStatusChanged,
)
from worker.domain.acts import DECISIVE, EXTENDED, HELD, ORDER_CREATED, RELEASED
from worker.domain.policy import Facts, Policies, Terms
from worker.ingest.decoder import Decoder, Event
from worker.observability.labels import Effect
from worker.records import Partition, Record, Refusal
from worker.storage import binary_copy

_CHANGES: dict[type, str] = {
    DeadlineExtended: EXTENDED,
    DeadlineHeld: HELD,
    DeadlineReleased: RELEASED,
}
# Those of an order that differ within a batch; also the parameters of enter_orders.sql.
_DIFFERING = (
    "order_id", "seller_id", "fulfilment", "entered_at", "due", "fires_at", "policy",
    "policy_version", "at_lapse", "total", "currency", "offset",
)  # fmt: skip


@dataclass(slots=True)
class Rows:
    """What a batch becomes: see the tables of the first migration."""

    now: datetime
    # By order id, the columns that differ within a batch.
    orders: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    # The one partition that its orders came by.
    home: Partition | None = None
    # order id, status, occurred_at, topic, partition, offset, stock_ok, form_complete, body.
    acts: list[tuple[Any, ...]] = field(default_factory=list)
    # Those that are packed already.
    packed: list[bytes] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    # Orders that enter before their clock starts.
    waiting: set[str] = field(default_factory=set)
    # Changes of deadlines, and whose they are.
    changes: list[tuple[Any, ...]] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    dead_letters: list[tuple[Any, ...]] = field(default_factory=list)
    # (topic, outcome) of each record, for the counters.
    outcomes: list[tuple[str, Effect]] = field(default_factory=list)
    refusals: dict[RefusalClass, int] = field(default_factory=dict)
    # Those that carry the context of a trace.
    traced: list[Record] = field(default_factory=list)

    def stubs(self, known: Collection[str] = ()) -> list[str]:
        """The orders that were touched, but neither enter with the batch nor are known."""
        return [o for o in self.touched if o not in self.orders and o not in known]

    def pack(self) -> None:
        """Make of the acts what COPY takes, while the processor still has them in its caches.

        Raises:
            UnicodeError: a text that is not Unicode.
        """
        self.packed += binary_copy.acts(self.acts, self.now)
        self.acts.clear()

    def entering(
        self, lane: int, orders: Collection[tuple[Any, ...]], stubs: Collection[str]
    ) -> list[bytes]:
        """Rows of the table of orders as COPY takes them, in the order of their keys.

        Raises:
            UnicodeError: a text that is not Unicode.
        """
        rows = binary_copy.orders(orders, lane, self.home or (None, None), self.now)
        rows += binary_copy.stubs(stubs, self.now)
        keys = [*map(itemgetter(0), orders), *stubs]
        return [row for _, row in sorted(zip(keys, rows, strict=True))]

    def brought(self) -> dict[int, str]:
        """The orders of the batch, by the offset of their record."""
        return {order[-1]: order_id for order_id, order in self.orders.items()}

    def refused_places(self) -> list[tuple[Partition, int]]:
        """Where each dead letter stood."""
        return [((topic, number), offset) for _, topic, number, offset, *_ in self.dead_letters]

    def count(self, topic: str, outcome: Effect) -> None:
        """Count a record by what became of it."""
        self.outcomes.append((topic, outcome))


def act_columns(rows: Rows) -> list[list[Any]]:
    """Its acts, column by column, as enter_orders.sql takes them."""
    acts = [(*act[:3], rows.now, *act[3:-1], act[-1].decode(errors="replace")) for act in rows.acts]
    return [list(column) for column in zip(*acts, strict=True)] or [[]] * 10


def order_columns(orders: Collection[tuple[Any, ...]]) -> list[Sequence[Any]]:
    """Orders of :class:`Rows`, column by column."""
    return list(zip(*orders, strict=True)) or [()] * len(_DIFFERING)


def deadline_rows(lane: int, orders: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows of the table of deadlines, in the order of their keys: the first fires first."""
    rows = [(lane, fires_at, order_id) for order_id, _, _, _, _, fires_at, *_ in orders if fires_at]
    rows.sort()
    return rows


def sort_out(
    rows: Rows, records: Iterable[Record], lane: int, decoder: Decoder, policies: Policies
) -> None:
    """Decode every record; one that cannot be read becomes a dead letter and the rest go on."""
    now = rows.now
    telling = DECISIVE | policies.clocks
    for record in records:
        event = decoder.decode(record, now)
        # No isinstance(): the models' metaclass makes it ten times as slow.
        kind = type(event)
        if kind is OrderStatusChanged:
            _status(rows, record, cast("OrderStatusChanged", event), telling)
            rows.count(record.topic, Effect.STATUS)
        elif kind is OrderCreated:
            _order(rows, record, cast("OrderCreated", event), policies, lane)
        elif kind is tuple:
            _foreign(rows, record, cast("tuple[Event, ...]", event), telling, policies, lane)
        elif kind in _CHANGES:
            _change(rows, record, cast("DeadlineExtended", event), _CHANGES[kind])
            rows.count(record.topic, Effect.DEADLINE)
        else:
            refuse(rows, record, cast("Refusal", event), lane)


def refuse(rows: Rows, record: Record, refused: Refusal, lane: int) -> None:
    """Keep a record that cannot be read: its bytes, its place and the class of error."""
    rows.dead_letters.append((
        lane, record.topic, record.partition, record.offset,
        datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC), rows.now,
        refused.error.value, refused.message, record.key, record.value,
        [name.encode("utf-8", "surrogateescape") for name, _ in record.headers],
        [value for _, value in record.headers],
        list(refused.order_ids),
    ))  # fmt: skip
    rows.count(record.topic, Effect.REFUSED)
    rows.refusals[refused.error] = rows.refusals.get(refused.error, 0) + 1


def _order(rows: Rows, record: Record, event: OrderCreated, policies: Policies, lane: int) -> None:
    order_id = event.order_id
    try:
        terms = _terms(event, policies)
    except OverflowError:
        told = "the order's policy has no deadline for this entered_at"
        refuse(rows, record, Refusal(RefusalClass.OUT_OF_RANGE, told, (order_id,)), lane)
        return
    _act(rows, record, order_id, ORDER_CREATED, event.entered_at, None, None)
    if order_id in rows.orders:
        rows.count(record.topic, Effect.REPEAT)
        return
    rows.orders[order_id] = (
        order_id, event.seller_id, event.fulfilment, event.entered_at, *terms, event.total,
        event.currency, record.offset,
    )  # fmt: skip
    if terms is _NOT_YET:
        # What starts it may have come before the order.
        rows.waiting.add(order_id)
    rows.home = (record.topic, record.partition)
    rows.count(record.topic, Effect.CREATED)


_NOT_YET: Terms = (None, None, None, 0, None)


def _terms(event: OrderCreated, policies: Policies) -> Terms:
    policy = policies.only or policies.choose(
        Facts(
            event.seller_id,
            event.fulfilment,
            None if event.total is None else Decimal(event.total),
            event.currency,
        )
    )
    if policy.clock != ORDER_CREATED:
        return _NOT_YET
    return policy.terms(event.entered_at)


def _status(rows: Rows, record: Record, event: OrderStatusChanged, telling: frozenset[str]) -> None:
    _act(rows, record, event.order_id, event.status, event.occurred_at, event.stock_ok,
         event.form_complete)  # fmt: skip
    if event.status in telling:
        rows.touched.add(event.order_id)


def _change(rows: Rows, record: Record, event: DeadlineExtended, kind: str) -> None:
    _act(rows, record, event.order_id, kind, event.occurred_at, None, None)
    due = event.due if kind == EXTENDED else None
    place = (record.topic, record.partition, record.offset)
    rows.changes.append((
        event.order_id, kind, event.occurred_at, rows.now, due, event.author, event.reason, *place,
    ))  # fmt: skip
    # A stub, should the order not be known yet, and a look at it in any case.
    rows.touched.add(event.order_id)
    rows.changed.add(event.order_id)


def _foreign(
    rows: Rows,
    record: Record,
    told: tuple[Event, ...],
    telling: frozenset[str],
    policies: Policies,
    lane: int,
) -> None:
    if told and isinstance(told[0], OrderCreated):
        _order(rows, record, told[0], policies, lane)
        return
    for event in told:
        _status(rows, record, cast("OrderStatusChanged", event), telling)
    rows.count(record.topic, Effect.STATUS if told else Effect.IGNORED)


def _act(
    rows: Rows, record: Record, order_id: str, status: str, occurred_at: datetime,
    stock_ok: bool | None, form_complete: bool | None,
) -> None:  # fmt: skip
    assert record.value is not None
    rows.acts.append((
        order_id, status, occurred_at, record.topic, record.partition, record.offset, stock_ok,
        form_complete, record.value,
    ))  # fmt: skip
