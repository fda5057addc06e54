"""Decisions by a schema of the registry: what is written, and what happens while there is no id."""

import asyncio
import copy
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import fastavro
import jsonschema
import orjson
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

import schemas
from schemas import events as names
from schemas.registered import AVRO, JSON_SCHEMA, decision_avro_schema
from tests.support.registry import SmallRegistry
from tests.support.waiting import eventually
from tests.unit.test_relay import VERDICT, Topic, running
from worker.__main__ import app
from worker.cli.dev import CannotStart
from worker.observability.guards import Guards
from worker.observability.labels import Guard
from worker.observability.metrics import Metrics
from worker.operations.checks.model import Check, Status
from worker.operations.checks.registry import registry_checks
from worker.operations.registry import registry_facts
from worker.outbox.encoding import Encoding, encoding_of
from worker.outbox.events import wire_time
from worker.outbox.relay import Relay
from worker.registry.client import RegistryAway, RegistryClient
from worker.registry.wire import FRAMED_AT
from worker.settings import Settings

SUBJECT = "marketplace.stock-deadline-decisions-value"
SAMPLES = {
    file.stem: json.loads(file.read_text("utf-8"))
    for file in sorted((Path(schemas.__file__).parent / "samples").glob("*.json"))
}
VALUE = {**SAMPLES["auto-cancel"]}
del VALUE["id"], VALUE["type"], VALUE["sequence"]  # which come from columns
STORED = VERDICT._replace(value=orjson.dumps(VALUE))


class Clock:
    """Nobody waits, and others have their turn."""

    async def sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0.01)


class Bench:
    """An encoding by a registry, and all that shows how it fares."""

    def __init__(self, url: str, encoding: str = "avro", **more: Any) -> None:
        told: dict[str, Any] = {
            "decisions_encoding": encoding,
            "schema_registry_url": url,
            "schema_registry_timeout": "PT1S",
            **more,
        }
        self.settings = Settings(_env_file=None, **told)
        self.metrics = Metrics(self.settings)
        self.guards = Guards(self.metrics)
        clock: Any = Clock()
        self.encoding: Encoding = encoding_of(self.settings, clock, self.metrics, self.guards)

    @property
    def waits(self) -> bool:
        return self.guards.lanes.get(Guard.DECISIONS_SCHEMA, 0) > 0

    def relay(self, topic: Topic) -> Relay:
        parts: Any = topic
        clock: Any = Clock()
        return Relay(
            topic.lane, self.settings, parts, parts, clock, self.metrics, None, self.encoding
        )

    async def checks(self) -> list[Check]:
        return [*registry_checks(self.settings, await registry_facts(self.settings))]


@pytest.fixture
async def registry() -> AsyncIterator[SmallRegistry]:
    async with SmallRegistry() as started:
        yield started


def in_avro(value: bytes) -> Any:
    schema: Any = json.loads(AVRO.read_text("utf-8"))
    stream = io.BytesIO(value[FRAMED_AT:])
    found = fastavro.schemaless_reader(stream, schema, None)
    assert not stream.read()
    return found


def as_told(found: Any) -> Any:
    """As the JSON has it: times are texts, and what is null is left out."""
    if isinstance(found, datetime):
        return wire_time(found).decode()
    if isinstance(found, list):
        return [as_told(one) for one in found]
    if isinstance(found, dict):
        return {name: as_told(one) for name, one in found.items() if one is not None}
    return found


# What is written.


@pytest.mark.parametrize("name", SAMPLES)
async def test_avro_tells_all_that_the_json_tells(name: str, registry: SmallRegistry) -> None:
    value, bench = copy.deepcopy(SAMPLES[name]), Bench(registry.url)
    await bench.encoding.ready(0)
    found = as_told(in_avro(bench.encoding.encode(orjson.dumps(value))))
    assert found["evidence"].pop("omitted") == value["evidence"].get("omitted", 0)
    value["evidence"].pop("omitted", None)
    assert found == as_told(value)


@pytest.mark.parametrize("name", SAMPLES)
async def test_json_in_a_frame_is_the_json(name: str, registry: SmallRegistry) -> None:
    value, bench = orjson.dumps(SAMPLES[name]), Bench(registry.url, "json-schema")
    await bench.encoding.ready(0)
    written = bench.encoding.encode(value)
    assert written == b"\0\0\0\0\1" + value
    validator = jsonschema.Draft7Validator(json.loads(JSON_SCHEMA.read_text("utf-8")))
    validator.validate(json.loads(written[FRAMED_AT:]))
    assert list(validator.iter_errors(orjson.loads(value) | {"due": 7}))
    (version,) = registry.registered[SUBJECT]
    assert version["schemaType"] == "JSON"


