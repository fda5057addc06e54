"""Lets the client hand over records whose header names are not UTF-8.

Brokers take such names, and clients of other languages write them. aiokafka decodes names
strictly, and would hand over neither the record nor any that follows it. Here the batch is then
read a second time, by the client's own parser in Python, with the odd bytes as lone surrogates
(``errors="surrogateescape"``), from which they can be had again.
"""

import struct
from collections.abc import Iterator
from typing import Any, SupportsIndex, cast

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT = 8
_BEFORE_BATCH = 12  # base offset and length


def tolerate() -> None:
    """Make every consumer of this process read them."""
    # Should the client no longer look there, the consumer halts the lane as if we were not here.
    vars(fetcher)["MemoryRecords"] = _Records


class _Records:
    """As aiokafka's, of one answer to a fetch."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records: Any = MemoryRecords(data)
        self._at = 0

    def size_in_bytes(self) -> int:
        return len(self._data)

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def next_batch(self) -> "_Batch":
        begin = self._at
        (length,) = struct.unpack_from(">i", self._data, begin + _LENGTH_AT)
        self._at += _BEFORE_BATCH + length
        return _Batch(self._records.next_batch(), memoryview(self._data)[begin : self._at])


class _Batch:
    """One batch: aiokafka's, until a name stops it."""

    def __init__(self, strict: Any, raw: memoryview) -> None:
        self._strict = strict
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strict, name)

    def __next__(self) -> Any:
        return next(self._strict)

    def __iter__(self) -> Iterator[Any]:
        given = 0
        try:
            for record in self._strict:
                yield record
                given += 1
        except UnicodeDecodeError:
            lenient: Any = _LenientBatch(self._raw)
            for number, record in enumerate(lenient):
                if number >= given:
                    yield record


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    def __init__(self, buffer: memoryview) -> None:
        super().__init__(buffer)
        self._buffer = _Bytes(self._buffer)

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        if not isinstance(self._buffer, _Bytes):
            self._buffer = _Bytes(self._buffer)


class _Bytes(bytearray):
    """The parser slices the name out of these and decodes it."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(cast("SupportsIndex", key))
        return _Bytes(found) if isinstance(key, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return super().decode(encoding, errors)
