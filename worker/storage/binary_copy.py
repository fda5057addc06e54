"""Packs rows of the three large tables for COPY, in Postgres' binary format.

The driver would look up the encoding of each value again, which takes twice the time. Here the
values that many rows share are encoded once, and a packed row takes less memory than its values.

A row is the number of its columns, then for each column its length, or -1 for NULL, and its bytes.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Any

ACT_COLUMNS = (
    "order_id", "status", "stock_ok", "form_complete", "unknown", "topic", "partition",
    "occurred_at", "received_at", "offset", "body",
)  # fmt: skip
ORDER_COLUMNS = (
    "order_id", "entered_at", "due", "fires_at", "seller_id", "fulfilment", "policy",
    "policy_version", "at_lapse", "doubt", "currency", "labels", "told_due", "total", "offset",
    "lane", "topic", "partition", "received_at",
)  # fmt: skip
DEADLINE_COLUMNS = ("lane", "fires_at", "order_id")

# Postgres stores a time as microseconds since this one.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"

_length = Struct(">i").pack
_read_length = Struct(">i").unpack_from
_row_start = Struct(">hi").pack
_time = Struct(">iq").pack
_act = Struct(">iqiqiqi").pack
_three_times = Struct(">iqiqiqi").pack
_deadline = Struct(">hiiiqi").pack


def copy_stream(rows: Iterable[bytes]) -> bytearray:
    """Return packed rows as COPY reads them: with header and trailer."""
    return bytearray(b"".join((_BEGIN, *rows, _END)))


def acts(rows: Iterable[tuple[Any, ...]], received_at: datetime) -> list[bytes]:
    """Pack rows of :attr:`Rows.acts` as rows of ``ACT_COLUMNS``.

    Raises:
        UnicodeError: a text that is not Unicode.
    """
    received = (received_at - EPOCH) // MICROSECOND
    packed = []
    for row in rows:
        order_id, status, occurred_at, topic, partition, offset, *said, body = row
        key = order_id.encode()
        packed.append(
            b"".join((
                _row_start(len(ACT_COLUMNS), len(key)),
                key,
                _status(status, *said, topic, partition),
                _act(8, (occurred_at - EPOCH) // MICROSECOND, 8, received, 8, offset, len(body)),
                body,
            ))
        )  # fmt: skip
    return packed


def orders(
    rows: Iterable[tuple[Any, ...]],
    lane: int,
    home: tuple[str, int] | tuple[None, None],
    received_at: datetime,
) -> list[bytes]:
    """Pack rows of :attr:`Rows.orders` as rows of ``ORDER_COLUMNS``.

    Raises:
        UnicodeError: a text that is not Unicode.
    """
    place = cells(lane, *home, received_at)
    packed = []
    for (
        order_id, seller_id, fulfilment, entered_at, due, fires_at, policy, version, at_lapse,
        doubt, labels, told_due, total, currency, offset,
    ) in rows:  # fmt: skip
        key, seller = order_id.encode(), seller_id.encode()
        entered = (entered_at - EPOCH) // MICROSECOND
        if due is None:  # its clock has not started
            times = _time(8, entered) + _NULL + _NULL + _length(len(seller))
        else:
            times = _three_times(
                8, entered, 8, (due - EPOCH) // MICROSECOND,
                8, (fires_at - EPOCH) // MICROSECOND, len(seller),
            )  # fmt: skip
        packed.append(
            b"".join((
                _row_start(len(ORDER_COLUMNS), len(key)), key, times, seller,
                _terms(fulfilment, policy, version, at_lapse, doubt, currency),
                _NO_EXTRAS if labels is told_due is None else _extras(labels, told_due),
                _amount(total),
                _time(8, offset), place,
            ))
        )  # fmt: skip
    return packed


def unpacked_order(row: bytes) -> tuple[Any, ...]:
    """Return a row of :func:`orders` as it was before, for an order with a deadline."""
    columns = dict(zip(ORDER_COLUMNS, _cells_of(row), strict=True))

    def text(name: str) -> str | None:
        return None if (cell := columns[name]) is None else cell.decode()

    def number(name: str) -> int:
        return int.from_bytes(columns[name] or b"", "big", signed=True)

    def time(name: str) -> datetime:
        return EPOCH + number(name) * MICROSECOND

    return (
        text("order_id"), text("seller_id"), text("fulfilment"), time("entered_at"), time("due"),
        time("fires_at"), text("policy"), number("policy_version"), text("at_lapse"),
        text("doubt"), None, None, _amount_of(columns["total"]), text("currency"), number("offset"),
    )  # fmt: skip


def _cells_of(row: bytes) -> Iterator[bytes | None]:
    at = 2
    while at < len(row):
        (length,) = _read_length(row, at)
        at += 4
        yield row[at : at + length] if length >= 0 else None
        at += max(0, length)


def _amount_of(cell: bytes | None) -> str | None:
    """Read an amount as :func:`_amount` encodes it, without leading zeros."""
    if cell is None:
        return None
    groups, weight, _, scale = Struct(">4h").unpack_from(cell)
    digits = "".join(f"{each:04}" for each in Struct(f">{groups}h").unpack_from(cell, 8))
    integer, fraction = digits[: 4 * (weight + 1)], digits[4 * (weight + 1) :][:scale]
    return (integer.lstrip("0") or "0") + (f".{fraction}" if scale else "")


def stubs(order_ids: Iterable[str], received_at: datetime) -> list[bytes]:
    """Pack stubs, orders with nothing but an id, as rows of ``ORDER_COLUMNS``.

    Raises:
        UnicodeError: a text that is not Unicode.
    """
    rest = cells(*[None] * 6, 0, *[None] * 10, received_at)
    keys = [order_id.encode() for order_id in order_ids]
    return [_row_start(len(ORDER_COLUMNS), len(key)) + key + rest for key in keys]


def deadlines(rows: Iterable[tuple[int, datetime, str]]) -> list[bytes]:
    """Pack lane, firing time and order id as rows of ``DEADLINE_COLUMNS``.

    Raises:
        UnicodeError: a text that is not Unicode.
    """
    packed = []
    for lane, fires_at, order_id in rows:
        key = order_id.encode()
        fires = (fires_at - EPOCH) // MICROSECOND
        packed.append(_deadline(len(DEADLINE_COLUMNS), 4, lane, 8, fires, len(key)) + key)
    return packed


def cells(*values: str | int | bool | datetime | None) -> bytes:
    """Encode columns that many rows share."""
    return b"".join(map(_cell, values))


def _cell(value: str | int | bool | datetime | None) -> bytes:
    match value:
        case None:
            return _NULL
        case bool():
            return b"\0\0\0\1" + bytes([value])
        case int():
            return b"\0\0\0\4" + _length(value)
        case datetime():
            return _time(8, (value - EPOCH) // MICROSECOND)
        case _:
            text = value.encode()
            return _length(len(text)) + text


# A cache for each kind of row: a cache takes 1 and True for the same, but their bytes differ.
@lru_cache(1_000)
def _status(*values: str | int | bool | None) -> bytes:
    return cells(*values)


@lru_cache(1_000)
def _terms(*values: str | int | None) -> bytes:
    return cells(*values)


_NO_EXTRAS = 2 * _NULL


def _extras(labels: str | None, told_due: datetime | None) -> bytes:
    """Encode a ``jsonb``, which is its version and its text, and a time."""
    json = _NULL if labels is None else _cell("\1" + labels)
    return json + _cell(told_due)


@lru_cache(10_000)
def _amount(total: str | None) -> bytes:
    """Encode a ``numeric``: digits to the base 10,000, on both sides of the point."""
    if total is None:
        return _NULL
    integer, _, fraction = total.partition(".")
    before, after = -(-len(integer) // 4), -(-len(fraction) // 4)
    digits = integer.zfill(4 * before) + fraction.ljust(4 * after, "0")
    numbers = [int(digits[at : at + 4]) for at in range(0, len(digits), 4)]
    size = len(numbers)
    head = Struct(">ihhhh").pack(8 + 2 * size, size, before - 1, 0, len(fraction))
    return head + Struct(f">{size}h").pack(*numbers)
