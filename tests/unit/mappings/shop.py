"""A shop whose records a mapping describes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from worker.ingest.decoder import Decoder
from worker.ingest.formats.mapping.adapter import MappingAdapter
from worker.ingest.formats.mapping.file import parse
from worker.records import Record

NOW = datetime(2026, 11, 24, tzinfo=UTC)


SHOP: dict[str, Any] = {
    "name": "shop",
    "only": "test != `true`",
    "order_id": "id",
    "order": {
        "seller_id": "vendor.id",
        "entered_at": "created",
        "total": {"find": "cents", "digits": 2},
        "currency": "currency",
        "labels": {"gift": "gift", "channel": "source"},
        "lines": "items[].{sku: sku}",
    },
    "states": {"Accepted": "start-handling", "void": "canceled", "New": None},
    "acts": [
        {"state": "state", "occurred_at": {"find": "changed", "since": "created"}},
        {
            "each": "parcels",
            "only": "ok",
            "status": "shipped",
            "occurred_at": {"find": "at", "epoch": "milliseconds"},
            "validation": {"in_stock": "checked"},
            "dispute": {"text": "note"},
        },
    ],
    "samples": [{"record": {"id": 1, "test": True}, "becomes": []}],
}


ORDER = {
    "id": 7, "vendor": {"id": 12}, "state": "New", "items": [{"sku": "a"}],
    "created": "2026-11-22T10:00:00Z", "changed": "2026-11-23T11:00:00Z",
}  # fmt: skip


def adapter(mapping: dict[str, Any] | None = None, *, acts_only: bool = False) -> MappingAdapter:
    file, _ = parse(yaml.safe_dump(mapping or SHOP), "shop.yaml")
    return MappingAdapter(file, acts_only=acts_only)


def written(path: Path, mapping: dict[str, Any]) -> str:
    file = path / "shop.yaml"
    file.write_text(yaml.safe_dump(mapping, sort_keys=False))
    return f"file:{file}"


def decoder(mapping: dict[str, Any] | None = None, **more: Any) -> Decoder:
    topics = {"orders": adapter(mapping), "acts": adapter(mapping)}
    return Decoder("orders", "acts", 1_000_000, timedelta(minutes=5), timedelta(hours=24), topics,
                   **more)  # fmt: skip


def record(body: Any, key: str | None = "7", headers: Any = (), topic: str = "orders") -> Record:
    value = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = round(NOW.timestamp() * 1000)
    return Record(topic, 0, 0, stamp, key.encode() if key else None, value, headers)


def read(body: Any, mapping: dict[str, Any] | None = None, **more: Any) -> Any:
    return decoder(mapping).decode(record(body, **more), NOW)


def changed(**fields: Any) -> dict[str, Any]:
    return {**SHOP, **fields}
