"""Records by a schema registry: their frames, the cache of schemas, and a registry with faults."""

import asyncio
import json
import ssl
import struct
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from schemas.events import RefusalClass
from schemas.models import OrderCreated, OrderStatusChanged
from tests.support.registry import SmallRegistry, basic
from tests.support.waiting import eventually
from tests.unit.test_avro import logical, record, written
from worker.ingest.decoder import Decoder
from worker.ingest.entry import Entry
from worker.ingest.registry.schemas import Schemas, SchemasMissing
from worker.ingest.rows import Rows, decode_into
from worker.observability.guards import Guards
from worker.observability.labels import Effect, Guard
from worker.observability.metrics import Metrics
from worker.operations.checks.model import Status
from worker.operations.checks.registry import registry_checks
from worker.operations.registry import registry_facts
from worker.policy.registry import load_policies
from worker.records import Record, Refusal
from worker.registry.client import RegistryAway, RegistryClient
from worker.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ID = "v1-01"
AT = datetime(2026, 11, 24, 11, tzinfo=UTC)
MILLIS = logical("long", "timestamp-millis")
ACT = record("Act", order_id="string", status="string", occurred_at=MILLIS)
VALUE = {"order_id": ID, "status": "start-handling", "occurred_at": AT}
WANTED = OrderStatusChanged(order_id=ID, status="start-handling", occurred_at=AT)
GUID = uuid.UUID("89791762-2336-4186-9674-299b90a802e2")
Headers = tuple[tuple[str, bytes], ...]


class Hurried:
    """A clock by which nobody waits: to sleep is to let it go on, unless ``runs`` is not set."""

    def __init__(self) -> None:
        self.runs = asyncio.Event()
        self.runs.set()
        self.at = 100.0
        self.slept = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds
        await asyncio.sleep(0)
        await self.runs.wait()


class Bench:
    """A decoder, the schemas behind it, and all that shows how they fare."""

    def __init__(self, registry: SmallRegistry, **more: Any) -> None:
        told: dict[str, Any] = {"schema_registry_url": registry.url, **more}
        settings = Settings(_env_file=None, order_created_topic="created",
                            order_status_changed_topic="acts", **told)  # fmt: skip
        self.clock: Any = Hurried()
        self.metrics = Metrics(settings)
        self.guards = Guards(self.metrics)
        found = Schemas.of(settings, self.clock, self.metrics, self.guards)
        assert found is not None
        self.schemas = found
        self.decoder = Decoder.of(settings, timedelta(days=1), self.schemas)

    async def read(self, *records: Record) -> list[Any]:
        """As the reader does: fetch what is missing, and decode."""
        if missing := self.decoder.missing_schemas(records):
            await self.schemas.fetch(3, missing)
        return [self.decoder.decode(one, NOW) for one in records]

    async def refused(self, one: Record) -> Refusal:
        (found,) = await self.read(one)
        assert isinstance(found, Refusal), found
        return found


def framed(schema: int, body: bytes) -> bytes:
    return struct.pack(">bI", 0, schema) + body


def act(value: bytes | None, key: bytes | None = ID.encode(), headers: Headers = ()) -> Record:
    return Record("acts", 0, 7, 0, key, value, headers)


@pytest.fixture
async def registry() -> AsyncIterator[SmallRegistry]:
    async with SmallRegistry() as small:
        small.add(7, ACT)
        yield small


MakeBench = Callable[..., Bench]


@pytest.fixture
async def make(registry: SmallRegistry) -> AsyncIterator[MakeBench]:
    made: list[Bench] = []

    def new(**more: Any) -> Bench:
        made.append(Bench(registry, **more))
        return made[-1]

    yield new
    for each in made:
        await each.schemas.close()


BODY = written(ACT, VALUE)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        pytest.param(framed(7, BODY), (), id="before the value"),
        pytest.param(BODY, (("__value_schema_id", framed(7, b"")),), id="id in a header"),
        pytest.param(BODY, (("__value_schema_id", b"\1" + GUID.bytes),), id="GUID in a header"),
    ],
)
async def test_avro_is_read_by_the_schema_that_it_names(
    registry: SmallRegistry, make: MakeBench, value: bytes, headers: Headers
) -> None:
    registry.add(str(GUID), ACT)
    bench = make()
    assert await bench.read(act(value, headers=headers)) == [WANTED]
    assert await bench.read(act(value, headers=headers)) == [WANTED]
    assert registry.asked.total() == 1


