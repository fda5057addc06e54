"""Reads plain records with compiled code, five times as fast as :mod:`worker.ingest.decoder`.

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
from typing import Any

from schemas.statuses import Meaning, normalise
from worker.domain.acts import ORDER_CREATED
from worker.domain.policy import Policy
from worker.ingest.decoder import Decoder
from worker.ingest.entry import Entry
from worker.ingest.rows import Rows, kind_of
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
        self._entry = entry
        self._lane = lane
        self._metrics = metrics
        # By its spelling, the column of a status and the number of its set; None if not plain.
        self._statuses: dict[str, tuple[bytes, int] | None] = {}

    def read(
        self, rows: Rows, records: Sequence[Record], begin: int, latest: datetime, step: int
    ) -> int:
        """Add the records from ``begin`` on, up to the first that is not plain; return its place.

        A time far after ``latest`` is not plain. Of ``step`` records the delay of one is observed.
        """
        topic, partition, *_ = records[begin]
        type_header, policy = self._type_headers.get(topic), self._entry.policy_of_all
        of_orders = topic == self._entry.orders_topic
        if type_header is None or (of_orders and policy is None):
            return begin
        settings = (
            type_header,
            self._longest,
            _micros(latest + self._max_clock_skew),
            _micros(rows.now),
            cells(topic, partition),
            step,
        )
        chunk = (records, begin, settings, rows.packed_acts)
        end: int
        if of_orders and policy is not None:
            end, delays = self._native.orders(
                *chunk,
                self._terms(policy, cells(self._lane, topic, partition, rows.now)),
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

    def _terms(self, policy: Policy, place: bytes) -> tuple[Any, ...]:
        least = self._entry.least_window
        return (
            place,
            cells(policy.name, policy.version, policy.at_lapse, None),
            self._latest_entry,
            policy.window // MICROSECOND,
            policy.grace // MICROSECOND,
            None if least is None else least // MICROSECOND,
        )

    def deadlines(self, rows: Rows) -> tuple[bytes, datetime]:
        """Pack the deadlines of packed orders for COPY; also return the first that fires."""
        packed, first = self._native.deadlines(self._lane, [*rows.packed_orders.values()])
        return packed, EPOCH + first * MICROSECOND

    def _learn(self, spelling: str) -> tuple[bytes, int] | None:
        status = normalise(spelling)
        meaning = self._entry.meaning(status)
        if len(self._statuses) >= _MOST_STATUSES or meaning is Meaning.UNKNOWN:
            return None
        number = kind_of(status, meaning, self._entry)
        self._statuses[spelling] = found = cells(status), number
        return found


def _micros(moment: datetime) -> int:
    """Microseconds since :data:`EPOCH`."""
    return (moment - EPOCH) // MICROSECOND
