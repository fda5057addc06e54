"""Files of records, as people have them: for ``plazo contract check`` and ``plazo format check``.

A file holds JSON documents, one a line, in an array, or printed over several lines; or the output
of ``kcat`` (``-J``, or a key before the value), or of Kafka's console consumer with the properties
that print timestamps, partitions, offsets, headers and keys. A document is the value of a record,
or a record with any of its parts::

    {"topic": "order-status-changed", "key": "v1-01", "headers": {}, "value": {...} or "text"}

Bytes that are no text, such as Avro, stand as Base64 in ``value_base64`` and ``key_base64``.

What cannot be read is told with its line, and the rest is read.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from worker.ingest.formats import Adapter, adapters
from worker.ingest.formats.mapping.samples import outcome
from worker.ingest.formats.model import Salvaging
from worker.ingest.parse_errors import RefusalError
from worker.operations.documents import BadLine, Console, Document, documents, text_of
from worker.records import timestamp_of
from worker.settings import Settings


class Line(NamedTuple):
    """A record. ``keyed`` tells whether the file told its key; else the format finds it."""

    number: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    recorded_at: datetime | None
    keyed: bool


class _Bad(Exception):
    pass


# kcat -J; without a message it has other keys beside these.
_KCAT = frozenset({"topic", "partition", "offset", "payload"})
# An event may have fields of these names too: the order of VTEX has a `value`.
_RECORD = frozenset({"key", "headers", "value", "key_base64", "value_base64"})
_ID_NAMES = ("order_id", "orderId", "OrderId")
# Where the file tells no key and the record no order: what is wrong is the record, not the key.
_SOME_KEY = "?"


def read(content: bytes, settings: Settings, topic: str | None = None) -> Iterator[Line | BadLine]:
    """Yield the records of a file in its order.

    ``topic`` is that of all records, as the settings or the contract name it; ``None`` takes what
    the file tells, or finds the topic by the fields.
    """
    finder = _Finder(settings, topic)
    for found in documents(text_of(content)):
        if isinstance(found, BadLine):
            yield found
            continue
        try:
            yield finder.line(found)
        except _Bad as error:
            yield BadLine(found.number, str(error))


def known_topic(name: str, settings: Settings) -> str | None:
    """The topic of this name in the settings or in the contract."""
    return _topics(settings).get(name)


def _topics(settings: Settings) -> Mapping[str, str]:
    created, changed, *_ = settings.input_topics
    contract = {"order-created": created, "order-status-changed": changed}
    return contract | {topic: topic for topic in settings.input_topics}


class _Finder:
    """Makes records of documents: finds topic and key where the file does not tell them."""

    def __init__(self, settings: Settings, topic: str | None) -> None:
        self._settings = settings
        self._known = _topics(settings)
        self._foreign = adapters(settings)
        self._topic = topic

    def line(self, document: Document) -> Line:
        number, body = document
        if isinstance(body, Console):
            if body.doubtful and self._topic is None:
                raise _Bad("not JSON in UTF-8")
            value = _parsed(body.value)
            topic = self._topic_of(None, value)
            key = body.key if body.keyed else self._key(body.value, value, topic)
            return Line(number, topic, key, body.value, body.headers, body.recorded_at, body.keyed)
        if isinstance(body, dict) and body.keys() >= _KCAT:
            return self._of_kcat(number, body)
        return self._of_parts(number, body)

    def _of_kcat(self, number: int, body: dict[str, Any]) -> Line:
        payload, key, flat = body["payload"], body.get("key"), body.get("headers") or []
        if not isinstance(payload, str | None) or not isinstance(key, str | None):
            raise _Bad("payload or key: not text or null")
        pairs = zip(flat[::2], flat[1::2], strict=False) if isinstance(flat, list) else ()
        headers = tuple((str(name), _bytes(str(text))) for name, text in pairs)
        stamp = body.get("ts")
        value = None if payload is None else _bytes(payload)
        return Line(
            number,
            self._topic_of(body["topic"], _parsed(value)),
            None if key is None else _bytes(key),
            value,
            headers,
            timestamp_of(stamp) if isinstance(stamp, int) and stamp >= 0 else None,
            keyed=True,
        )

    def _of_parts(self, number: int, body: Any) -> Line:
        whole = isinstance(body, dict) and bool(body.keys() & {"value", "value_base64"})
        whole = whole and ("topic" in body or body.keys() <= _RECORD)
        record = body if whole else {"value": body}
        if "value_base64" in record or "key_base64" in record:
            record = _from_base64(record)
        value = record.get("value")
        if not isinstance(value, dict | str | None):
            raise _Bad("value: not an object, text or null")
        headers = record.get("headers") or {}
        if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
            raise _Bad("headers: not an object of texts")
        topic = self._topic_of(record.get("topic"), value)
        keyed = "key" in record
        if keyed and not isinstance(record["key"], str | None):
            raise _Bad("key: not text or null")
        raw = _bytes(json.dumps(value) if isinstance(value, dict) else value)
        key = _bytes(record["key"]) if keyed else self._key(raw, value, topic)
        pairs = tuple((name, _bytes(text) or b"") for name, text in headers.items())
        return Line(number, topic, key, raw, pairs, None, keyed)

    def _topic_of(self, told: object, value: object) -> str:
        if self._topic is not None:
            return self._topic
        if told is None:
            found = self._by_fields(value) if isinstance(value, dict) else None
            if found is None:
                raise _Bad("no topic, and no fields to find it by; name it by --topic")
            return found
        if not isinstance(told, str) or told not in self._known:
            raise _Bad(f"topic: none of {', '.join(self._known)}; name it by --topic")
        return self._known[told]

    def _by_fields(self, value: dict[str, Any]) -> str | None:
        created, changed, *_ = self._settings.input_topics
        # In structured mode the event is inside the envelope.
        body = value["data"] if isinstance(value.get("data"), dict) else value
        if "entered_at" in body:
            return created
        own = str(value.get("type", ""))
        if own.startswith("marketplace.order.deadline-") or {"author", "reason"} <= body.keys():
            return self._settings.changes_topic
        if "occurred_at" in body or ("status" in body and not self._foreign):
            return changed
        raw = json.dumps(value).encode()
        reading = [t for t, adapter in self._foreign.items() if _events(adapter, raw)]
        return reading[0] if len(reading) == 1 else None

    def _key(self, raw: bytes | None, value: object, topic: str) -> Any:
        """The key that a publisher would give the record: its order."""
        data = value.get("data") if isinstance(value, dict) else None
        body = data if isinstance(data, dict) else value
        adapter = self._foreign.get(topic)
        if adapter is not None:
            if data is not None or raw is None:
                raw = json.dumps(body).encode()
            if events := _events(adapter, raw):
                return _bytes(events[0].order_id)
            if isinstance(adapter, Salvaging) and (told := adapter.facts(raw).get("order_id")):
                return _bytes(str(told))
        named = (body.get(name) for name in _ID_NAMES) if isinstance(body, dict) else ()
        return _bytes(next((one for one in named if isinstance(one, str)), _SOME_KEY))


def _events(adapter: Adapter, value: bytes) -> tuple[Any, ...]:
    found = outcome(adapter, value, datetime.now(UTC))
    return () if isinstance(found, RefusalError) else found


def _from_base64(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its bytes as text, in which surrogates stand for what is not UTF-8."""
    plain = {**record}
    for name in ("key", "value"):
        if (told := plain.pop(f"{name}_base64", None)) is None:
            continue
        try:
            plain[name] = base64.b64decode(told, validate=True).decode("utf-8", "surrogateescape")
        except (ValueError, TypeError):
            raise _Bad(f"{name}_base64: not Base64") from None
    return plain


def _parsed(value: bytes | None) -> Any:
    try:
        return json.loads(value or b"")
    except (ValueError, RecursionError):
        return None


def _bytes(text: Any) -> Any:
    try:
        return None if text is None else text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _Bad("a lone surrogate") from None
