"""Adapts how aiokafka hands over records.

Their header names need not be UTF-8. Brokers take such names, and clients of other languages write
them. aiokafka decodes names strictly, and would hand over neither the record nor any that follows
it. Here the batch is then read a second time, by the client's own parser in Python, with the odd
bytes as lone surrogates (``errors="surrogateescape"``), from which they can be had again.

And they come as our own :class:`Record`: aiokafka's takes as long to make as to parse.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, SupportsIndex, cast

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from worker.records import Record

_LENGTH_AT = 8
_BEFORE_BATCH = 12  # base offset and length
_PIECE = 100


def adapt() -> None:
    """Change every consumer of this process."""
    # Should the client no longer look there, the consumer halts the lane as if we were not here,
    # and as_record() has more to do.
    vars(fetcher)["MemoryRecords"] = _Records
    fetcher.PartitionRecords._consumer_record = _record  # type: ignore[method-assign]


def as_record(found: Any) -> Record:
    """What a consumer handed over, as a record."""
    if type(found) is Record:
        return found
    return Record(
        found.topic,
        found.partition,
        found.offset,
        found.timestamp,
        found.key,
        found.value,
        tuple(found.headers),
    )


def _record(_self: Any, tp: Any, found: Any, make: Any = tuple.__new__) -> Record:
    # The constructor of a NamedTuple is one more call, for each record.
    topic, partition = tp
    record: Record = make(
        Record,
        (
            topic, partition, found.offset, found.timestamp, found.key, found.value,
            tuple(found.headers),
        ),
    )  # fmt: skip
    return record


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
        # Through a generator of ours each record would take half as long again.
        return chain.from_iterable(self._pieces())

    def _pieces(self) -> Iterator[Iterable[Any]]:
        # The client's own iterator can neither be taken up again nor asked once it has ended.
        records, given = chain(self._strict), 0
        try:
            while piece := [*islice(records, _PIECE)]:
                yield piece
                given += len(piece)
        except UnicodeDecodeError:
            lenient: Any = _LenientBatch(self._raw)
            yield islice(lenient, given, None)


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
