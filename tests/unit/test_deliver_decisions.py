"""Decisions in any encoding become the JSON that they would be published in."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.registered import AVRO, registered_text
from tests.contract.samples import samples
from worker.deliver.decisions import DecisionNotReadable, Decisions
from worker.outbox.encoding import avro_writer
from worker.records import Record
from worker.registry.client import RegistryAway, SchemaText, SchemaUnknown
from worker.registry.wire import frame
from worker.settings import Settings

KNOWN = SchemaText("AVRO", registered_text(AVRO))
WITH_REGISTRY = Settings(
    database_url=SecretStr("postgresql://nobody@127.0.0.1:9/x"),
    schema_registry_url="http://127.0.0.1:9",
)
AVRO_HEADER, JSON_HEADER = (
    ("content-type", b"application/avro"),
    ("content-type", b"application/json"),
)


class Registry:
    """Answers by a list, and with the last answer from then on."""

    def __init__(self, *answers: SchemaText | Exception) -> None:
        self.answers = list(answers)
        self.asks: Decisions | None = None
        # Why records waited, at each question.
        self.seen: list[str] = []

    async def schema(self, _schema: Any) -> SchemaText:
        assert self.asks is not None
        self.seen.append(self.asks.waits_for)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def reading(registry: Registry) -> Decisions:
    decisions = Decisions(WITH_REGISTRY)
    decisions._client = registry  # type: ignore[assignment]
    registry.asks = decisions
    return decisions


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between questions, which take no time here."""
    seen: list[float] = []
    sleep = asyncio.sleep

    async def at_once(seconds: float) -> None:
        seen.append(seconds)
        await sleep(0)

    monkeypatch.setattr("worker.deliver.decisions.asyncio.sleep", at_once)
    return seen


def record(value: bytes) -> Record:
    return Record("decisions", 0, 7, 0, b"o", value, (AVRO_HEADER,))


@pytest.mark.parametrize("kind", sorted(samples()))
async def test_avro_comes_back_as_the_same_document(kind: str) -> None:
    published = samples()[kind]
    value = frame(7) + avro_writer(KNOWN.text)(json.dumps(published).encode())
    plain = await reading(Registry(KNOWN)).plain(record(value))
    assert plain.value is not None
    assert json.loads(plain.value) == published
    assert plain.headers == (JSON_HEADER,)


async def test_json_needs_no_registry() -> None:
    nobody = Decisions(Settings(database_url=WITH_REGISTRY.database_url))
    for value in (b'{"a": 1}', b'\0\0\0\0\7{"a": 1}'):
        assert (await nobody.plain(record(value))).value == b'{"a": 1}'
    with pytest.raises(DecisionNotReadable, match="set PLAZO_SCHEMA_REGISTRY_URL"):
        await nobody.plain(record(frame(7) + b"\2"))


async def test_a_registry_that_is_away_is_waited_for_and_asked_once_for_all() -> None:
    registry = Registry(RegistryAway("refused"), SchemaUnknown("not here yet"), KNOWN)
    decisions = reading(registry)
    value = frame(7) + avro_writer(KNOWN.text)(json.dumps(samples()["escalation"]).encode())
    await asyncio.gather(*(decisions.plain(record(value)) for _ in range(3)))
    unknown = "the registry does not know Confluent wire format, schema id 7"
    assert registry.seen == ["", "schema registry: refused", f"schema registry: {unknown}"]
    assert not decisions.waits_for


@pytest.mark.parametrize(
    ("answer", "body", "error"),
    [
        (SchemaUnknown(""), b"\2", "schema id 7: the registry does not know it"),
        (SchemaText("PROTOBUF", ""), b"\2", "schema id 7 is no Avro"),
        (SchemaText("AVRO", "{}"), b"\2", "it is no Avro schema"),
        (KNOWN, b"\2", "does not fit .* bytes are missing"),
    ],
)
async def test_other_records_hold_up_nothing(
    answer: Any, body: bytes, error: str, pauses: list[float]
) -> None:
    with pytest.raises(DecisionNotReadable, match=error):
        await reading(Registry(answer)).plain(record(frame(7) + body))
    assert sum(pauses) < 30
