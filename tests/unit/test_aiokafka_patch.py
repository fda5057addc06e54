"""Records as the client hands them over, whatever the names of their headers."""

import struct

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from worker.kafka.aiokafka_patch import _CHUNK, _Records

MANY = 2 * _CHUNK + 1


def batch(records: int, odd: int | None) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    for offset in range(records):
        name = "odd!" if offset == odd else "name"
        builder.append(offset, 1, b"key", struct.pack(">q", offset), [(name, b"value")])
    return bytes(builder.build()).replace(b"odd!", b"odd\xff")


@pytest.mark.parametrize("records", [1, _CHUNK - 1, _CHUNK, _CHUNK + 1, MANY])
@pytest.mark.parametrize("odd", [None, 0, _CHUNK - 1, _CHUNK, MANY - 1])
def test_every_record_comes_once_and_in_order(records: int, odd: int | None) -> None:
    read = _Records(batch(records, odd))
    assert read.has_next()
    found = [*read.next_batch()]
    assert [struct.unpack(">q", one.value)[0] for one in found] == [*range(records)]
    names = {one.offset: one.headers[0][0] for one in found}
    if odd is not None and odd < records:
        assert names.pop(odd) == "odd\udcff"
    assert {*names.values()} <= {"name"}
    assert not read.has_next()
