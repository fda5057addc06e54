"""How fast one process decodes: plain JSON, the same events through a schema registry, and orders
of Shopify by a mapping.

``python -m tests.benchmarks.decoding`` takes half a minute and needs neither Kafka nor Postgres.
"""

import asyncio
import gc
import io
import json
import struct
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import fastavro

from worker.clock import SystemClock
from worker.ingest.decoder import Decoder
from worker.ingest.registry.schemas import Schemas
from worker.observability.guards import Guards
from worker.observability.metrics import Metrics
from worker.records import Record, Refusal
from worker.registry.client import SchemaText
from worker.settings import Settings

from .mix import mix

EVENTS = 6_000
ROUNDS = 15
SLICE = 200
_TIME = {"type": "long", "logicalType": "timestamp-micros"}
_MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}
_LINE = {"type": "record", "name": "Line", "fields": [
    {"name": "sku", "type": "string"}, {"name": "quantity", "type": "int"},
    {"name": "unit_price", "type": _MONEY}]}  # fmt: skip
_FINDINGS = {"type": "record", "name": "Findings", "fields": [
    {"name": name, "type": "boolean"} for name in ("in_stock", "functional", "complete")
]}  # fmt: skip
ORDER, ACT = 1, 2
SCHEMAS: dict[int, Any] = {
    ORDER: {"type": "record", "name": "Order", "fields": [
        *({"name": name, "type": "string"} for name in ("order_id", "seller_id", "fulfilment")),
        {"name": "entered_at", "type": _TIME}, {"name": "total", "type": ["null", _MONEY]},
        {"name": "currency", "type": ["null", "string"]},
        {"name": "lines", "type": ["null", {"type": "array", "items": _LINE}]}]},
    ACT: {"type": "record", "name": "Act", "fields": [
        {"name": "order_id", "type": "string"}, {"name": "status", "type": "string"},
        {"name": "occurred_at", "type": _TIME}, {"name": "validation", "type": ["null", _FINDINGS]},
    ]},
}  # fmt: skip


class _Registry:
    """Answers at once."""

    async def schema(self, schema: int) -> SchemaText:
        return SchemaText("AVRO", json.dumps(SCHEMAS[schema]))

    async def close(self) -> None: ...


def _avro(schema: int, value: dict[str, Any], parsed: dict[int, Any]) -> bytes:
    told = dict(value)
    for name in ("entered_at", "occurred_at"):
        if name in told:
            told[name] = datetime.fromisoformat(told[name])
    if told.get("total") is not None:
        told["total"] = Decimal(told["total"])
    if told.get("lines"):
        told["lines"] = [
            one | {"unit_price": Decimal(one.get("unit_price", "0.00"))} for one in told["lines"]
        ]
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, parsed[schema], told)
    return _frame(schema, stream.getvalue())


def _shopify(value: dict[str, Any]) -> bytes:
    """The order as Shopify tells it, with what no mapping reads left out."""
    lines = [
        {"id": n, "sku": one["sku"], "quantity": one["quantity"], "price": one.get("unit_price"),
         "vendor": value["seller_id"]}
        for n, one in enumerate(value.get("lines") or [{"sku": "A-1", "quantity": 1}])
    ]  # fmt: skip
    told = {
        "id": int("".join(filter(str.isdigit, value["order_id"]))), "test": False,
        "created_at": value["entered_at"], "cancelled_at": None, "currency": "PEN",
        "total_price": value.get("total"), "financial_status": "paid", "source_name": "web",
        "line_items": lines, "fulfillments": [], "refunds": [],
    }  # fmt: skip
    return json.dumps(told).encode()


def _frame(schema: int, body: bytes) -> bytes:
    return struct.pack(">bI", 0, schema) + body


def _records() -> dict[str, list[Record]]:
    """The same events in each encoding."""
    parsed = {number: fastavro.parse_schema(schema) for number, schema in SCHEMAS.items()}
    found: dict[str, list[Record]] = {"json": [], "json_schema": [], "avro": [], "mapping": []}
    for event in islice(mix(), EVENTS):
        topic, schema = ("created", ORDER) if event.created else ("acts", ACT)
        encodings = {
            "json": event.value,
            "json_schema": _frame(schema, event.value),
            "avro": _avro(schema, json.loads(event.value), parsed),
        }
        for name, value in encodings.items():
            found[name].append(Record(topic, 0, 0, 0, event.order_id.encode(), value, ()))
        if event.created and len(found["mapping"]) < EVENTS // 10:  # they take ten times as long
            shop = _shopify(json.loads(event.value))
            key = str(json.loads(shop)["id"]).encode()
            found["mapping"].append(Record("shop", 0, 0, 0, key, shop, ()))
    return found


def _seconds(decoder: Decoder, records: Sequence[Record], now: datetime) -> float:
    """The CPU time to decode records as the reader does."""
    began = time.process_time()
    assert not decoder.missing_schemas(records)
    for record in records:
        decoder.decode(record, now)
    return time.process_time() - began


async def decoding(rounds: int = ROUNDS) -> dict[str, float]:
    """Records a second of CPU time, of each encoding.

    Rounds alternate between slices of each encoding, and of each slice the fastest counts: other
    work on the machine slows down some of them, and not all.
    """
    settings = Settings(
        _env_file=None, order_created_topic="created", order_status_changed_topic="acts"
    )
    from worker.ingest.registry.avro import avro_reader

    client: Any = _Registry()
    metrics = Metrics(settings)
    schemas = Schemas(client, {"AVRO": avro_reader}, SystemClock(), metrics, Guards(metrics))
    await schemas.fetch(0, SCHEMAS)
    own = Decoder.of(settings, timedelta(days=1), schemas)
    mapped = settings.model_copy(
        update={"order_created_topic": "shop", "order_created_format": "mapping:shopify"}
    )
    decoders = {"mapping": Decoder.of(mapped, timedelta(days=1))}
    records, now = _records(), datetime.now(UTC) + timedelta(days=1)
    for name, each in records.items():
        decode = decoders.setdefault(name, own).decode
        assert not [one for one in each[:1_000] if isinstance(decode(one, now), Refusal)]
    # A worker does not hold so many records; nobody looks through them for garbage.
    gc.collect()
    gc.freeze()
    slices = {
        name: [each[at : at + SLICE] for at in range(0, len(each), SLICE)]
        for name, each in records.items()
    }
    best = {name: [float("inf")] * len(parts) for name, parts in slices.items()}
    for _ in range(rounds):
        for name, parts in slices.items():
            for number, part in enumerate(parts):
                seconds = _seconds(decoders[name], part, now)
                best[name][number] = min(best[name][number], seconds)
    return {name: round(len(records[name]) / sum(times)) for name, times in best.items()}


def main() -> None:
    """Print the rates, and their share of plain JSON."""
    found = asyncio.run(decoding())
    for name, rate in found.items():
        print(f"{name}: {rate:,.0f}/s, {rate / found['json']:.2f} of plain JSON")


if __name__ == "__main__":
    main()
