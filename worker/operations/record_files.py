"""Files of records, as people have them: for ``plazo contract check`` and ``plazo format check``.

A file holds JSON documents, one a line, in an array, or printed over several lines; or the output
of ``kcat`` (``-J``, or a key before the value), or of Kafka's console consumer with the properties
that print timestamps, partitions, offsets, headers and keys. A document is the value of a record,
or a record with any of its parts::

    {"topic": "order-status-changed", "key": "v1-01", "headers": {}, "value": {...} or "text"}

What cannot be read is told with its line, and the rest is read.
"""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from worker.ingest.formats import Adapter, adapters
from worker.ingest.formats.mapping.samples import outcome
from worker.ingest.formats.model import Salvaging
from worker.ingest.parse_errors import RefusalError
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


class BadLine(NamedTuple):
    """A line that holds no record. The reason quotes nothing of it."""

    number: int
    reason: str


class _Bad(Exception):
    pass


class _Document(NamedTuple):
    number: int
    body: Any  # JSON, or _Raw


class _Raw(NamedTuple):
    """What a line of a console tells. A ``doubtful`` one is a record only where its topic is known:
    it may be a format that is no JSON, or broken.
    """

    key: bytes | None
    keyed: bool
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    recorded_at: datetime | None
    doubtful: bool = False


# kcat -J; without a message it has other keys beside these.
_KCAT = frozenset({"topic", "partition", "offset", "payload"})
# An event may have fields of these names too: the order of VTEX has a `value`.
_RECORD = frozenset({"key", "headers", "value"})
_STARTS = ("{", "[", '"')
_CONTINUES = (" ", "\t", "}", "]")
_STAMP = re.compile(r"(?:CreateTime|LogAppendTime):(-?[0-9]{1,15})|NoTimestamp(?:Type)?:-?[0-9]+")
_PLACE = re.compile(r"(?:Partition|Offset):[0-9]{1,19}|[0-9]{1,19}")
# A null, as the console consumer and kcat print it.
_NULL = frozenset({"null", ""})
_NO_HEADERS: Final = "NO_HEADERS"
# A key, a delimiter, and JSON.
_KEYED = re.compile(r'([^\s{\["]{0,200}?|"[^"]{1,200}")\s*[:;,|=\s]\s*([{\[].*)')
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ID_NAMES = ("order_id", "orderId", "OrderId")
# Where the file tells no key and the record no order: what is wrong is the record, not the key.
_SOME_KEY = "?"


def read(content: bytes, settings: Settings, topic: str | None = None) -> Iterator[Line | BadLine]:
    """Yield the records of a file in its order.

    ``topic`` is that of all records, as the settings or the contract name it; ``None`` takes what
    the file tells, or finds the topic by the fields.
    """
    finder = _Finder(settings, topic)
    for found in _documents(_text(content)):
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


def _text(content: bytes) -> str:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            # Shells of Windows write UTF-16.
            return content.decode(encoding, "replace").removeprefix("\ufeff")
    return content.decode("utf-8", "surrogateescape")


def _documents(text: str) -> Iterator[_Document | BadLine]:
    """Yield each document and the line where it begins."""
    decoder = json.JSONDecoder()
    number, at, broken = 1, 0, False
    while at < len(text):
        end = _line_end(text, at)
        line = text[at:end]
        stop, documents = end, list[_Document | BadLine]()
        if line.strip():
            if broken and line.startswith(_CONTINUES):
                documents = []
            else:
                broken = False
                stop, documents = _at(decoder, text, at, end, number)
                broken = any(map(_is_broken, documents))
        yield from documents
        number += text.count("\n", at, stop) + 1
        at = stop + 1


def _is_broken(document: _Document | BadLine) -> bool:
    if isinstance(document, BadLine):
        return True
    return isinstance(document.body, _Raw) and document.body.doubtful


def _at(
    decoder: json.JSONDecoder, text: str, at: int, end: int, number: int
) -> tuple[int, list[_Document | BadLine]]:
    """Read what begins in a line; return where its last line ends, and the documents."""
    line = text[at:end].rstrip("\r")
    keyed = line.startswith("\t")  # a key that is null, as kcat prints it
    if keyed or not line.strip().startswith(_STARTS):
        return _console(decoder, text, at, line, number)
    start = at + len(text[at:end]) - len(text[at:end].lstrip())
    if text.startswith("[", start):
        found = _array(decoder, text, start, number)
        if found is not None:
            return found
    try:
        body, stop = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return _console(decoder, text, at, line, number)
    last = _line_end(text, stop)
    if (rest := text[stop:last].strip().strip(",")) and last == end:
        # A key in quotes before the value, or two documents in a line.
        return _console(decoder, text, at, line, number)
    if rest:
        return end, [BadLine(number, "not JSON in UTF-8")]
    return last, [_Document(number, body)]