async def test_an_order_may_have_all_types_that_publishers_use(
    registry: SmallRegistry, make: MakeBench
) -> None:
    line = record("Line", sku="string", quantity="int")
    mode = {"type": "enum", "name": "Mode", "symbols": ["courier", "dropshipping"]}
    order = record(
        "Order", order_id="string", seller_id=logical("string", "uuid"), fulfilment=mode,
        entered_at=logical("long", "timestamp-micros"),
        total=["null", logical("bytes", "decimal", precision=12, scale=2)],
        currency=["null", "string"], lines={"type": "array", "items": line},
        labels={"type": "map", "values": "string"}, note=["null", "long", "string"],
    )  # fmt: skip
    registry.add(8, order)
    value = {
        "order_id": ID, "seller_id": uuid.UUID(int=7), "fulfilment": "dropshipping",
        "entered_at": AT, "total": Decimal("120.00"), "currency": "PEN",
        "lines": [{"sku": "A", "quantity": 2}], "labels": {"test": "true"}, "note": 5,
    }  # fmt: skip
    one = Record("created", 0, 7, 0, ID.encode(), framed(8, written(order, value)), ())
    (found,) = await make().read(one)
    assert isinstance(found, OrderCreated)
    assert found.entered_at == AT
    assert (found.seller_id, found.total) == (str(uuid.UUID(int=7)), "120.00")
    assert found.lines == [{"sku": "A", "quantity": 2}]


async def test_what_is_kept_of_an_act_is_json(make: MakeBench) -> None:
    """Commands show it, and Postgres stores no zero byte in a text."""
    bench = make()
    one = act(framed(7, BODY))
    await bench.read(one)
    rows, settings = Rows(NOW), Settings(_env_file=None)
    entry = Entry(load_policies(settings), "created", timedelta(0))
    as_json = act(framed(9, json.dumps(VALUE | {"occurred_at": AT.isoformat()}).encode()))
    decode_into(rows, [one, as_json, act(None)], 0, bench.decoder, entry, NOW)
    assert not rows.dead_letters
    assert [json.loads(one[-1])["order_id"] for one in rows.acts] == [ID, ID]
    assert rows.outcomes["acts", Effect.TOMBSTONE] == 1


async def test_change_events_and_references_in_avro(
    registry: SmallRegistry, make: MakeBench
) -> None:
    """As a Debezium connector registers them: the row is a type of another subject."""
    envelope = record("Envelope", before=["null", "Act"], after=["null", "Act"], op="string")
    registry.subjects["row/x", "1"] = {"schema": json.dumps(ACT)}
    reference = {"name": "Act", "subject": "row/x", "version": 1}
    registry.add(9, envelope, references=[reference])
    whole = record("Envelope", before=["null", ACT], after=["null", "Act"], op="string")
    value = written(whole, {"before": None, "after": VALUE, "op": "c"})
    assert await make().read(act(framed(9, value))) == [WANTED]


KEYS = [
    (record("Key", order="string"), {"order": ID}, ID),
    ("string", ID, ID),
    (record("Key", number="long"), {"number": 40_484_048}, "40484048"),
]


@pytest.mark.parametrize(("schema", "key", "order_id"), KEYS)
async def test_a_key_in_avro_names_its_order(
    registry: SmallRegistry, make: MakeBench, schema: Any, key: Any, order_id: str
) -> None:
    registry.add(6, schema if isinstance(schema, dict) else json.dumps(schema))
    raw = framed(6, written(schema, key))
    good = framed(7, written(ACT, VALUE | {"order_id": order_id}))
    (found,) = await make().read(act(good, raw))
    assert found.order_id == order_id
    assert order_id in (await make().refused(act(framed(7, b"\xff"), raw))).order_ids