async def test_what_a_newer_or_older_version_stored_can_be_published(
    registry: SmallRegistry,
) -> None:
    bench = Bench(registry.url)
    await bench.encoding.ready(0)
    value = {**VALUE, "id": "1", "type": "t", "sequence": 1, "to_come": {"a": [1]}}
    del value["policy_version"]
    value["entered_at"] = "2026-11-22T15:04:05.123Z"
    found = in_avro(bench.encoding.encode(orjson.dumps(value)))
    assert "to_come" not in found
    assert found["policy_version"] == 0
    assert wire_time(found["entered_at"]) == b"2026-11-22T15:04:05.123000Z"


def test_a_field_that_may_be_missing_has_a_default_so_that_versions_stay_compatible() -> None:
    optional = {field["name"] for field in decision_avro_schema()["fields"] if "default" in field}
    assert optional == {"policy_version", "dispute", "revokes", "order_cancelled"}


# The id.


async def test_the_schema_is_registered_once_and_only_asked_for_by_the_first_lane(
    registry: SmallRegistry,
) -> None:
    bench = Bench(registry.url)
    await asyncio.gather(*(bench.encoding.ready(lane) for lane in range(5)))
    await bench.encoding.ready(7)
    assert registry.asked[SUBJECT] == 1
    assert len(registry.registered[SUBJECT]) == 1
    assert not bench.waits
    another = Bench(registry.url, decisions_schema="look-up")  # the next worker
    await another.encoding.ready(0)
    assert len(registry.registered[SUBJECT]) == 1


@pytest.mark.parametrize("encoding", ["avro", "json-schema"])
async def test_while_the_registry_is_away_decisions_wait_in_their_order(
    registry: SmallRegistry, encoding: str
) -> None:
    bench, topic = Bench(registry.url, encoding), Topic()
    registry.fault = 503
    relay = bench.relay(topic)
    topic.lane.sequence = 3
    relay.committed(dict.fromkeys((1, 2, 3), STORED))
    async with running(relay.run()):
        await eventually(lambda: bench.waits, 10)
        # The tail is known, so verdicts go on; and nothing is published in another encoding.
        assert relay.tail_known.is_set()
        assert topic.records == []
        registry.fault = None
        await asyncio.wait_for(relay.drained(), 10)
    assert not bench.waits
    assert topic.sequences == [1, 2, 3]
    assert all((one.value or b"").startswith(b"\0\0\0\0\1") for one in topic.records)
    told = dict(topic.records[0].headers)[names.CONTENT_TYPE_HEADER]
    assert told == (b"application/avro" if encoding == "avro" else b"application/json")
    await bench.encoding.close()


async def test_a_running_worker_publishes_without_the_registry(registry: SmallRegistry) -> None:
    bench, topic = Bench(registry.url), Topic()
    relay = bench.relay(topic)
    async with running(relay.run()):
        await eventually(lambda: registry.registered, 10)
        await eventually(lambda: not bench.waits, 10)
        await registry.stop()
        topic.lane.sequence = 1
        relay.committed({1: STORED})
        await asyncio.wait_for(relay.drained(), 10)
    assert topic.sequences == [1]


async def test_after_a_failover_the_tail_of_avro_is_read_by_its_headers(
    registry: SmallRegistry,
) -> None:
    bench, topic = Bench(registry.url), Topic()
    topic.lane.sequence = 2
    first = bench.relay(topic)
    first.committed({1: STORED, 2: STORED})
    async with running(first.run()):
        await asyncio.wait_for(first.drained(), 10)
    topic.lane.published, topic.lane.sequence = 0, 3  # it crashed before it could mark them
    topic.stored = {1: VERDICT.id, 2: VERDICT.id}
    second = bench.relay(topic)
    second.committed({3: STORED})
    async with running(second.run()):
        await asyncio.wait_for(second.drained(), 10)
    assert topic.sequences == [1, 2, 3]


