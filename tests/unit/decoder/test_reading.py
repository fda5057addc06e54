"""What is read: the examples of the contract, tombstones, ids between blanks."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import schemas
from schemas import events
from schemas.events import RefusalClass
from schemas.models import (
    DeadlineExtended,
    DeadlineHeld,
    DeadlineReleased,
    OrderCreated,
    OrderStatusChanged,
)
from tests.unit.decoder.records import (
    CHANGED,
    CREATED,
    ID,
    NOW,
    changed,
    decoder,
    record,
    refused,
    roomy,
)
from worker.records import Record

EXAMPLES = Path(schemas.__file__).parent / "examples"
VALID = sorted((EXAMPLES / "valid").glob("*.json"))
INVALID = sorted((EXAMPLES / "invalid").glob("*.json"))


def load(path: Path) -> tuple[dict[str, Any], Record]:
    example = json.loads(path.read_text(encoding="utf-8"))
    headers = example["headers"]
    pairs = headers.items() if isinstance(headers, dict) else headers
    value: bytes | None
    if "value_text" in example:
        value = example["value_text"].encode()
    elif "value_base64" in example:
        value = base64.b64decode(example["value_base64"])
    else:
        value = None if example["value"] is None else json.dumps(example["value"]).encode()
    key: bytes | None
    if "key_base64" in example:
        key = base64.b64decode(example["key_base64"])
    else:
        key = None if example["key"] is None else example["key"].encode()
    return example, record(
        value, example["topic"], key, tuple((name, text.encode()) for name, text in pairs)
    )


DEADLINES = {
    "deadline-extended": DeadlineExtended,
    "deadline-held": DeadlineHeld,
    "deadline-released": DeadlineReleased,
}


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid_example_is_read(path: Path) -> None:
    example, given = load(path)
    event = decoder.decode(given, NOW)
    named = path.stem.startswith("deadline-")
    usual = {CREATED: OrderCreated, CHANGED: OrderStatusChanged}[example["topic"]]
    assert type(event) is (DEADLINES[path.stem] if named else usual)
    assert event.order_id == ID


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid_example_is_refused(path: Path) -> None:
    example, given = load(path)
    using = decoder if path.stem == "oversize" else roomy
    outcome = refused(given, using)
    assert outcome.error == example["refused"]
    assert outcome.order_ids == tuple(example["order_ids"])
    assert outcome.message


def test_examples_cover_every_class() -> None:
    shown = {load(path)[0]["refused"] for path in INVALID}
    # Those three are found out later: by the database, the order's home lane, and a person.
    later = {RefusalClass.DATABASE, RefusalClass.TOO_LATE, RefusalClass.SKIPPED}
    assert shown == set(RefusalClass) - later


def test_fields_of_an_order() -> None:
    event = decoder.decode(load(EXAMPLES / "valid" / "order-created-nine-digits.json")[1], NOW)
    assert isinstance(event, OrderCreated)
    assert event.entered_at == datetime(2026, 11, 22, 15, 4, 5, 123456, tzinfo=UTC)
    assert event.entered_at.tzinfo is UTC
    assert event.total is None


@pytest.mark.parametrize("decode", [decoder.decode, roomy.decode])
def test_a_tombstone_tells_nothing(decode: Any) -> None:
    assert decode(record(None), NOW) == ()
    assert decode(record(None, CREATED, headers=(("trace", b"1"),)), NOW) == ()


def test_an_event_that_lost_its_value_is_no_tombstone() -> None:
    headers = (("ce-type", events.ORDER_STATUS_CHANGED.encode()), ("ce-specversion", b"1.0"))
    assert refused(record(None, headers=headers)).order_ids == (ID,)
    assert refused(record(None, key=None)).error == RefusalClass.NO_KEY
    assert refused(record(b"")).error == RefusalClass.EMPTY_VALUE


@pytest.mark.parametrize("padded", [f" {ID}", f"{ID}\t\n", f"\u00a0{ID} "])
def test_blanks_around_an_id_are_no_mismatch(padded: str) -> None:
    for key, name in ((padded, ID), (ID, padded), (padded, padded)):
        event = decoder.decode(record(changed(order_id=name), key=key.encode()), NOW)
        assert isinstance(event, OrderStatusChanged)
        assert event.order_id == ID
    assert ID in refused(record(b"{", key=padded.encode())).order_ids