async def test_a_key_whose_schema_is_unknown_is_searched_as_it_is(make: MakeBench) -> None:
    raw = framed(66, written("string", ID))
    assert await make().read(act(framed(7, BODY), raw)) == [WANTED]
    assert ID in (await make().refused(act(framed(7, b"\xff"), raw))).order_ids


async def test_a_number_as_a_key_is_no_frame(registry: SmallRegistry, make: MakeBench) -> None:
    value = VALUE | {"order_id": "1001"}
    one = act(framed(7, written(ACT, value)), struct.pack(">q", 1001))
    assert [each.order_id for each in await make().read(one)] == ["1001"]
    assert set(registry.asked) == {"7"}


async def test_json_needs_no_registry(registry: SmallRegistry, make: MakeBench) -> None:
    await registry.stop()
    value = json.dumps({"order_id": ID, "status": "start-handling",
                        "occurred_at": AT.isoformat()}).encode()  # fmt: skip
    in_header = (("__value_schema_id", b"\1" + GUID.bytes),)
    assert await make().read(act(framed(7, value)), act(value, headers=in_header)) == [WANTED] * 2


PROTO = 'syntax = "proto3"; message Act { string order_id = 1; }'


@pytest.mark.parametrize(
    ("text", "kind", "body", "message"),
    [
        (PROTO, "PROTOBUF", b"\0\n\5v1-01", "schema id 9 is Protobuf: only Avro and JSON are read"),
        ({"type": "array", "items": "null"}, None, b"\0", "schema id 9: a list of it could be"),
        ("{", None, b"\0", "schema id 9: it is no Avro schema"),
        (ACT, None, BODY + b"\0", "value: does not fit Confluent wire format, schema id 9: bytes"),
        (ACT, None, BODY[:-1], "value: does not fit Confluent wire format, schema id 9"),
        (ACT | {"doc": "x" * 2_000_000}, None, BODY, "it has more than 1048576 bytes"),
    ],
)  # fmt: skip
async def test_what_is_not_read_is_refused_by_its_name(
    registry: SmallRegistry, make: MakeBench, text: Any, kind: Any, body: bytes, message: str
) -> None:
    registry.add(9, text, kind)
    refusal = await make().refused(act(framed(9, body)))
    assert refusal.error == RefusalClass.SCHEMA
    assert message in refusal.message
    assert ID in refusal.order_ids


async def test_too_many_references_are_refused(registry: SmallRegistry, make: MakeBench) -> None:
    for n in range(200):
        inner = [{"name": f"N{n + 1}", "subject": f"s{n + 1}", "version": 1}]
        registry.subjects[f"s{n}", "1"] = {"schema": '"int"', "references": inner}
    registry.add(9, '"int"', references=[{"name": "N0", "subject": "s0", "version": 1}])
    assert "refers to too much" in (await make().refused(act(framed(9, b"\2")))).message


async def test_a_circle_of_references_ends(registry: SmallRegistry, make: MakeBench) -> None:
    inner = [{"name": "N", "subject": "s", "version": 1}]
    registry.subjects["s", "1"] = {"schema": '"int"', "references": inner}
    registry.add(9, record("R", n="N"), references=inner)
    assert "no Avro schema" in (await make().refused(act(framed(9, b"\2")))).message


AWAY = [
    pytest.param({"fault": 503}, id="HTTP 503"),
    pytest.param({"fault": 403}, id="HTTP 403"),
    pytest.param({"fault": 404}, id="HTTP 404, of a proxy"),
    pytest.param({"fault": 200}, id="HTTP 200, and no answer"),
    pytest.param({"fault": 302}, id="HTTP 302"),
    pytest.param({"authorization": basic("u", "other")}, id="HTTP 401"),
    pytest.param({"hang": True}, id="TimeoutError"),
]


