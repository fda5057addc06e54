"""Reads plain records with compiled code, in a tenth of the time of the decoder.

A plain record needs no judgement: our own event as JSON, in the usual spelling, of the order that
its key names. All others are left to the decoder, which alone knows the rules and refuses. So the
compiled code can be absent, as it is from the wheel for any platform, and nothing changes but the
speed. ``tests/unit/test_plain.py`` holds the two equal.

It reads large batches only. A lane that keeps up has few records at a time.

The code is in ``native/``, in Rust without dependencies; ``make native`` builds it.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, NamedTuple

from schemas.statuses import Meaning, normalise
from worker.domain.acts import ORDER_CREATED
from worker.ingest.decoder import Decoder
from worker.ingest.entry import Entry
from worker.ingest.rows import Affected, Rows, affects
from worker.observability.labels import Effect, Tells
from worker.observability.metrics import Metrics
from worker.records import Record
from worker.storage.binary_copy import EPOCH, MICROSECOND, cells

_ORDER_ACT = cells(ORDER_CREATED)
# Spellings of statuses to keep; publishers use a few dozen.
_MOST_STATUSES = 1_000


def compiled() -> Any:
    """The compiled code, ``None`` where this installation has none."""
    try:
        return import_module("worker.ingest.plain.native")
    except ImportError:
        return None


class _PlainOrder(NamedTuple):
    """An order as the compiled code reads it; times are microseconds since :data:`EPOCH`."""

    seller_id: str
    fulfilment: str
    entered: int
    total: str | None
    currency: str | None
    timestamp: int
    labels: None = None
    due: None = None

    @property
    def entered_at(self) -> datetime:
        """The time of its entry."""
        return _moment(self.entered)


class PlainReader:
    """Adds plain records to rows, for one lane."""

    def __init__(
        self, native: Any, decoder: Decoder, entry: Entry, lane: int, metrics: Metrics
    ) -> None:
        self._native = native
        self._type_headers = decoder.plain_topics()
        self._longest = decoder.max_record_bytes
        self._max_clock_skew = decoder.max_clock_skew
        self._latest_entry = _micros(decoder.latest_entry)
        self._terms_of_all = _terms_of_all(entry)
        self._entry = entry
        self._lane = lane
        self._metrics = metrics
        # By its spelling, the column of a status and the place of its set.
        self._statuses: dict[str, tuple[bytes, Affected]] = {}

    def read(
        self, rows: Rows, records: Sequence[Record], begin: int, latest: datetime, step: int
    ) -> int:
        """Add the records from ``begin`` on, up to the first that is not plain; return its place.

        A time far after ``latest`` is not plain. Of ``step`` records the delay of one is observed.
        """
        topic, partition, *_ = records[begin]
        type_header = self._type_headers.get(topic)
        if type_header is None:
            return begin
        of_orders = topic == self._entry.orders_topic
        settings = (
            type_header,
            self._longest,
            _micros(latest + self._max_clock_skew),
            _micros(rows.now),
            cells(topic, partition),
            step,
            self._entry.keep_bodies,
        )
        chunk = (records, begin, settings, rows.packed_acts)
        end: int
        if of_orders:
            end, delays = self._native.orders(
                *chunk,
                cells(self._lane, topic, partition, rows.now),
                self._latest_entry,
                self._terms_of_all,
                lambda facts: self._choose(_PlainOrder(*facts), rows.now),
                _ORDER_ACT,
                rows.packed_orders,
                rows.orders,
            )
            rows.home = (topic, partition)
        else:
            end, delays = self._native.acts(*chunk, self._statuses, self._learn, rows.affected())
        rows.count(topic, Effect.CREATED if of_orders else Effect.STATUS, end - begin)
        tells = Tells.ORDERS if of_orders else Tells.ACTS
        observed = self._metrics.record_delay.labels(topic, tells)
        for delay in delays:
            observed.observe(delay / 1e6)
        return end

    def _choose(self, order: _PlainOrder, now: datetime) -> tuple[int, int, bytes] | None:
        """The terms of one order; ``None`` if its clock does not start now, or never ends."""
        try:
            terms, doubt = self._entry.terms(order, _moment(order.timestamp), now)
        except OverflowError:
            return None
        due, fires_at, *policy = terms
        if due is None or fires_at is None:
            return None
        return _micros(due), _micros(fires_at), cells(*policy, doubt)

    def deadlines(self, rows: Rows) -> tuple[bytes, datetime]:
        """Pack the deadlines of packed orders for COPY; also return the first that fires."""
        packed, first = self._native.deadlines(self._lane, [*rows.packed_orders.values()])
        return packed, _moment(first)

    def _learn(self, spelling: str) -> tuple[bytes, Affected] | None:
        """Keep the column of a status and the place of its set; ``None`` if it is not plain."""
        status = normalise(spelling)
        meaning = self._entry.meaning(status)
        if len(self._statuses) >= _MOST_STATUSES or meaning is Meaning.UNKNOWN:
            return None
        self._statuses[spelling] = found = cells(status), affects(status, meaning, self._entry)
        return found


def _terms_of_all(entry: Entry) -> tuple[bytes, int, int, int | None] | None:
    """The terms of all orders, if each has its deadline so long after its entry."""
    policy, least = entry.policy_of_all, entry.least_window
    if policy is None:
        return None
    return (
        cells(policy.name, policy.version, policy.at_lapse, None),
        policy.window // MICROSECOND,
        policy.grace // MICROSECOND,
        None if least is None else least // MICROSECOND,
    )


def _moment(micros: int) -> datetime:
    return EPOCH + micros * MICROSECOND


def _micros(moment: datetime) -> int:
    """Microseconds since :data:`EPOCH`."""
    return (moment - EPOCH) // MICROSECOND
