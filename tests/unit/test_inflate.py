"""Batches that inflate to more than the limit: what is read of them, and what they cost."""

import gzip
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import cramjam
import pytest
from aiokafka import codec
from aiokafka.record.default_records import DefaultRecordBase, DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c, encode_varint

from schemas.events import RefusalClass
from worker.ingest.decoder import Decoder
from worker.kafka import aiokafka_patch
from worker.kafka.aiokafka_patch import MOST_NOT_INFLATED, _Records
from worker.kafka.inflate import (
    OverLimit,
    inflate_gzip,
    inflate_lz4,
    inflate_snappy,
    inflate_zstd,
)
from worker.records import NOT_INFLATED, Record, Refusal

KEY = b"v40484048naf-01"
MIB = 1 << 20
BOMB = 400 * MIB
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
INFLATE: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes, int], bytes]]] = {
    "gzip": (codec.gzip_encode, inflate_gzip),
    "snappy": (codec.snappy_encode, inflate_snappy),
    "snappy-raw": (lambda data: codec.snappy_encode(data, xerial_compatible=False), inflate_snappy),
    "lz4": (codec.lz4_encode, inflate_lz4),
    "zstd": (codec.zstd_encode, inflate_zstd),
}


@pytest.fixture
def limit() -> Iterator[Callable[[int], None]]:
    aiokafka_patch.patch_aiokafka()
    before = aiokafka_patch._Inflation.limit
    yield aiokafka_patch.limit_batches
    aiokafka_patch.limit_batches(before)


@pytest.mark.parametrize("name", INFLATE)
@pytest.mark.parametrize("data", [b"x", b"abc" * 33_333, bytes(500_000)])
def test_what_fits_comes_out_as_it_went_in(name: str, data: bytes) -> None:
    encode, inflate = INFLATE[name]
    packed = bytes(encode(data))
    assert inflate(packed, max(len(data), 1)) == data
    assert inflate(packed, 10 * MIB) == data
    if len(data) > 1:
        with pytest.raises(OverLimit) as over:
            inflate(packed, len(data) - 1)
        assert data.startswith(bytes(over.value.beginning)[: len(data)])


