"""`plazo check`, as an operator calls it, against real parts."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from tests.conftest import MakeTopics
from tests.support.commands import Plazo, found


async def test_check_names_every_fault_and_its_cure(new: Plazo, make_topics: MakeTopics) -> None:
    missing = {"order_created_topic": "no.such.topic"}
    answer = await new("check", "--json", **missing)
    assert answer.code == 1
    assert found(answer, "kafka")["status"] == "ok"
    assert found(answer, "topic no.such.topic")["cure"].startswith("run `plazo topics create`")
    assert found(answer, "schema")["cure"].startswith("run `plazo migrate`")
    assert found(answer, "clock of Postgres")["status"] == "ok"
    screen = await new("check", **missing)
    assert screen.code == 1
    assert "no.such.topic" in screen.out


async def test_check_passes_where_nothing_is_at_fault(plazo: Plazo) -> None:
    before = await plazo("check", "--json")
    assert before.code == 0
    assert found(before, "lanes")["status"] == "warning"
    await plazo.worker()
    answer = await plazo("check", "--json")
    assert answer.code == 0
    assert found(answer, "lanes")["finding"] == "3, each with an owner"
    assert found(answer, "workers")["status"] in ("ok", "not measured")
    assert found(answer, "outbox")["finding"] == "every verdict is published"
    if plazo.kafka.idempotence:  # the embedded broker does not report its time
        assert found(answer, "clock of Kafka")["status"] == "ok"
        assert found(answer, "workers")["finding"].startswith("1 in the group")


async def test_check_says_what_does_not_answer_and_looks_at_the_rest(plazo: Plazo) -> None:
    answer = await plazo("check", "--json", kafka_bootstrap_servers="127.0.0.1:1")
    assert answer.code == 4
    assert found(answer, "kafka")["status"] == "fault"
    assert found(answer, "schema")["status"] == "ok"
    answer = await plazo("check", "--json", database_url="postgresql://u:pass-word@127.0.0.1:1/d")
    assert answer.code == 4
    assert found(answer, "postgres")["status"] == "fault"
    assert found(answer, f"topic {plazo.topics.decisions}")["status"] == "ok"
    assert "pass-word" not in answer.out + answer.err


async def test_check_reports_all_faults_of_the_settings_at_once(new: Plazo) -> None:
    answer = await new("check", batch_size="0", grace="soon", http_port="99999")
    assert answer.code == 2
    lines = answer.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "PLAZO_GRACE", "PLAZO_BATCH_SIZE", "PLAZO_HTTP_PORT",
    ]  # fmt: skip


@pytest.mark.apache_kafka
async def test_check_sees_publishers_built_on_librdkafka(plazo: Plazo) -> None:
    other = Producer({"bootstrap.servers": plazo.kafka.bootstrap_servers})
    for number in range(60):
        other.produce(plazo.topics.order_status_changed, b"{}", key=f"order-{number}".encode())
    await asyncio.to_thread(other.flush, 20)
    name = f"partitioner of {plazo.topics.order_status_changed}"
    seen = found(await plazo("check", "--json"), name)
    assert seen["status"] == "warning"
    assert "of the last 60 records" in seen["finding"]
    assert "elsewhere" not in seen["finding"], "all are explained by CRC32"
    assert "murmur2_random" in seen["cure"]
    narrow = await plazo("check", "--json", proof="lane")
    assert narrow.code == 1
    assert found(narrow, name)["status"] == "fault"


async def test_check_sees_from_outside_that_lanes_halt(
    plazo: Plazo, producer: AIOKafkaProducer
) -> None:
    await plazo.sql("INSERT INTO positions VALUES ($1, 1, 7)", plazo.topics.order_created)
    await producer.send_and_wait(
        plazo.topics.decisions, b"{}", partition=2, headers=[("ce_sequence", b"9")]
    )
    answer = await plazo("check", "--json")
    assert answer.code == 1
    assert "ends at 0, but was read up to 7" in found(answer, "lane 1")["finding"]
    assert "holds sequence 9, the database only 0" in found(answer, "lane 2")["finding"]
