"""What a record of the examples is read as."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.ingest.decoder import Codec
from worker.records import Record, Refused

NOW = datetime(2026, 11, 25, tzinfo=UTC)
CODEC = Codec("order-created", "order-status-changed", 10**6, timedelta(minutes=5),
              timedelta(days=1))  # fmt: skip


def meaning(example: dict[str, Any]) -> dict[str, Any]:
    """The type and the fields that it is read as, but for those that it leaves out."""
    value = example.get("value_text") or json.dumps(example["value"])
    headers = tuple((name, text.encode()) for name, text in example["headers"].items())
    record = Record(example["topic"], 0, 0, 0, example["key"].encode(), value.encode(), headers)
    found = CODEC.decode(record, NOW)
    assert not isinstance(found, Refused | tuple), found
    fields = json.loads(found.model_dump_json(exclude_none=True))
    return {"type": type(found).__name__, **fields}
