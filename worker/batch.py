"""A batch of records, read and sorted into the rows they become."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.models import OrderCreated, OrderStatusChanged
from worker.codec import Codec
from worker.domain.acts import DECISIVE
from worker.domain.policy import Policy
from worker.proof import Partition
from worker.records import Record, Refused

ORDER_CREATED = "order-created"

ACT_COLUMNS = (
    "order_id", "status", "occurred_at", "received_at", "topic", "partition", "offset",
    "stock_ok", "form_complete", "body",
)  # fmt: skip

# One list per column of sql/enter_orders.sql.
_ORDER_COLUMNS = 15
_STUB = (None,) * (_ORDER_COLUMNS - 1)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one lane, oldest first per partition, and the positions behind them.

    ``after`` may lie beyond the last record: a transaction marker or an aborted batch moves the
    position without a record.
    """

    records: tuple[Record, ...]
    after: Mapping[Partition, int]


@dataclass(slots=True)
class Rows:
    """What a batch becomes: see the tables of the first migration."""

    orders: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    acts: list[tuple[Any, ...]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    dead_letters: list[tuple[Any, ...]] = field(default_factory=list)
    # (topic, outcome) of each record, for the counters.
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)

    def order_columns(self) -> list[list[Any]]:
        """The orders, and a stub for each other order that was touched, column by column."""
        rows = [*self.orders.values()]
        rows += [(order_id, *_STUB) for order_id in self.touched if order_id not in self.orders]
        if not rows:
            return []
        return [list(column) for column in zip(*rows, strict=True)]

    def refused_places(self) -> list[tuple[Partition, int]]:
        """Where each dead letter stood."""
        return [((topic, number), offset) for _, topic, number, offset, *_ in self.dead_letters]

    def count(self, topic: str, outcome: str) -> None:
        """Count a record by what became of it."""
        self.counts[topic, outcome] = self.counts.get((topic, outcome), 0) + 1


def sort_out(
    records: Iterable[Record], lane: int, codec: Codec, policy: Policy, now: datetime
) -> Rows:
    """Decode every record; one that cannot be read becomes a dead letter and the rest go on."""
    rows = Rows()
    for record in records:
        event = codec.decode(record, now)
        if isinstance(event, OrderStatusChanged):
            _act(rows, record, event.order_id, event.status, event.occurred_at, now,
                 event.stock_ok, event.form_complete)  # fmt: skip
            if event.status in DECISIVE:
                rows.touched.add(event.order_id)
            rows.count(record.topic, "status")
        elif isinstance(event, OrderCreated):
            _order(rows, record, event, lane, policy, now)
        else:
            refuse(rows, record, event, lane, now)
    return rows


def refuse(rows: Rows, record: Record, refused: Refused, lane: int, now: datetime) -> None:
    """Keep a record that cannot be read: its bytes, its place and the class of error."""
    rows.dead_letters.append((
        lane, record.topic, record.partition, record.offset,
        datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC), now,
        refused.error.value, refused.message, record.key, record.value,
        [name.encode("utf-8", "surrogateescape") for name, _ in record.headers],
        [value for _, value in record.headers],
        list(refused.order_ids),
    ))  # fmt: skip
    rows.count(record.topic, "refused")
    rows.refusals[refused.error.value] = rows.refusals.get(refused.error.value, 0) + 1


def _order(
    rows: Rows, record: Record, event: OrderCreated, lane: int, policy: Policy, now: datetime
) -> None:
    _act(rows, record, event.order_id, ORDER_CREATED, event.entered_at, now, None, None)
    if event.order_id in rows.orders:
        rows.count(record.topic, "repeat")
        return
    rows.orders[event.order_id] = (
        event.order_id, lane, event.seller_id, event.fulfilment, event.entered_at,
        policy.due(event.entered_at), policy.fires_at(event.entered_at), policy.name,
        policy.at_lapse.value, event.total, event.currency, record.topic, record.partition,
        record.offset, now,
    )  # fmt: skip
    rows.count(record.topic, "created")


def _act(
    rows: Rows, record: Record, order_id: str, status: str, occurred_at: datetime, now: datetime,
    stock_ok: bool | None, form_complete: bool | None,
) -> None:  # fmt: skip
    assert record.value is not None
    rows.acts.append((
        order_id, status, occurred_at, now, record.topic, record.partition, record.offset,
        stock_ok, form_complete, record.value.decode(errors="replace"),
    ))  # fmt: skip