def _array(
    decoder: json.JSONDecoder, text: str, start: int, number: int
) -> tuple[int, list[_Document | BadLine]] | None:
    """Read an array of documents, with the line of each; ``None`` if it is none."""
    documents: list[_Document | BadLine] = []
    at, counted = start + 1, start
    blank = re.compile(r"[\s,]*")
    while True:
        at = blank.match(text, at).end()  # type: ignore[union-attr]
        if text.startswith("]", at):
            empty = BadLine(number, "an empty list")
            return _line_end(text, at), documents or [empty]
        try:
            body, stop = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        number += text.count("\n", counted, at)
        counted = at
        documents.append(_Document(number, body))
        at = stop


def _console(
    decoder: json.JSONDecoder, text: str, at: int, line: str, number: int
) -> tuple[int, list[_Document | BadLine]]:
    """Read a line of a console: fields before the value, between TABs; or a key before JSON."""
    fields = line.split("\t")
    recorded_at: datetime | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    while len(fields) > 1:
        if stamp := _STAMP.fullmatch(fields[0]):
            recorded_at = _moment(int(stamp[1])) if stamp[1] else None
        elif not (_PLACE.fullmatch(fields[0]) and (len(fields) > 2 or ":" in fields[0])):
            break
        del fields[0]
    if len(fields) > 1 and (fields[0] == _NO_HEADERS or (len(fields) > 2 and ":" in fields[0])):
        headers = _headers_of_console(fields.pop(0))
    key, value, doubtful = None, "\t".join(fields), False
    keyed = len(fields) > 1
    if keyed:
        key, value = fields[0], "\t".join(fields[1:])
    elif (found := _KEYED.fullmatch(value)) is not None:
        key, value, keyed = found[1], found[2], True
    else:
        doubtful = recorded_at is None and not headers
    stop = at + len(line)
    if value.startswith(("{", "[")):
        value, stop = _to_its_end(decoder, text, stop - len(value), stop)
    try:
        raw_value = None if value in _NULL else value.encode("utf-8", "surrogateescape")
        raw_key = None if key is None or key in _NULL else key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return stop, [BadLine(number, "a lone surrogate")]
    raw = _Raw(raw_key, keyed, raw_value, headers, recorded_at, doubtful)
    return _line_end(text, stop), [_Document(number, raw)]


def _to_its_end(decoder: json.JSONDecoder, text: str, start: int, end: int) -> tuple[str, int]:
    """The JSON that begins in a line, printed over several lines perhaps, and where it ends."""
    try:
        _, stop = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return text[start:end], end
    whole = stop > end and not text[stop : _line_end(text, stop)].strip()
    return (text[start:stop], stop) if whole else (text[start:end], end)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _headers_of_console(text: str) -> tuple[tuple[str, bytes], ...]:
    if text == _NO_HEADERS:
        return ()
    # A value may hold a comma or a colon; a name does not.
    parts = re.split(r",(?=[A-Za-z0-9_.-]+:)", text)
    pairs = (part.partition(":") for part in parts)
    return tuple((name, value.encode("utf-8", "surrogateescape")) for name, _, value in pairs)


def _moment(milliseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


class _Finder:
    """Makes records of documents: finds topic and key where the file does not tell them."""

    def __init__(self, settings: Settings, topic: str | None) -> None:
        self._settings = settings
        self._known = _topics(settings)
        self._foreign = adapters(settings)
        self._topic = topic

    def line(self, document: _Document) -> Line:
        number, body = document
        if isinstance(body, _Raw):
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
            _moment(stamp) if isinstance(stamp, int) and stamp >= 0 else None,
            keyed=True,
        )

    def _of_parts(self, number: int, body: Any) -> Line:
        whole = isinstance(body, dict) and "value" in body
        whole = whole and ("topic" in body or body.keys() <= _RECORD)
        record = body if whole else {"value": body}
        value = record["value"]
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
