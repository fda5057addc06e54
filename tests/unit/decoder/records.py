"""Two decoders, of small and of large records, and what the tests give them."""

import json
from datetime import UTC, datetime, timedelta

from worker.ingest.decoder import Decoder
from worker.ingest.parse_errors import MAX_MESSAGE
from worker.records import Record, Refusal

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)
ID = "v40484048naf-01"
CREATED = "order-created"
CHANGED = "order-status-changed"
SECRET = "Zoraida Quispe"  # a person's name, planted where it must not come out
AVRO = b"\0\0\0\0\x07\x0ahidde\x1cstart-handling(2026-11-24T11:00:00Z"

decoder = Decoder(
    order_created_topic=CREATED,
    order_status_changed_topic=CHANGED,
    max_record_bytes=1000,
    max_clock_skew=timedelta(minutes=5),
    longest_wait=timedelta(hours=24, seconds=30),
)
roomy = Decoder(CREATED, CHANGED, 100_000, timedelta(minutes=5), timedelta(hours=24))


def record(
    value: bytes | None,
    topic: str = CHANGED,
    key: bytes | None = ID.encode(),
    headers: tuple[tuple[str, bytes], ...] = (),
) -> Record:
    return Record(topic, 0, 0, 0, key, value, headers)


def changed(**fields: object) -> bytes:
    value = {"order_id": ID, "status": "canceled", "occurred_at": "2026-11-22T18:00:00Z"}
    return json.dumps(value | fields).encode()


def refused(given: Record, using: Decoder = decoder) -> Refusal:
    outcome = using.decode(given, NOW)
    assert isinstance(outcome, Refusal)
    assert len(outcome.message) <= MAX_MESSAGE
    return outcome
