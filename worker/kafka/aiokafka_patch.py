"""Monkey-patches aiokafka: replaces private parts of its fetcher, for the whole process.

Look here first when aiokafka is upgraded. The patches:

1. Header names that are not UTF-8. Brokers accept such names, and clients in other languages write
   them. aiokafka decodes names strictly: it would return neither the record nor any after it. With
   the patch the batch is then read a second time, by aiokafka's parser in Python, with the invalid
   bytes as lone surrogates (``errors="surrogateescape"``), from which they can be restored.
2. Records come as our own :class:`Record`: to make one of aiokafka's takes as long as to parse it.
3. Batches inflate against a limit. aiokafka inflates a batch whole, whatever it grows to, and so
   one record of 400 KB could end the process again and again. Of a batch that grows beyond the
   limit, the records that are whole up to there are read; the others come without bytes, as
   :data:`NOT_INFLATED` records, which the decoder refuses.
4. An answer to a fetch ends early once its batches have inflated to a part of the limit; the client
   fetches the rest again. Otherwise many batches below the limit would do what one above it did.
5. Headers are cut at :data:`MOST_HEADERS`, in large batches before they are parsed. An empty header
   takes two bytes in a batch and sixty in memory, so one record could take up a gigabyte.
6. A broker that has just come back may name no broker at all, itself included. The search for the
   group's coordinator then fails an assertion, which ends the membership for good: a member that
   has no partitions yet, and so reads nothing, waits in silence for ever. With the patch the search
   goes on.
7. Two processes of one name (``group_instance_id``) push each other out of the group for ever:
   aiokafka does not know the error by which brokers tell the older one to end. With the patch a
   process asks before each attempt whether it still has the name, see :func:`gate_joins`.
"""

import struct
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final, NamedTuple, SupportsIndex, cast

from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance
from aiokafka.errors import NodeNotReadyError
from aiokafka.record import default_records, legacy_records
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint
from typing_extensions import Buffer

from worker.kafka.inflate import (
    OverLimit,
    inflate_gzip,
    inflate_lz4,
    inflate_snappy,
    inflate_zstd,
)
from worker.records import HEADERS_CUT, LONGEST_KEY, MOST_HEADERS, NOT_INFLATED, Record

# Of a batch: the place of its length, and the bytes before the part that the length counts.
_LENGTH_AT = 8
_BEFORE_BATCH = 12
# Records that are parsed before they are passed on.
_CHUNK = 100
# Of a batch in the format before version 2: the places of its version and of its time.
_MAGIC_AT = 16
_TIMESTAMP_AT = 18
_NO_TIMESTAMP = -1
# Of a batch since version 2: the bytes before its records.
_HEAD = 61
# The share of the limit at which an answer to a fetch ends early: a quarter.
_ANSWER_PART = 4
# The headers of a batch beyond this size are counted before they are parsed.
_LARGE = 1 << 20
# The bytes of a header in memory, without its name and value.
_HEADER_BYTES = 64
# More headers than this count as memory that was read.
_USUAL_HEADERS = 32
# Of one batch, at most this many records come without bytes; the position moves over the others.
MOST_NOT_INFLATED: Final = 1_000


class _Inflation:
    """The limit of this process, and the bytes of batches that it has taken in so far."""

    limit = 1 << 25
    inflated = 0
    bytes_read = 0
    # The batch that was inflated last, if it is large.
    large: bytes | None = None


def limit_batches(limit: int) -> None:
    """Set the number of bytes to which a batch may inflate, for every consumer of the process."""
    _Inflation.limit = limit


def bytes_read() -> int:
    """Return the bytes of all batches that were read in this process, inflated."""
    return _Inflation.bytes_read


def _counted(inflate: Any) -> Any:
    def decode(data: Any) -> bytes:
        inflated: bytes = inflate(data, _Inflation.limit)
        _Inflation.inflated += len(inflated)
        _Inflation.large = inflated if len(inflated) > _LARGE else None
        return inflated

    return decode


def patch_aiokafka() -> None:
    """Patch every consumer of this process."""
    # If a later aiokafka no longer uses these names, the patches have no effect: the consumer halts
    # the lane at an invalid header name, and as_record() converts each record.
    vars(fetcher)["MemoryRecords"] = _Records
    fetcher.PartitionRecords._consumer_record = _make_record  # type: ignore[method-assign]
    AIOKafkaClient.coordinator_lookup = _look_up_coordinator  # type: ignore[method-assign]
    CoordinatorGroupRebalance.perform_group_join = _join_if_allowed  # type: ignore[method-assign]
    decoders = {
        "gzip_decode": _counted(inflate_gzip),
        "snappy_decode": _counted(inflate_snappy),
        "lz4_decode": _counted(inflate_lz4),
        "zstd_decode": _counted(inflate_zstd),
    }
    # The compiled parsers and the ones in Python look the functions up in their own modules.
    for parsers in (default_records, legacy_records):
        for module in (parsers, _compiled(parsers)):
            vars(module).update((n, f) for n, f in decoders.items() if n in vars(module))