@pytest.mark.parametrize("name", INFLATE)
def test_what_is_broken_is_not_taken_for_large(name: str) -> None:
    encode, inflate = INFLATE[name]
    packed = bytes(encode(bytes(range(256)) * 400))
    for broken in (packed[: len(packed) // 2], b"\x07" + packed[1:]):
        with pytest.raises((cramjam.DecompressionError, EOFError, OSError, zlib.error)):
            inflate(broken, MIB)


def test_members_of_gzip_count_together() -> None:
    packed = gzip.compress(bytes(600)) + gzip.compress(bytes(600)) + bytes(20)
    assert inflate_gzip(packed, 1200) == bytes(1200)
    with pytest.raises(OverLimit):
        inflate_gzip(packed, 1199)


# Batches.


def batch(name: str, records: int, size: int = 300) -> bytes:
    builder = DefaultRecordBatchBuilder(2, CODECS[name], False, -1, -1, -1, 1 << 30)
    for offset in range(records):
        builder.append(offset, 1_000 + offset, b"key%d" % offset, bytes(size), [("n", b"v")])
    return bytes(builder.build())


def read(data: bytes) -> list[Any]:
    answer = _Records(data)
    found = answer.next_batch()
    assert found.validate_crc()
    return [*found]


@pytest.mark.parametrize("name", CODECS)
def test_records_up_to_the_limit_are_read(name: str, limit: Callable[[int], None]) -> None:
    limit(100_000)
    found = read(batch(name, 1_000))
    assert [one.offset for one in found] == [*range(1_000)]
    whole = [one for one in found if one.value is not None]
    cut = found[len(whole) :]
    assert 100 < len(whole) < 1_000
    assert all(one.headers == [("n", b"v")] and len(one.value) == 300 for one in whole)
    assert all(one.value is None and tuple(one.headers) == NOT_INFLATED for one in cut)
    # The one that the limit cuts still has its key.
    assert cut[0].key == b"key%d" % len(whole)
    assert cut[0].timestamp == 1_000 + len(whole)
    assert {one.key for one in cut[1:]} == {None}
    assert cut[-1].timestamp == 1_999


def test_a_batch_gives_a_bounded_number_without_bytes(limit: Callable[[int], None]) -> None:
    limit(10_000)
    answer = _Records(batch("gzip", 5_000))
    given = answer.next_batch()
    found = [*given]
    cut = [one.offset for one in found if one.value is None]
    assert len(cut) == MOST_NOT_INFLATED
    assert cut[:3] == [cut[0], cut[0] + 1, cut[0] + 2]
    assert cut[-1] == 4_999
    assert given.next_offset == 5_000


def test_a_batch_of_the_old_format_is_one_record_without_bytes(
    limit: Callable[[int], None],
) -> None:
    builder = LegacyRecordBatchBuilder(1, 1, 1 << 20)
    for offset in range(3):
        builder.append(offset, 1_000, b"key", bytes(100_000))
    data = bytes(builder.build())
    limit(10_000)
    answer = _Records(data)
    (only,) = answer.next_batch()
    assert (only.key, only.value, tuple(only.headers)) == (None, None, NOT_INFLATED)
    limit(1_000_000)
    assert [len(one.value) for one in _Records(data).next_batch()] == [100_000] * 3


def test_an_answer_ends_early(limit: Callable[[int], None]) -> None:
    limit(1_000_000)
    answer = _Records(b"".join(batch("gzip", 100, 1_000) for _ in range(9)))
    batches = 0
    while answer.has_next():
        assert len([*answer.next_batch()]) == 100
        batches += 1
    assert batches == 3  # a quarter of the limit


def test_the_decoder_refuses_what_was_not_inflated() -> None:
    decoder = Decoder("c", "s", 1_000, timedelta(minutes=5), timedelta(hours=24))
    for key, orders in ((None, ()), (KEY, (KEY.decode(),))):
        refused = decoder.decode(
            Record("s", 0, 0, 0, key, None, NOT_INFLATED), datetime(2026, 1, 1, tzinfo=UTC)
        )
        assert isinstance(refused, Refusal)
        assert refused.error == RefusalClass.OVERSIZE
        assert refused.order_ids == orders


# What a bomb costs.


def _packed(name: str, head: bytes, size: int) -> bytes:
    """Compress ``head`` and the zeros of the bomb, a MiB at a time."""
    zeros = bytes(MIB)
    count = size // MIB
    if name == "gzip":
        stream = zlib.compressobj(9, wbits=31)
        parts = [stream.compress(head), *(stream.compress(zeros) for _ in range(count))]
        return b"".join([*parts, stream.compress(b"\0"), stream.flush()])  # no headers
    if name == "snappy":
        parts = [codec.snappy_encode(head)]
        block = bytes(cramjam.snappy.compress_raw(zeros))
        parts += [struct.pack(">i", len(block)) + block] * count
        block = bytes(cramjam.snappy.compress_raw(b"\0"))
        parts.append(struct.pack(">i", len(block)) + block)
        return b"".join(parts)
    frames = cramjam.lz4.Compressor() if name == "lz4" else cramjam.zstd.Compressor()
    frames.compress(head)
    for _ in range(count):
        frames.compress(zeros)
    frames.compress(b"\0")
    return bytes(frames.finish())


def bomb(name: str, at: int = 5, size: int = BOMB) -> bytes:
    """One record whose value is zeros, in a batch."""
    body = bytearray(b"\0")  # attributes
    for number in (0, 0, len(KEY)):  # time, offset, length of the key
        encode_varint(number, body.append)
    body += KEY
    encode_varint(size, body.append)
    head = bytearray()
    encode_varint(len(body) + size + 1, head.append)
    packed = _packed(name, bytes(head + body), size)
    header = DefaultRecordBase.HEADER_STRUCT
    made = bytearray(
        header.pack(
            0, header.size - 12 + len(packed), 0, 2, 0, CODECS[name], 0, at, at, -1, -1, -1, 1
        )
        + packed
    )
    checked = calc_crc32c(made[DefaultRecordBase.ATTRIBUTES_OFFSET :])
    struct.pack_into(">I", made, DefaultRecordBase.CRC_OFFSET, checked)
    return bytes(made)


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def explode(name: str) -> None:
    aiokafka_patch.patch_aiokafka()
    aiokafka_patch.limit_batches(32 * MIB)
    data = bomb(name)
    before = _resident()
    (only,) = _Records(data).next_batch()
    assert (only.offset, only.timestamp, only.key, only.value) == (0, 5, KEY, None)
    print(len(data), before, _resident())


@pytest.mark.parametrize("name", CODECS)
def test_a_bomb_costs_about_the_limit(name: str) -> None:
    script = f"from tests.unit.test_inflate import explode; explode({name!r})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    size, before, after = map(int, done.stdout.split())
    assert size < 32 * MIB
    assert after - before < 3 * 32, f"{size} bytes took {before} to {after} MiB"
