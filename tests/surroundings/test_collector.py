"""A real OpenTelemetry Collector between the worker and what keeps the spans."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.integration.test_traces import CANCEL, PRODUCER, TRACE, publish
from tests.support.market import Market
from tests.support.otlp import SpanTaker
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.dev.process import ChildProcess, free_port

from . import programs


@pytest.fixture
async def spans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SpanTaker]:
    """What the Collector hands on."""
    program = programs.collector()
    port = free_port()
    async with SpanTaker() as taker:
        settings = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
            "exporters": {"otlp_http": {"endpoint": taker.url, "compression": "none"}},
            "service": {
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp_http"]}},
            },
        }
        file = tmp_path / "collector.yaml"
        file.write_text(json.dumps(settings))  # JSON is YAML
        process = ChildProcess([program, f"--config=file:{file}"], log=tmp_path / "collector.log")

        async def listens() -> bool:
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"http://127.0.0.1:{port}/") as answer,
                ):
                    return answer.status == 404
            except aiohttp.ClientError:
                return False

        await process.wait_until(listens, 30)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield taker
        await process.stop()


async def test_the_spans_of_an_order_arrive_with_their_lengths_and_parents(
    new_worker: Callable[..., WorkerProcess], kafka: Kafka, topics: Topics, market: Market,
    spans: SpanTaker,
) -> None:  # fmt: skip
    worker = new_worker(topics, traces="true", stock_window="PT1S", grace="PT0S")
    await worker.start().wait_ready()
    await publish(kafka, market, "traced", traceparent=f"00-{TRACE}-{PRODUCER}-01")
    (told,) = await market.told(f"traced {CANCEL}")
    names = [f"process {topics.order_created}", "decide auto-cancel", f"send {topics.decisions}"]

    def found() -> bool:
        return {span.name for span in spans.spans} >= {*names}

    await eventually(found, 20)
    assert await worker.sigterm() == 0
    by_name = {span.name: span for span in spans.spans if span.trace_id.hex() == TRACE}
    chain = [by_name[name] for name in names]
    parents = [span.parent_span_id.hex() for span in chain]
    assert parents == [PRODUCER, *(span.span_id.hex() for span in chain[:-1])]
    assert told.headers["traceparent"] == f"00-{TRACE}-{chain[-1].span_id.hex()}-01"
    for span in chain:
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9
