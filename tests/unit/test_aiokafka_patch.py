"""The client with our patches: records whatever the names of their headers, and its membership."""

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from worker.kafka.aiokafka_patch import _CHUNK, _Records, patch_aiokafka

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


class Recovering(AIOKafkaClient):
    """The client of a broker that is just back: asked for brokers, it names none at first."""

    asked = 0

    def get_random_node(self) -> int | None:
        self.asked += 1
        return 1 if self.asked > 3 else None

    async def send(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(error_code=0, coordinator_id=1)

    async def ready(self, *_: Any, **__: Any) -> bool:
        return True

    async def force_metadata_update(self) -> bool:
        return False


async def test_a_member_outlives_a_broker_that_names_no_broker() -> None:
    """Seen with a broker that was frozen for 75 s: the pod was alive, and waited for ever."""
    patch_aiokafka()
    client = Recovering(bootstrap_servers="nowhere:1")
    coordinator = GroupCoordinator(client, SubscriptionState(), group_id="g", retry_backoff_ms=1)
    try:
        await coordinator.ensure_coordinator_known()
        assert coordinator.coordinator_id == 1
        assert client.asked > 3
    finally:
        await coordinator.close()