@pytest.mark.parametrize("fault", AWAY)
async def test_while_the_registry_is_away_a_lane_waits_and_shows_it(
    registry: SmallRegistry, make: MakeBench, fault: dict[str, Any]
) -> None:
    bench = make(schema_registry_timeout="PT0.2S")
    one = act(framed(7, BODY))
    before = dict(vars(registry))
    vars(registry).update(fault)
    reading = asyncio.create_task(bench.read(one))
    await eventually(lambda: bool(bench.guards.lanes), 20)
    assert bench.guards.lanes == {Guard.REGISTRY: 1}
    assert bench.schemas.waiting == {3}
    # A day goes by, but where each answer takes a real part of a second.
    await eventually(lambda: bench.clock.slept > ("hang" not in fault and 500), 60)
    assert not reading.done()
    with pytest.raises(SchemasMissing):
        bench.decoder.decode(one, NOW)
    vars(registry).update({name: before[name] for name in fault})
    assert await reading == [WANTED]
    assert not bench.guards.lanes
    assert not bench.schemas.waiting
    name = "plazo_schema_registry_answers_total"
    assert bench.metrics.registry.get_sample_value(name, {"answer": "away"})


async def test_a_lane_that_stops_waits_no_longer(registry: SmallRegistry, make: MakeBench) -> None:
    await registry.stop()
    bench = make()
    reading = asyncio.create_task(bench.read(act(framed(7, BODY))))
    await eventually(lambda: bool(bench.guards.lanes), 20)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not bench.guards.lanes


async def test_a_lane_waits_for_its_own_schemas_only(
    registry: SmallRegistry, make: MakeBench
) -> None:
    """Another lane goes on while this one waits for a schema that may still come."""
    bench = make()
    bench.clock.runs.clear()
    unknown = asyncio.create_task(bench.schemas.fetch(1, {70}))
    await eventually(lambda: 1 in bench.schemas.waiting, 20)
    assert await bench.read(act(framed(7, BODY))) == [WANTED]
    assert not unknown.done()
    bench.clock.runs.set()
    await unknown


async def test_a_schema_that_is_on_its_way_is_waited_for(
    registry: SmallRegistry, make: MakeBench
) -> None:
    bench = make()
    bench.clock.runs.clear()
    reading = asyncio.create_task(bench.read(act(framed(70, BODY))))
    await eventually(lambda: bench.schemas.waiting, 20)
    registry.add(70, ACT)
    bench.clock.runs.set()
    assert await reading == [WANTED]


@pytest.mark.parametrize(
    ("value", "headers", "name"),
    [
        (framed(70, BODY), (), "schema id 70"),
        (BODY, (("__value_schema_id", b"\1" + GUID.bytes),), f"schema GUID {GUID}"),
    ],
)
async def test_a_schema_that_nobody_knows_is_refused_after_a_while(
    registry: SmallRegistry, make: MakeBench, value: bytes, headers: Headers, name: str
) -> None:
    bench = make()
    refusal = await bench.refused(act(value, headers=headers))
    assert refusal.message == f"Confluent wire format, {name}: the registry does not know it"
    assert 15 <= bench.clock.slept < 30
    asked = registry.asked.total()
    await bench.refused(act(value, headers=headers))
    assert registry.asked.total() == asked
    bench.clock.at += 601
    registry.add(70 if not headers else str(GUID), ACT)
    assert await bench.read(act(value, headers=headers)) == [WANTED]


async def test_a_flood_of_unknown_schemas_does_not_become_as_many_requests(
    registry: SmallRegistry, make: MakeBench
) -> None:
    bench = make()
    refused: list[Any] = []
    for begin in range(100, 4_100, 500):
        batch = [act(framed(number, b"x" * 9)) for number in range(begin, begin + 500)]
        refused += await bench.read(*batch)
    assert {type(one) for one in refused} == {Refusal}
    assert len(registry.asked) < 100
    assert registry.asked.total() < 500
    assert registry.busiest <= 8  # each may ask once more whether it is a registry
    assert bench.clock.slept < 1_000
    assert "replay later" in refused[-1].message
    # There will be room again.
    bench.clock.at += 60
    assert await bench.read(act(framed(7, BODY))) == [WANTED]


async def test_known_schemas_are_bounded_and_fetched_again(
    registry: SmallRegistry, make: MakeBench
) -> None:
    bench = make()
    for number in range(1_000, 2_101):
        registry.add(number, ACT)
    for begin in range(1_000, 2_100, 100):
        ids = range(begin, begin + 100)
        assert await bench.read(*(act(framed(n, BODY)) for n in ids)) == [WANTED] * 100
    assert await bench.read(act(framed(1_000, BODY))) == [WANTED]
    assert registry.asked["1000"] == 2
    assert registry.asked["2099"] == 1


