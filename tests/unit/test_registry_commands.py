"""The commands that read records ask the schema registry as a worker does."""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.registry import SmallRegistry
from tests.unit.test_avro import logical, record, written
from worker.__main__ import app
from worker.kafka.admin import Sample
from worker.operations.facts import _samples
from worker.records import Record
from worker.settings import Settings

AT = datetime(2025, 11, 20, 16, tzinfo=UTC)
MILLIS = logical("long", "timestamp-millis")
ACT = record("Act", order_id="string", status="string", occurred_at=MILLIS)
VALUE = {"order_id": "o-1", "status": "start-handling", "occurred_at": AT}
CHANGED = "marketplace.order-status-changed"


@pytest.fixture
async def registry() -> AsyncIterator[SmallRegistry]:
    async with SmallRegistry() as started:
        started.add(7, ACT)
        yield started


def avro(schema: int, **more: Any) -> bytes:
    return struct.pack(">bI", 0, schema) + written(ACT, VALUE | more)


async def checked(
    registry: SmallRegistry, path: Path, monkeypatch: pytest.MonkeyPatch, *records: Any
) -> Any:
    file = path / "records"
    await asyncio.to_thread(file.write_text, "".join(json.dumps(one) + "\n" for one in records))
    monkeypatch.setenv("PLAZO_SCHEMA_REGISTRY_URL", registry.url)
    monkeypatch.setenv("PLAZO_SCHEMA_REGISTRY_TIMEOUT", "0.2s")
    command = ["contract", "check", str(file), "--topic", "order-status-changed", "--json"]
    outcome = await asyncio.to_thread(CliRunner().invoke, app, command)
    return json.loads(outcome.stdout)


def line(value: bytes, **more: Any) -> dict[str, Any]:
    return {"value_base64": base64.b64encode(value).decode(), **more}


async def test_the_check_of_the_contract_reads_avro(
    registry: SmallRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await checked(
        registry, tmp_path, monkeypatch,
        line(avro(7)), line(avro(7), key="o-1"), line(avro(7, order_id="")),
        line(avro(7), key="another"), line(avro(7, status="odd word")),
        {"value_base64": "%"}, {"value": VALUE | {"occurred_at": AT.isoformat()}},
    )  # fmt: skip
    assert found["read"] == {CHANGED: 4}
    told = [(one["line"], one["error"], one["wanted"]) for one in found["refused"]]
    assert told == [
        (3, "invalid", ["order_id: a text of 1 to 200 characters"]),
        (4, "key-mismatch", ["key: the order's id, as PLAZO_KEYS says"]),
        (6, "unreadable", []),
    ]
    assert found["unknown"][0]["status"] == "odd word"
    assert registry.asked["7"] == 1


async def test_a_registry_that_does_not_answer_is_named_and_the_rest_is_read(
    registry: SmallRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.fault = 503
    plain = {"value": VALUE | {"occurred_at": AT.isoformat()}}
    found = await checked(registry, tmp_path, monkeypatch, line(avro(7)), plain)
    assert found["read"] == {CHANGED: 1}
    (refused,) = found["refused"]
    assert refused["message"].endswith("schema id 7: the schema registry does not tell it now")


class Admin:
    """Reads the same tail each time it is asked."""

    def __init__(self, *values: bytes) -> None:
        at = round((AT + timedelta(minutes=5)).timestamp() * 1000)
        self._records = [Record(CHANGED, 0, n, at, b"o-1", one, ()) for n, one in enumerate(values)]
        self.asked = 0

    async def tails(self, _inputs: Any, _count: int, of: Callable[[Record], Any]) -> Any:
        self.asked += 1
        return {(CHANGED, 0): [Sample(one.key, one.headers, of(one)) for one in self._records]}


async def test_the_delay_of_avro_is_measured(registry: SmallRegistry) -> None:
    admin: Any = Admin(
        avro(7), avro(7), json.dumps(VALUE | {"occurred_at": AT.isoformat()}).encode()
    )
    settings = Settings(_env_file=None, schema_registry_url=registry.url)
    found = await _samples(settings, admin, {CHANGED: 1})
    assert [one.delay for one in found[CHANGED, 0]] == [300.0] * 3
    assert registry.asked["7"] == 1
    registry.fault = 503
    away = Settings(
        _env_file=None, schema_registry_url=registry.url, schema_registry_timeout="0.1s"
    )
    found = await _samples(away, admin, {CHANGED: 1})
    assert [one.delay for one in found[CHANGED, 0]] == [None, None, 300.0]
