"""A file of recorded events, one JSON object a line, for ``plazo dev --events`` and
``plazo contract check``.

A line is either an event as it stands in a topic's value::

    {"order_id": "v1-01", "status": "canceled", "occurred_at": "2026-11-22T18:00:00Z"}

or a record with any of its parts, whose value may be text that is no JSON at all::

    {"topic": "order-status-changed", "key": "v1-01", "headers": {}, "value": {...} or "text"}

On a topic with another system's format the event is one of that system.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from schemas import events as names
from schemas.models import OrderCreated, OrderStatusChanged
from schemas.statuses import STATUSES, Meaning, normalise
from worker.dev.ledger import UNREADABLE, Entry, Fact, Message
from worker.errors import PlazoError
from worker.ingest.formats import Adapter, adapters
from worker.ingest.parse_errors import RefusalError
from worker.settings import Settings

_CHANGES = "marketplace.order.deadline-"
_NAMED = re.compile(r'"order_id"\s*:\s*"([^"\\]{1,200})"')


class BadRecording(PlazoError):
    """A line of the file is no event. The message names the line, never its content."""


def read(path: Path, settings: Settings, now: datetime) -> Iterator[Message]:
    """The records of the file in its order; empty lines are left out.

    Raises:
        BadRecording: at the first line that is no event.
    """
    for line in records(path, settings):
        if line.headers.get(names.CE_TYPE, "").startswith(_CHANGES):
            reason = "the audit of plazo dev knows no changes of deadlines"
            raise BadRecording(f"{path.name}, line {line.number}: {reason}")
        yield _message(line, settings, now)


def records(path: Path, settings: Settings, topic: str | None = None) -> Iterator["Line"]:
    """The lines of the file as records; empty ones are left out.

    ``topic`` is that of lines without one; ``None`` finds it by their fields.

    Raises:
        BadRecording: at the first line that is no event.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield _line(number, _object(line), settings, topic)
                except _BadLine as error:
                    raise BadRecording(f"{path.name}, line {number}: {error}") from None


class Line(NamedTuple):
    """One line: a record that is still to be published."""

    number: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]


