"""Monkey-patches aiokafka: replaces two private parts of its fetcher, for the whole process.

Look here first when aiokafka is upgraded. The patches:

1. Header names that are not UTF-8. Brokers accept such names, and clients in other languages write
   them. aiokafka decodes names strictly: it would return neither the record nor any after it. With
   the patch the batch is then read a second time, by aiokafka's parser in Python, with the invalid
   bytes as lone surrogates (``errors="surrogateescape"``), from which they can be restored.
2. Records come as our own :class:`Record`: to make one of aiokafka's takes as long as to parse it.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, SupportsIndex, cast

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from worker.records import Record

# Of a batch: the place of its length, and the bytes before the part that the length counts.
_LENGTH_AT = 8
_BEFORE_BATCH = 12
# Records that are parsed before they are passed on.
_CHUNK = 100


def patch_aiokafka() -> None:
    """Patch every consumer of this process."""
    # If a later aiokafka no longer uses these names, the patches have no effect: the consumer halts
    # the lane at an invalid header name, and as_record() converts each record.
    vars(fetcher)["MemoryRecords"] = _Records
    fetcher.PartitionRecords._consumer_record = _make_record  # type: ignore[method-assign]


def as_record(fetched: Any) -> Record:
    """Return a record that a consumer returned as our own :class:`Record`."""
    if type(fetched) is Record:
        return fetched
    return Record(
        fetched.topic,
        fetched.partition,
        fetched.offset,
        fetched.timestamp,
        fetched.key,
        fetched.value,
        tuple(fetched.headers),
    )


def _make_record(_self: Any, tp: Any, parsed: Any, make: Any = tuple.__new__) -> Record:
    # The constructor of a NamedTuple would be one more call for each record.
    topic, partition = tp
    record: Record = make(
        Record,
        (
            topic, partition, parsed.offset, parsed.timestamp, parsed.key, parsed.value,
            tuple(parsed.headers),
        ),
    )  # fmt: skip
    return record


class _Records:
    """Stands in for aiokafka's ``MemoryRecords``: the batches of one answer to a fetch."""

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
    """One batch: aiokafka's strict parser, then the lenient one from the first invalid name on."""

    def __init__(self, strict: Any, raw: memoryview) -> None:
        self._strict = strict
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strict, name)

    def __next__(self) -> Any:
        return next(self._strict)

    def __iter__(self) -> Iterator[Any]:
        # In chunks: a generator of ours would add half to the time of each record.
        return chain.from_iterable(self._chunks())

    def _chunks(self) -> Iterator[Iterable[Any]]:
        # chain(), because aiokafka's iterator can be iterated only once and not after its end.
        records, passed_on = chain(self._strict), 0
        try:
            while chunk := [*islice(records, _CHUNK)]:
                yield chunk
                passed_on += len(chunk)
        except UnicodeDecodeError:
            lenient: Any = _LenientBatch(self._raw)
            yield islice(lenient, passed_on, None)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """aiokafka's parser in Python, over bytes that decode leniently."""

    def __init__(self, buffer: memoryview) -> None:
        super().__init__(buffer)
        self._buffer = _Bytes(self._buffer)

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        if not isinstance(self._buffer, _Bytes):
            self._buffer = _Bytes(self._buffer)


class _Bytes(bytearray):
    """Bytes whose slices decode leniently: the parser slices the name out of them."""

    def __getitem__(self, key: Any) -> Any:
        item = super().__getitem__(cast("SupportsIndex", key))
        return _Bytes(item) if isinstance(key, slice) else item

    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return super().decode(encoding, errors)