async def test_an_avro_decision_that_does_not_fit_goes_out_without_its_acts(
    registry: SmallRegistry,
) -> None:
    act = VALUE["evidence"]["acts"][0]
    value = {**VALUE, "evidence": {**VALUE["evidence"], "acts": [act] * 40}}
    bench, topic = Bench(registry.url), Topic(limit=1_200)
    relay = bench.relay(topic)
    topic.lane.sequence = 1
    relay.committed({1: STORED._replace(value=orjson.dumps(value))})
    async with running(relay.run()):
        await asyncio.wait_for(relay.drained(), 10)
    (small,) = topic.records
    found = in_avro(small.value or b"")
    assert found["evidence"] == {"acts": [], "omitted": 40, "read_to": {}}
    assert found["order_id"] == VALUE["order_id"]
    assert (names.EVIDENCE_OMITTED, b"too-large") in small.headers


# A registry that does not take the schema.


async def waits_for(bench: Bench) -> asyncio.Task[None]:
    task = asyncio.create_task(bench.encoding.ready(4))
    await eventually(lambda: bench.waits, 10)
    return task


async def test_a_schema_that_is_refused_is_said_in_words_and_healed_without_a_restart(
    registry: SmallRegistry,
) -> None:
    registry.registered[SUBJECT] = [{"schema": '"string"', "id": 9}]
    registry.incompatible = "TYPE_MISMATCH at /fields/0"
    bench = Bench(registry.url)
    task = await waits_for(bench)
    check = (await bench.checks())[-1]
    assert check.status == Status.FAULT
    assert "TYPE_MISMATCH at /fields/0" in check.finding
    assert "none is published" in check.finding
    sample = bench.metrics.registry.get_sample_value
    assert sample("plazo_schema_registry_answers_total", {"answer": "refused"})
    registry.incompatible = None
    await asyncio.wait_for(task, 10)
    assert not bench.waits


async def test_a_worker_that_only_looks_up_registers_nothing_and_says_what_is_missing(
    registry: SmallRegistry,
) -> None:
    bench = Bench(registry.url, decisions_schema="look-up")
    task = await waits_for(bench)
    check = (await bench.checks())[-1]
    assert check.status == Status.FAULT
    assert "not registered" in check.finding
    assert not registry.registered
    await Bench(registry.url).encoding.ready(0)  # a person registers it
    await asyncio.wait_for(task, 10)
    assert "id 1 as" in (await bench.checks())[-1].finding


async def test_a_registry_that_calls_the_schema_invalid_is_quoted_by_log_and_check(
    registry: SmallRegistry,
) -> None:
    registry.fault = 422
    bench = Bench(registry.url)
    task = await waits_for(bench)
    check = (await bench.checks())[-1]
    assert check.status == Status.FAULT
    assert "HTTP 422: no valid schema" in check.finding
    # To read a schema it is no answer: nothing is refused for it.
    client = RegistryClient(bench.settings)
    with pytest.raises(RegistryAway, match="HTTP 422"):
        await client.schema(1)
    await client.close()
    registry.fault = None
    await asyncio.wait_for(task, 10)


async def test_the_check_says_that_an_open_schema_does_not_fit_the_registrys_default(
    registry: SmallRegistry,
) -> None:
    check = (await Bench(registry.url, "json-schema").checks())[-1]
    assert check.status == Status.WARNING
    assert "BACKWARD" in check.finding
    registry.compatibility = "FORWARD_TRANSITIVE"
    assert (await Bench(registry.url, "json-schema").checks())[-1].status == Status.OK
    registry.compatibility = "FULL_TRANSITIVE"
    assert (await Bench(registry.url).checks())[-1].status == Status.OK
    registry.fault = 403
    check = (await Bench(registry.url).checks())[-1]
    assert check.status == Status.FAULT
    assert "403" in check.finding
    assert not registry.registered  # the check registers nothing


def test_plain_json_needs_no_registry_and_the_others_do() -> None:
    with pytest.raises(ValidationError, match="needs PLAZO_SCHEMA_REGISTRY_URL"):
        Settings(_env_file=None, decisions_encoding="avro")
    assert Settings(_env_file=None).decisions_encoding == "json"


def test_dev_refuses_what_it_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAZO_DECISIONS_ENCODING", "avro")
    monkeypatch.setenv("PLAZO_SCHEMA_REGISTRY_URL", "http://127.0.0.1:9")
    refused = CliRunner().invoke(app, ["dev", "--for", "5s"])
    assert isinstance(refused.exception, CannotStart)
    assert "PLAZO_DECISIONS_ENCODING" in str(refused.exception)
