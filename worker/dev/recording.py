"""Files of recorded events for ``plazo dev --events``, in the shapes of
:mod:`worker.operations.record_files`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from schemas import events as names
from schemas.models import OrderCreated, OrderStatusChanged
from schemas.statuses import STATUSES, Meaning, normalise
from worker.dev.ledger import UNREADABLE, Entry, Fact, Message
from worker.errors import PlazoError
from worker.operations import record_files
from worker.operations.documents import BadLine
from worker.operations.record_files import Line
from worker.settings import Settings

_CHANGES = b"marketplace.order.deadline-"
_NAMED = re.compile(r'"order_id"\s*:\s*"([^"\\]{1,200})"')


class BadRecording(PlazoError):
    """A line of the file is no event. The message names the line, never its content."""


def read(path: Path, settings: Settings, now: datetime) -> Iterator[Message]:
    """The records of the file in its order; empty lines are left out.

    Raises:
        BadRecording: at the first line that is no event.
    """
    for line in records(path, settings):
        if dict(line.headers).get(names.CE_TYPE, b"").startswith(_CHANGES):
            reason = "the audit of plazo dev knows no changes of deadlines"
            raise BadRecording(f"{path.name}, line {line.number}: {reason}")
        yield _message(line, settings, now)


def records(path: Path, settings: Settings, topic: str | None = None) -> Iterator[Line]:
    """The records of the file.

    ``topic`` is that of all; ``None`` finds it by their fields.

    Raises:
        BadRecording: at the first line that is no event.
    """
    name = None if topic is None else record_files.known_topic(topic, settings)
    for line in record_files.read(path.read_bytes(), settings, name):
        if isinstance(line, BadLine):
            raise BadRecording(f"{path.name}, line {line.number}: {line.reason}")
        yield line


def _message(line: Line, settings: Settings, now: datetime) -> Message:
    key = None if line.key is None else line.key.decode()
    headers = {name: text.decode() for name, text in line.headers}
    meanings = _meanings(line.topic, key, line.value, headers, settings, now)
    return Message(line.topic, line.key, line.value, line.headers, None, meanings)


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
