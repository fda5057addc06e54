"""Reads rows as :mod:`worker.storage.binary_copy` and its neighbours pack them."""

import struct
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _instant(data: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=struct.unpack(">q", data)[0])


def _numeric(data: bytes) -> Decimal:
    _, weight, sign, scale = struct.unpack_from(">hhhh", data)
    assert sign == 0
    digits = struct.unpack(f">{(len(data) - 8) // 2}h", data[8:])
    value = sum(
        Decimal(digit) * Decimal(10_000) ** (weight - at) for at, digit in enumerate(digits)
    )
    return Decimal(f"{value:.{scale}f}")


def _int(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


_READ: dict[str, Callable[[bytes], Any]] = {
    "partition": _int, "offset": _int, "lane": _int, "policy_version": _int,
    "occurred_at": _instant, "received_at": _instant, "entered_at": _instant, "due": _instant,
    "fires_at": _instant, "stock_ok": lambda data: data == b"\1",
    "form_complete": lambda data: data == b"\1", "unknown": lambda data: data == b"\1",
    "total": _numeric, "told_due": _instant, "sequence": _int,
    "ordinal": _int, "revokes": _int, "decided_at": _instant,
    "id": lambda data: uuid.UUID(bytes=data), "labels": lambda data: data[1:].decode(),
}  # fmt: skip


def unpacked(columns: tuple[str, ...], row: bytes) -> tuple[Any, ...]:
    """The values of one row.

    Raises:
        AssertionError: it is not a row of these columns.
    """
    (count,) = struct.unpack_from(">h", row)
    assert count == len(columns)
    values = tuple(_values(columns, row[2:]))
    assert len(values) == count
    return values


def _values(columns: tuple[str, ...], rest: bytes) -> Iterator[Any]:
    for column in columns:
        (length,) = struct.unpack_from(">i", rest)
        data, rest = rest[4 : 4 + max(length, 0)], rest[4 + max(length, 0) :]
        assert len(data) == max(length, 0)
        yield None if length < 0 else _READ.get(column, bytes.decode)(data)
    assert not rest
