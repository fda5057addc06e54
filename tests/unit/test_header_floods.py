"""Records with very many headers: what is read of them, and what they cost."""

import resource
import struct
import subprocess
import sys
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBase, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c, encode_varint
from aiokafka.structs import TopicPartition

from schemas.events import RefusalClass
from worker.ingest.decoder import Decoder
from worker.kafka import aiokafka_patch
from worker.kafka.aiokafka_patch import _make_record, _Records, bytes_read
from worker.records import HEADERS_CUT, MOST_HEADERS, Record, Refusal

MIB = 1 << 20
COUNT = 16 * MIB - 100  # empty headers: 32 MiB, the limit of a batch


def read(data: bytes) -> list[Record]:
    aiokafka_patch.patch_aiokafka()
    place = TopicPartition("t", 0)
    return [_make_record(None, place, one) for one in _Records(data).next_batch()]


def batch(codec: int, numbers: list[int], name: str = "") -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 1 << 30)
    for offset, number in enumerate(numbers):
        headers: Any = [(name, b"")] * number
        builder.append(offset, 7, b"key%d" % offset, b"value", headers)
    return bytes(builder.build())


@pytest.mark.parametrize("codec", [0, 1], ids=["plain", "gzip"])
@pytest.mark.parametrize("numbers", [[1, 1001, 2000, 1000], [*[2] * 150, 600_000, 3]])
@pytest.mark.parametrize("name", ["", "odd!"])
def test_headers_are_cut_and_all_else_is_read(codec: int, numbers: list[int], name: str) -> None:
    data = batch(codec, numbers, name)
    found = read(data)
    assert [(one.offset, one.timestamp, one.key, one.value) for one in found] == [
        (offset, 7, b"key%d" % offset, b"value") for offset in range(len(numbers))
    ]
    told = [len(one.headers) for one in found]
    assert told == [min(number, MOST_HEADERS + 1) for number in numbers]
    for one, number in zip(found, numbers, strict=True):
        assert (HEADERS_CUT in one.headers) == (number > MOST_HEADERS + 1)


def test_a_name_that_is_not_utf8_makes_no_difference() -> None:
    data = bytearray(batch(0, [2, 700_000], "odd!").replace(b"odd!", b"odd\xff"))
    one, other = read(bytes(data))
    assert one.headers == (("odd\udcff", b""),) * 2
    assert other.headers == (("odd\udcff", b""),) * MOST_HEADERS + (HEADERS_CUT,)


def test_the_decoder_refuses_a_record_with_cut_headers() -> None:
    decoder = Decoder("c", "s", 1_000, timedelta(minutes=5), timedelta(hours=24))
    (record,) = read(batch(0, [2_000]))
    refused = decoder.decode(record._replace(topic="s"), datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(refused, Refusal)
    assert (refused.error, refused.order_ids) == (RefusalClass.ENVELOPE, ("key0",))


def test_headers_count_as_bytes_that_were_read() -> None:
    """A batch of small records with a thousand headers each must not fill the memory either."""
    data = batch(1, [MOST_HEADERS] * 50)
    before = bytes_read()
    read(data)
    assert bytes_read() - before > 50 * MOST_HEADERS * 60


def flood() -> bytes:
    """One record of empty headers in a compressed batch."""
    body = bytearray()
    for number in (0, 0, 0, 1):  # attributes, time, offset, length of the key
        encode_varint(number, body.append)
    body += b"k"
    encode_varint(-1, body.append)  # no value
    encode_varint(COUNT, body.append)
    head = bytearray()
    encode_varint(len(body) + 2 * COUNT, head.append)
    stream = zlib.compressobj(9, wbits=31)
    packed = stream.compress(bytes(head + body)) + stream.compress(bytes(2 * COUNT))
    packed += stream.flush()
    header = DefaultRecordBase.HEADER_STRUCT
    length = header.size - 12 + len(packed)
    made = bytearray(header.pack(0, length, 0, 2, 0, 1, 0, 5, 5, -1, -1, -1, 1) + packed)
    checked = calc_crc32c(made[DefaultRecordBase.ATTRIBUTES_OFFSET :])
    struct.pack_into(">I", made, DefaultRecordBase.CRC_OFFSET, checked)
    return bytes(made)


def explode() -> None:
    aiokafka_patch.patch_aiokafka()
    data = flood()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, time.process_time()
    (only,) = read(data)
    assert (only.key, only.value, len(only.headers)) == (b"k", None, MOST_HEADERS + 1)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(len(data), after - before, time.process_time() - began)


def test_a_flood_of_headers_costs_about_the_limit() -> None:
    script = "from tests.unit.test_header_floods import explode; explode()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    size, grown, seconds = map(float, done.stdout.split())
    assert size < MIB
    assert grown < 4 * 32, done.stdout
    assert seconds < 1, done.stdout