@pytest.mark.parametrize("wire", [b"\0\0\0\0\0", b"\0\xff\xff\xff\xff", b"\0\x80\0\0\0"])
async def test_a_number_that_no_schema_has_is_not_asked_for(
    registry: SmallRegistry, make: MakeBench, wire: bytes
) -> None:
    assert (await make().refused(act(wire + BODY))).error == RefusalClass.NOT_JSON
    assert not registry.asked


async def test_several_urls_are_asked_in_turn(registry: SmallRegistry, make: MakeBench) -> None:
    with_one_down = f"http://127.0.0.1:9, {registry.url}/"
    assert await make(schema_registry_url=with_one_down).read(act(framed(7, BODY))) == [WANTED]


@pytest.mark.parametrize(
    ("identity", "header"),
    [
        ({"schema_registry_username": "u", "schema_registry_password": "ñ"}, basic("u", "ñ")),
        ({"schema_registry_token": "t-1"}, "Bearer t-1"),
    ],
)
async def test_the_registry_is_told_who_asks(
    registry: SmallRegistry, make: MakeBench, identity: dict[str, str], header: str
) -> None:
    registry.authorization = header
    assert await make(**identity).read(act(framed(7, BODY))) == [WANTED]
    client = RegistryClient(Settings(_env_file=None, schema_registry_url=registry.url))
    try:
        with pytest.raises(RegistryAway, match="HTTP 401: see PLAZO_SCHEMA_REGISTRY_USERNAME"):
            await client.probe()
    finally:
        await client.close()


async def test_the_check_asks_each_url(registry: SmallRegistry) -> None:
    def told(url: str | None) -> Settings:
        return Settings(_env_file=None, schema_registry_url=url)

    down = "http://127.0.0.1:9"
    assert not list(registry_checks(told(None), await registry_facts(told(None))))
    fine = told(registry.url)
    (check,) = registry_checks(fine, await registry_facts(fine))
    assert check.status == Status.OK
    half = told(f"{registry.url},{down}")
    (check,) = registry_checks(half, await registry_facts(half))
    assert check.status == Status.FAULT
    assert down in check.finding
    assert registry.url not in check.finding
    registry.authorization = "Bearer x"
    assert "HTTP 401" in str((await registry_facts(fine)).fault)


def test_a_command_that_does_not_ask_the_registry_says_so() -> None:
    settings = Settings(_env_file=None, schema_registry_url=URL)
    decoder = Decoder.of(settings, timedelta(days=1))
    found = decoder.decode(act(framed(7, BODY))._replace(topic=settings.input_topics[1]), NOW)
    assert isinstance(found, Refusal)
    assert found.message.endswith("only workers ask the schema registry")


async def test_the_certificate_of_the_registry_is_checked(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    async with SmallRegistry(context) as registry:
        trusting = Settings(
            _env_file=None, schema_registry_url=registry.url, schema_registry_ca_file=file
        )
        assert (await registry_facts(trusting)).fault is None
        strict = Settings(_env_file=None, schema_registry_url=registry.url)
        assert "Certificate" in str((await registry_facts(strict)).fault)


URL = "https://registry:8081"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"schema_registry_url": "registry:8081"}, "must be http"),
        ({"schema_registry_url": " , "}, "holds no URL"),
        ({"schema_registry_url": "https://u:secret@registry"}, "must hold no password"),
        ({"schema_registry_token": "t"}, "needs PLAZO_SCHEMA_REGISTRY_URL"),
        ({"schema_registry_url": URL, "schema_registry_username": "u"}, "go together"),
        ({"schema_registry_url": URL, "schema_registry_username": "u",
          "schema_registry_password": "p", "schema_registry_token": "t"}, "not both"),
        ({"schema_registry_url": "http://registry", "schema_registry_ca_file": __file__},
         "needs PLAZO_SCHEMA_REGISTRY_URL=https"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        Settings(_env_file=None, **told)
    assert "secret" not in str(refused.value)
