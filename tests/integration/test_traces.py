"""The producer's trace context, from record through verdict to the emitted event."""

import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from tests.support.market import Market
from tests.support.otlp import SpanTaker
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

TRACE, PRODUCER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CANCEL = "auto-cancel stock-not-validated"
NewWorker = Callable[..., WorkerProcess]


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SpanTaker]:
    async with SpanTaker() as taker:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", taker.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield taker


async def publish(kafka: Kafka, market: Market, order: str, **headers: str) -> None:
    topic, key, value = market.order(order)
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, enable_idempotence=kafka.idempotence
    )
    async with producer:
        told = [(name, text.encode()) for name, text in headers.items()]
        body = json.dumps(value).encode()
        await producer.send_and_wait(topic, body, key=key.encode(), headers=told)


async def test_a_verdict_belongs_to_the_trace_of_its_order_even_by_another_worker(
    new_worker: NewWorker, kafka: Kafka, topics: Topics, market: Market, collector: SpanTaker,
    database: str,
) -> None:  # fmt: skip
    settings = {"traces": "true", "stock_window": "PT4S", "grace": "PT0S"}
    first = await new_worker(topics, **settings).start().wait_ready()
    await publish(kafka, market, "traced", traceparent=f"00-{TRACE}-{PRODUCER}-01",
                  tracestate="vendor=1")  # fmt: skip
    await publish(kafka, market, "plain")
    await publish(kafka, market, "garbled", traceparent="no context \xff")
    connection = await asyncpg.connect(database)

    async def read() -> bool:
        assert await connection.fetchval("SELECT count(*) FROM orders") == 3
        assert [span.name for span in collector.spans][:1] == [f"process {topics.order_created}"]
        return True

    try:
        await eventually(read, 20)
    finally:
        await connection.close()
    first.sigkill()
    second = new_worker(topics, **settings)
    await second.start().wait_ready()
    told = await market.told(*(f"{name} {CANCEL}" for name in ("traced", "plain", "garbled")))
    assert await second.sigterm() == 0  # exports what it has
    by_order = {one.order: one.headers for one in told}
    assert "traceparent" not in by_order["plain"]
    spans = {span.name: span for span in collector.spans if span.trace_id.hex() == TRACE}
    process, decide, send = (
        spans[name]
        for name in (f"process {topics.order_created}", "decide auto-cancel",
                     f"send {topics.decisions}")
    )  # fmt: skip
    assert process.parent_span_id.hex() == PRODUCER
    assert decide.parent_span_id == process.span_id
    assert send.parent_span_id == decide.span_id
    # Each lasted a while, one after the other, and began with the judgement.
    assert decide.start_time_unix_nano < decide.end_time_unix_nano == send.start_time_unix_nano
    assert send.start_time_unix_nano < send.end_time_unix_nano
    (decided_at,) = {one.value["decided_at"] for one in told if one.order == "traced"}
    assert abs(decide.start_time_unix_nano / 1e9 - instant(decided_at)) < 1e-3
    assert by_order["traced"]["traceparent"] == f"00-{TRACE}-{send.span_id.hex()}-01"
    assert by_order["traced"]["tracestate"] == "vendor=1"


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def test_off_it_stores_and_tells_nothing(
    new_worker: NewWorker, kafka: Kafka, topics: Topics, market: Market, collector: SpanTaker,
    database: str,
) -> None:  # fmt: skip
    await new_worker(topics, stock_window="PT1S", grace="PT0S").start().wait_ready()
    await publish(kafka, market, "traced", traceparent=f"00-{TRACE}-{PRODUCER}-01")
    (told,) = await market.told(f"traced {CANCEL}")
    assert not [name for name in told.headers if re.match("trace", name)]
    assert collector.spans == []
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM traces") == 0
    finally:
        await connection.close()


async def test_a_collector_that_is_away_harms_nothing(
    new_worker: NewWorker, kafka: Kafka, topics: Topics, market: Market,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    worker = new_worker(topics, traces="true", stock_window="PT1S", grace="PT0S")
    await worker.start().wait_ready()
    await publish(kafka, market, "traced", traceparent=f"00-{TRACE}-{PRODUCER}-01")
    (told,) = await market.told(f"traced {CANCEL}")
    assert told.headers["traceparent"].split("-")[1] == TRACE
    assert await worker.sigterm() == 0