class _BadLine(Exception):
    pass


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise _BadLine("not JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise _BadLine("not a JSON object")
    return found


def _message(line: Line, settings: Settings, now: datetime) -> Message:
    key = None if line.key is None else line.key.decode()
    meanings = _meanings(line.topic, key, line.value, line.headers, settings, now)
    headers = tuple((name, text.encode()) for name, text in line.headers.items())
    return Message(line.topic, line.key, line.value, headers, None, meanings)


def _line(number: int, line: dict[str, Any], settings: Settings, topic: str | None) -> Line:
    # An event may have fields of these names too: the order of VTEX has a `value`.
    whole = "value" in line and ("topic" in line or line.keys() <= {"key", "headers", "value"})
    record = line if whole else {"value": line}
    value = record["value"]
    if not isinstance(value, dict | str | None):
        raise _BadLine("value: not an object, text or null")
    headers = record.get("headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise _BadLine("headers: not an object of texts")
    topic = _topic(record.get("topic", topic), value, settings)
    key = record["key"] if "key" in record else _order_id(value, topic, settings)
    if not isinstance(key, str | None):
        raise _BadLine("key: not text or null")
    try:
        raw = value.encode() if isinstance(value, str) else None
        raw = json.dumps(value).encode() if isinstance(value, dict) else raw
        raw_key = None if key is None else key.encode()
        "".join((*headers, *headers.values())).encode()
    except UnicodeEncodeError:
        raise _BadLine("a lone surrogate") from None
    return Line(number, topic, raw_key, raw, headers)


def _topic(given: object, value: object, settings: Settings) -> str:
    created, changed = settings.input_topics
    if given is None:
        found = _topic_by_fields(value, settings) if isinstance(value, dict) else None
        if found is None:
            raise _BadLine("no topic, and no fields to find it by; name it by --topic")
        return found
    known = {created: created, changed: changed}
    known |= {"order-created": created, "order-status-changed": changed}
    if not isinstance(given, str) or given not in known:
        raise _BadLine(f"topic: none of {', '.join(known)}")
    return known[given]


def _topic_by_fields(value: dict[str, Any], settings: Settings) -> str | None:
    created, changed = settings.input_topics
    foreign = adapters(settings)
    # In structured mode the event is inside the envelope.
    body = value["data"] if isinstance(value.get("data"), dict) else value
    if "entered_at" in body:
        return created
    if "occurred_at" in body or ("status" in body and not foreign):
        return changed
    reading = [topic for topic, adapter in foreign.items() if _read(adapter, value)]
    return reading[0] if len(reading) == 1 else None


def _read(adapter: Adapter, value: dict[str, Any]) -> tuple[OrderCreated | OrderStatusChanged, ...]:
    try:
        return adapter(json.dumps(value).encode(), datetime.now(UTC))
    except (ValidationError, RefusalError):
        return ()


def _order_id(value: object, topic: str, settings: Settings) -> object:
    if not isinstance(value, dict):
        return None
    data = value.get("data")
    body = data if isinstance(data, dict) else value
    if topic in (foreign := adapters(settings)) and (read := _read(foreign[topic], body)):
        return read[0].order_id
    named = (body.get(name) for name in ("order_id", "orderId", "OrderId"))
    return next((one for one in named if isinstance(one, str)), None)


def _meanings(
    topic: str,
    key: str | None,
    value: bytes | None,
    headers: Mapping[str, str],
    settings: Settings,
    now: datetime,
) -> tuple[tuple[str, Fact | Entry], ...]:
    """The meaning of the record, by the contract's own models."""
    latest = now + settings.max_clock_skew
    if value is not None and len(value) <= settings.max_record_bytes:
        kind = names.ORDER_CREATED
        model: type[OrderCreated | OrderStatusChanged] = OrderCreated
        if topic == settings.order_status_changed_topic:
            kind, model = names.ORDER_STATUS_CHANGED, OrderStatusChanged
        try:
            event = model.model_validate_json(_data(value, headers, kind))
        except (ValidationError, ValueError, RecursionError):
            event = None
        if event is not None and key is not None and event.order_id == key.strip():
            if isinstance(event, OrderCreated) and event.entered_at <= latest:
                return ((event.order_id, Entry(event.entered_at)),)
            if isinstance(event, OrderStatusChanged) and event.occurred_at <= latest:
                fact = Fact(_canonical(event.status), event.occurred_at, event.stock_ok)
                return ((event.order_id, fact),)
    # Unreadable: it shields each order that it names.
    named = dict.fromkeys([key] if key else [])
    named |= dict.fromkeys(_NAMED.findall((value or b"").decode(errors="replace")))
    return tuple((order_id, UNREADABLE) for order_id in named)


def _data(value: bytes, headers: Mapping[str, str], kind: str) -> bytes:
    """The event inside its envelope, if it has one.

    Raises:
        ValueError: the envelope is not one of this topic.
    """
    lowered = {name.lower().replace("ce-", "ce_"): text for name, text in headers.items()}
    content_type = lowered.get(names.CONTENT_TYPE_HEADER, "").partition(";")[0].strip().lower()
    if content_type == names.STRUCTURED_CONTENT_TYPE:
        envelope = json.loads(value)
        version, found = envelope.get("specversion"), envelope.get("type")
        inner = json.dumps(envelope.get("data")).encode()
    elif any(name.startswith(names.CE_PREFIX) for name in lowered):
        version, found, inner = lowered.get(names.CE_SPECVERSION), lowered.get(names.CE_TYPE), value
    else:
        version, found, inner = names.SPECVERSION, kind, value
    if content_type not in ("", names.CONTENT_TYPE, names.STRUCTURED_CONTENT_TYPE):
        raise ValueError(content_type)
    if found != kind or not str(version).startswith("1."):
        raise ValueError(kind)
    return inner


# The word by which the audit knows a meaning.
_WORDS = {
    Meaning.HANDLING: "start-handling",
    Meaning.CANCELED: "canceled",
    Meaning.READY: "ready-for-handling",
    Meaning.NOTHING: "staging",
}


def _canonical(status: str) -> str:
    """A status in the words of the audit."""
    word = normalise(status)
    return _WORDS.get(STATUSES.get(word, Meaning.UNKNOWN), word)