def gate_joins(coordinator: Any, may_join: Callable[[], Awaitable[bool]] | None) -> None:
    """Have this group coordinator ask before it joins; ``None`` always allows it.

    After a refusal it asks again in a moment.
    """
    coordinator.plazo_may_join = may_join


_join = CoordinatorGroupRebalance.perform_group_join


async def _join_if_allowed(rebalance: Any) -> Any:
    may_join = getattr(rebalance._coordinator, "plazo_may_join", None)
    if may_join is not None and not await may_join():
        return None
    return await _join(rebalance)  # type: ignore[no-untyped-call]


_look_up = AIOKafkaClient.coordinator_lookup


async def _look_up_coordinator(client: Any, *wanted: Any) -> Any:
    if client.get_random_node() is None:
        raise NodeNotReadyError("the brokers name none")
    return await _look_up(client, *wanted)  # type: ignore[no-untyped-call]


def _compiled(parsers: Any) -> Any:
    """Return the compiled twin of a module of parsers, or the module itself if there is none."""
    batch = getattr(parsers, "DefaultRecordBatch", None) or parsers.LegacyRecordBatch
    return sys.modules[batch.__module__]


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
    headers = tuple(parsed.headers)
    if len(headers) > _USUAL_HEADERS:
        _Inflation.bytes_read += _HEADER_BYTES * len(headers)
        if len(headers) > MOST_HEADERS + 1:
            headers = (*headers[:MOST_HEADERS], HEADERS_CUT)
    record: Record = make(
        Record,
        (
            topic, partition, parsed.offset, parsed.timestamp, parsed.key, parsed.value,
            headers,
        ),
    )  # fmt: skip
    return record


class _Records:
    """Stands in for aiokafka's ``MemoryRecords``: the batches of one answer to a fetch."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records: Any = MemoryRecords(data)
        self._at = 0
        self._read = 0

    def size_in_bytes(self) -> int:
        return len(self._data)

    def has_next(self) -> bool:
        return self._read < _Inflation.limit // _ANSWER_PART and bool(self._records.has_next())

    def next_batch(self) -> "_Batch":
        begin = self._at
        (length,) = struct.unpack_from(">i", self._data, begin + _LENGTH_AT)
        self._at += _BEFORE_BATCH + length
        raw = memoryview(self._data)[begin : self._at]
        return _Batch(self._records.next_batch(), raw, self._count)

    def _count(self, length: int) -> None:
        self._read += length
        _Inflation.bytes_read += length


class _Batch:
    """One batch: aiokafka's strict parser, then the lenient one from the first invalid name on."""

    def __init__(self, strict: Any, raw: memoryview, count: Callable[[int], None]) -> None:
        self._strict = strict
        self._raw = raw
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strict, name)

    def __next__(self) -> Any:
        return next(self._strict)

    def __iter__(self) -> Iterator[Any]:
        # In chunks: a generator of ours would add half to the time of each record.
        return chain.from_iterable(self._chunks())

    def _chunks(self) -> Iterator[Iterable[Any]]:
        before, _Inflation.large = _Inflation.inflated, None
        passed_on = 0
        beginning: bytes | bytearray
        try:
            # chain(), because aiokafka's iterator can be iterated only once and not after its end.
            records = chain(iter(self._strict))
            # No other batch can have been inflated since.
            self._count(max(len(self._raw), _Inflation.inflated - before))
            body = self._large_body()
            headers = None if body is None else _HeaderCounts(body)
            while not (headers and headers.crowd(_CHUNK)):
                if not (chunk := [*islice(records, _CHUNK)]):
                    return
                yield chunk
                passed_on += len(chunk)
        except UnicodeDecodeError:
            body = None
        except OverLimit as over:
            beginning = over.beginning
            self._count(_Inflation.limit)
            if self._raw[_MAGIC_AT] < 2:
                yield (_of_old_format(self._raw),)
            else:
                yield _CutBatch(self._raw, beginning).records()
            return
        lenient: Any = _LenientBatch(self._raw, body)
        yield islice(lenient, passed_on, None)

    def _large_body(self) -> memoryview | None:
        """The records of a large batch in the format that has headers."""
        inflated, _Inflation.large = _Inflation.large, None
        if self._raw[_MAGIC_AT] < 2:
            return None
        if inflated is not None:
            return memoryview(inflated)
        compressed = self._strict.compression_type != _DefaultRecordBatchPy.CODEC_NONE
        return None if compressed or len(self._raw) <= _LARGE else self._raw[_HEAD:]


class _HeaderCounts:
    """Walks over the records of a batch, and reads only the number of their headers."""

    def __init__(self, body: memoryview) -> None:
        self._body: Any = body  # the parser of numbers says bytearray, and takes any buffer
        self._at = 0

    def crowd(self, count: int) -> bool:
        """Whether one of the next ``count`` records has too many headers."""
        body, at = self._body, self._at
        try:
            for _ in range(count):
                if at >= len(body):
                    break
                length, at = decode_varint(body, at)
                end = at + length
                for _ in range(3):  # attributes, time, offset
                    _, at = decode_varint(body, at)
                for _ in range(2):  # key, value
                    length, at = decode_varint(body, at)
                    at += max(0, length)
                number, _ = decode_varint(body, at)
                if number > MOST_HEADERS:
                    return True
                at = end
        except (IndexError, ValueError):
            at = len(body)  # the parser will say what is wrong
        self._at = at
        return False


class _Parsed(NamedTuple):
    """A record in the shape of aiokafka's; unless more is told, one that was not inflated."""

    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = NOT_INFLATED


def _of_old_format(raw: memoryview) -> _Parsed:
    # Such a batch names its last offset only, and version 0 no time.
    (offset,) = struct.unpack_from(">q", raw)
    timestamp = _NO_TIMESTAMP
    if raw[_MAGIC_AT] == 1:
        (timestamp,) = struct.unpack_from(">q", raw, _TIMESTAMP_AT)
    return _Parsed(offset, timestamp)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """aiokafka's parser in Python, over bytes that decode leniently."""

    def __init__(self, raw: memoryview, inflated: Buffer | None = None) -> None:
        super().__init__(raw)
        self._buffer = _Bytes(self._buffer if inflated is None else inflated)
        if inflated is not None:
            self._pos = 0
            self._decompressed = True

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        if not isinstance(self._buffer, _Bytes):
            self._buffer = _Bytes(self._buffer)

    def _read_msg(self, decode_varint: Any = decode_varint) -> Any:
        buffer = self._buffer
        length, begin = decode_varint(buffer, self._pos)
        offset, timestamp, at = self._read_head(begin)
        key, at = self._read_bytes(at)
        value, at = self._read_bytes(at)
        number, at = decode_varint(buffer, at)
        if number <= MOST_HEADERS:
            return super()._read_msg(decode_varint)
        headers = []
        for _ in range(MOST_HEADERS):
            name, at = self._read_bytes(at)
            content, at = self._read_bytes(at)
            headers.append((_Bytes(name or b"").decode(), content))
        self._pos = begin + length
        return _Parsed(offset, timestamp, key, value, (*headers, HEADERS_CUT))

    def _read_head(self, at: int) -> tuple[int, int, int]:
        """Read offset and timestamp of a record; also return the place of its key."""
        _, at = decode_varint(self._buffer, at)
        since_first, at = decode_varint(self._buffer, at)
        since_base, at = decode_varint(self._buffer, at)
        timestamp = (
            self.max_timestamp if self.timestamp_type else self.first_timestamp + since_first
        )
        return self.base_offset + since_base, timestamp, at

    def _read_bytes(self, at: int) -> tuple[bytes | None, int]:
        length, at = decode_varint(self._buffer, at)
        return (None, at) if length < 0 else (bytes(self._buffer[at : at + length]), at + length)


class _CutBatch(_LenientBatch):  # type: ignore[misc]
    """The batch whose inflated bytes end at the limit; they are given."""

    def records(self) -> Iterator[Any]:
        """Yield the records that are whole, then the others without bytes."""
        following = self.base_offset
        while self._next_record_index < self._num_records and self._next_is_whole():
            record = next(self)
            following = record.offset + 1
            yield record
        # The header gives their number and the last offset. Those between are exact unless
        # compaction took some away.
        left = min(self._num_records - self._next_record_index, MOST_NOT_INFLATED)
        if not left:
            return
        first = self._cut_record(following)
        self._buffer = _Bytes()
        if left > 1:
            yield first
            for offset in range(first.offset + 1, first.offset + left - 1):
                yield _Parsed(offset, self.max_timestamp)
            yield _Parsed(self.next_offset - 1, self.max_timestamp)
        else:
            yield first

    def _next_is_whole(self) -> bool:
        try:
            length, begin = decode_varint(self._buffer, self._pos)
        except (IndexError, ValueError):
            return False
        return begin + length <= len(self._buffer)

    def _cut_record(self, following: int) -> _Parsed:
        """Return the first record that is not whole: with its key, which stands before its value.

        In a batch of one large record, this names the order that the record is about.
        """
        try:
            _, at = decode_varint(self._buffer, self._pos)
            offset, timestamp, at = self._read_head(at)
            length, at = decode_varint(self._buffer, at)
        except (IndexError, ValueError):
            return _Parsed(following, self.max_timestamp)
        key = bytes(self._buffer[at : at + length]) if 0 <= length <= LONGEST_KEY else b""
        return _Parsed(offset, timestamp, key if len(key) == length else None)


class _Bytes(bytearray):
    """Bytes whose slices decode leniently: the parser slices the name out of them."""

    def __getitem__(self, key: Any) -> Any:
        item = super().__getitem__(cast("SupportsIndex", key))
        return _Bytes(item) if isinstance(key, slice) else item

    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return super().decode(encoding, errors)
