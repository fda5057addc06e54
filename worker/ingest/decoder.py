"""Decodes a record into an event, or into the reason for its refusal.

Accepted are:

- CloudEvents in **binary mode**: ``ce_type`` must be the type of the topic and
  ``ce_specversion`` 1.x. ``ce_id`` and ``ce_source`` may be missing: the place in the log
  identifies a record.
- **Plain JSON** without any ``ce_`` header, read as the topic's own type.
- CloudEvents in **structured mode** (``application/cloudevents+json``, or without a content type),
  with ``data`` or ``data_base64``.
- Any of these inside what connectors wrap around it, see :mod:`worker.ingest.wrappings`.
- Any of these as JSON or Avro in the **wire format of Confluent**, see
  :mod:`worker.ingest.registry`.

A record with a key, and with neither value nor type, is a tombstone: it tells nothing.

The key names the order, plain or as JSON, as a struct of Connect or Avro, or as a number; or it is
ignored, by setting.

Header names are compared without case, and the prefix ``ce-`` is read as ``ce_``. A header may be
repeated with the same value only. If a JSON field is repeated, the last one counts. NaN and
Infinity are not JSON. A lone surrogate escape anywhere in the JSON is of class ``text``; raw bytes
that are not UTF-8 are ``not-json``.

A topic may carry another system's format. Our own events stand beside it: with a ``ce_type`` of
ours, or in structured mode. Another event in structured mode is read as the format of its data.

Of a record with a long key or many headers, neither is scanned: it is refused by their number.

If a record has several errors, the first in the order of the checks below gives the class.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, Final, NamedTuple, NoReturn, cast

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from schemas import events
from schemas.events import RefusalClass
from schemas.models import (
    DeadlineExtended,
    DeadlineHeld,
    DeadlineReleased,
    OrderCreated,
    OrderStatusChanged,
)
from worker.ingest import formats
from worker.ingest.broken_records import MAX_ORDER_IDS, ids_in_key, is_order_id, named_orders
from worker.ingest.formats import Adapter
from worker.ingest.formats.model import Facts, Salvaging
from worker.ingest.parse_errors import (
    MAX_MESSAGE,
    RefusalError,
    json_refusal,
    refuse_constants,
    validation_refusal,
)
from worker.ingest.registry.framing import (
    framed_key,
    framed_value,
    is_json,
    json_in_frame,
    named,
    names_schema,
)
from worker.ingest.registry.schemas import Schemas, SchemasMissing
from worker.ingest.wrappings import read_wrapped
from worker.records import LONGEST_KEY, MOST_HEADERS, NOT_INFLATED, Record, Refusal, timestamp_of
from worker.registry.wire import FRAME, SchemaId
from worker.settings import Settings

_JSON: Final = events.CONTENT_TYPE.encode()
_STRUCTURED: Final = events.STRUCTURED_CONTENT_TYPE.encode()
_CLOUD_EVENTS: Final = b"application/cloudevents"
_READ_HEADERS = frozenset({events.CE_TYPE, events.CE_SPECVERSION, events.CONTENT_TYPE_HEADER})
_CAPITAL_I, _CAPITAL_N = ord("I"), ord("N")  # of Infinity and NaN
# Publishers send the same few headers again and again; longer ones are not worth their memory.
_MAX_CACHED_ENVELOPES = 16
_MAX_CACHED_BYTES = 500
_OWN_TYPES = "marketplace.order."
_SPECVERSION_FIELD = b'"specversion"'
# Of a header's name, the part that is looked at. The names that are read are shorter.
_NAME_PREFIX = 64
_SPECVERSION = re.compile(r"1\.[0-9]{1,9}")

Event = OrderCreated | OrderStatusChanged | DeadlineExtended | DeadlineHeld | DeadlineReleased


class _EventType(NamedTuple):
    """One type of event that a topic carries."""

    type: str
    type_header: bytes
    validate: Callable[..., Event]


# The types of one topic; a record without a type is of the first.
_EventTypes = tuple[_EventType, ...]
_Headers = tuple[tuple[str, bytes], ...]
# Whether the mode is structured, and the types that the event may have.
_Envelope = tuple[bool, _EventTypes]


class _Anything:
    """Equal to everything."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _other: object) -> bool:
        return True


_ANYTHING: Any = _Anything()


_ORDERS = ((events.ORDER_CREATED, OrderCreated),)
_STATUSES = ((events.ORDER_STATUS_CHANGED, OrderStatusChanged),)
_CHANGES = (
    (events.DEADLINE_EXTENDED, DeadlineExtended),
    (events.DEADLINE_HELD, DeadlineHeld),
    (events.DEADLINE_RELEASED, DeadlineReleased),
)


class Decoder:
    """Decodes the records of the input topics.

    ``longest_wait`` is the longest window plus grace of any policy: an order with a deadline beyond
    the calendar is refused here, while the refusal can still name the field. A topic in
    ``adapters`` carries another system's format. ``aliases`` gives the other ids of an order.
    Changes of deadlines come with the status changes, or from ``deadline_changes_topic`` only.
    """

    def __init__(
        self,
        order_created_topic: str,
        order_status_changed_topic: str,
        max_record_bytes: int,
        max_clock_skew: timedelta,
        longest_wait: timedelta,
        adapters: Mapping[str, Adapter] | None = None,
        aliases: Callable[[str], Iterable[str]] | None = None,
        deadline_changes_topic: str | None = None,
        *,
        ignore_keys: bool = False,
        schemas: Schemas | None = None,
        without_schemas: str = "set PLAZO_SCHEMA_REGISTRY_URL",
    ) -> None:
        carries: dict[str, Any] = {
            order_created_topic: _ORDERS,
            order_status_changed_topic: _STATUSES,
        }
        if deadline_changes_topic is None:
            carries[order_status_changed_topic] += _CHANGES
        else:
            carries[deadline_changes_topic] = _CHANGES
        self._event_types: dict[str, _EventTypes] = {
            topic: tuple(
                _EventType(name, name.encode(), model.__pydantic_validator__.validate_json)
                for name, model in carried
            )
            for topic, carried in carries.items()
        }
        # By topic, headers that were checked already, the latest first.
        self._envelopes: dict[str, list[tuple[_Headers, _Envelope]]] = {
            topic: [] for topic in self._event_types
        }
        self._adapters = adapters or {}
        self._aliases = aliases
        self._ignore_keys = ignore_keys
        self._schemas = schemas
        self._without_schemas = without_schemas
        self.max_record_bytes = max_record_bytes
        self.max_clock_skew = max_clock_skew
        self.latest_entry = datetime.max.replace(tzinfo=UTC) - longest_wait

    @classmethod
    def of(
        cls, settings: Settings, longest_wait: timedelta, schemas: Schemas | None = None
    ) -> "Decoder":
        """Return the decoder for these settings."""
        return cls(
            settings.order_created_topic,
            settings.order_status_changed_topic,
            settings.max_record_bytes,
            settings.max_clock_skew,
            longest_wait,
            formats.adapters(settings),
            formats.aliases(settings),
            settings.deadline_changes_topic,
            ignore_keys=settings.keys == "ignore",
            schemas=schemas,
            without_schemas="only workers ask the schema registry"
            if settings.schema_registry_urls
            else "set PLAZO_SCHEMA_REGISTRY_URL",
        )

    def plain_topics(self) -> dict[str, bytes]:
        """Return the topics that carry our own format, with the header of their first type."""
        return {
            topic: carried[0].type_header
            for topic, carried in self._event_types.items()
            if carried[0].type in (events.ORDER_CREATED, events.ORDER_STATUS_CHANGED)
            and topic not in self._adapters
        }

    def missing_schemas(self, records: Iterable[Record]) -> set[SchemaId]:
        """Return the schemas to fetch before these records can be decoded."""
        return self._schemas.missing(records) if self._schemas else set()

    def decode(self, record: Record, now: datetime) -> Event | tuple[Event, ...] | Refusal:
        """Decode one record, as :meth:`read` does."""
        return self.read(record, now)[1]

    def read(
        self, record: Record, now: datetime
    ) -> tuple[Record, Event | tuple[Event, ...] | Refusal]:
        """Decode one record; no bytes make it raise. ``now`` must be timezone-aware.

        Returns the record as JSON as well, without the frame of a schema registry. A tombstone is
        no event at all; other tuples, of any number of events, come from adapters.

        Raises:
            SchemasMissing: some of :meth:`missing_schemas` are not known yet.
        """
        plain = record
        try:
            value = record.value
            if value is None:
                if _is_tombstone(record):
                    return record, ()
            # Only without a registry a header can wait until the value turns out to be no JSON.
            elif value[:1] == FRAME or (self._schemas and record.headers):
                plain = self._unframed(record)
            if self._adapters and (adapter := self._adapters.get(record.topic)):
                return plain, self._decode_foreign(adapter, plain, now)
            return plain, self._decode_event(plain, now)
        except RefusalError as refused:
            message = refused.message
            if refused.error == RefusalClass.NOT_JSON and (framed := framed_value(plain)):
                refused.error = RefusalClass.SCHEMA
                message = f"{named(framed.schema)}: {self._without_schemas}"
            orders = self.named_orders(plain)
            if plain is not record:
                orders = (*orders, *self.named_orders(record))
            orders = tuple(dict.fromkeys(orders))[:MAX_ORDER_IDS]
            return plain, Refusal(refused.error, message[:MAX_MESSAGE], orders)

    def named_orders(self, record: Record) -> tuple[str, ...]:
        """Return the orders that a record names, readable or not; a refusal shields each."""
        found = named_orders(record, self.max_record_bytes, self._aliases)
        in_key = [one for one in self._ids_in_avro_key(record) if one not in found]
        told = (self.facts(record) or {}).get("order_id")
        if not isinstance(told, str) or not is_order_id(told := told.strip()):
            return (*in_key, *found)[:MAX_ORDER_IDS]
        # The format knows which id is that of the order.
        return tuple(dict.fromkeys((told, *in_key, *found)))[:MAX_ORDER_IDS]

    def facts(self, record: Record) -> Facts | None:
        """Return what the format of a topic can read of a refused record.

        ``None`` if it is ours, or one that tells nothing.
        """
        adapter = self._adapters.get(record.topic)
        if not isinstance(adapter, Salvaging) or not record.value:
            return None
        if len(record.value) > self.max_record_bytes or len(record.headers) > MOST_HEADERS:
            return None
        mode, kind = _mode(record.headers)
        envelope = _foreign_envelope(mode, record.value)
        if kind.startswith(_OWN_TYPES) or str((envelope or {}).get("type")).startswith(_OWN_TYPES):
            return None
        data = (envelope or {}).get("data")
        return adapter.facts(record.value if data is None else to_json(data))

    def _unframed(self, record: Record) -> Record:
        """Return the record with JSON in the place of what a schema registry frames."""
        topic, partition, offset, timestamp, key, framed, headers = record
        if framed is None or len(framed) > self.max_record_bytes:
            return record
        # Most framed records take the short ways. A header that names a schema goes first.
        value = None
        if not headers or not names_schema(record):
            value = json_in_frame(framed)
            if value is None and self._schemas:
                value = self._schemas.to_json_at_once(framed)
        if value is None:
            found = framed_value(record)
            if found is None:
                return record
            if is_json(found.body):
                value = found.body
            elif self._schemas is None:
                _refuse(RefusalClass.SCHEMA, f"{named(found.schema)}: {self._without_schemas}")
            else:
                value = self._schemas.to_json(found)
        # _replace() takes three times as long.
        return Record(topic, partition, offset, timestamp, key, value, headers)

    def _ids_in_avro_key(self, record: Record) -> Iterator[str]:
        """Yield the texts and numbers of a key whose schema is known."""
        found = framed_key(record) if self._schemas else None
        if found is None or self._schemas is None or len(record.key or b"") > LONGEST_KEY:
            return
        try:
            told = from_json(self._schemas.to_json(found))
        except (ValueError, RefusalError, SchemasMissing):
            return  # its bytes are searched all the same
        yield from islice(_scalars(told), MAX_ORDER_IDS)

    def _decode_event(self, record: Record, now: datetime) -> Event:
        topic, _, _, _, key, value, headers = record
        event_types = self._event_types.get(topic)
        if event_types is None:
            _refuse(RefusalClass.UNKNOWN_TYPE, "topic: carries no input")
        if not key or len(key) > LONGEST_KEY:
            self._check_key_length(record)
        if not value or len(value) > self.max_record_bytes:
            value = self._checked_value(record)
        prefix = ""
        for pattern, envelope in self._envelopes[topic]:
            if headers == pattern:
                structured, event_types = envelope
                break
        else:
            structured, event_types = _cached(self._envelopes[topic], headers, event_types)
        event_type = event_types[0]
        if structured:
            value, event_type = _structured_data(value, event_types)
            prefix = "data."
        # Inline, to save the call. A search for a single byte is five times as fast.
        if _CAPITAL_I in value or (_CAPITAL_N in value and value.find(b"NaN") >= 0):
            refuse_constants(value)
        try:
            # Fields that nobody asked for are noted, for worker.ingest.bodies; inside an envelope
            # they are not, since the value is more than the event.
            event = (
                event_type.validate(value)
                if structured
                else event_type.validate(value, extra="allow")
            )
        except ValidationError as error:
            if structured:
                raise validation_refusal(error, value, prefix) from None
            event, prefix = _read_inside(value, event_type, event_types, error)
        if key != event.order_id.encode():
            self._check_key(record, event, f"{prefix}order_id")
        self._check_time(event, now, prefix)
        return event

    def _decode_foreign(
        self, adapter: Adapter, record: Record, now: datetime
    ) -> Event | tuple[Event, ...]:
        mode, kind = _mode(record.headers)
        if kind.startswith(_OWN_TYPES):
            return self._decode_event(record, now)
        if record.key and len(record.key) > LONGEST_KEY:
            self._check_key_length(record)
        value = self._checked_value(record)
        refuse_constants(value)
        envelope = _foreign_envelope(mode, value)
        if envelope is not None:
            if str(envelope.get("type")).startswith(_OWN_TYPES):
                return self._decode_event(record, now)
            if envelope.get("data") is not None:
                value = to_json(envelope["data"])

        def read(inner: bytes) -> tuple[Event, ...]:
            return adapter(inner, timestamp_of(record.timestamp))

        try:
            decoded = read(value)
        except ValidationError as error:
            decoded, _ = read_wrapped(value, read, error)
        for event in decoded:
            if record.key != event.order_id.encode():
                self._check_key(record, event, "the order's id")
            self._check_time(event, now, "")
        return decoded

    def _check_key_length(self, record: Record) -> None:
        if record.key:
            _refuse(RefusalClass.KEY_MISMATCH, f"key: more than {LONGEST_KEY} bytes")
        _refuse_not_inflated(record)
        if not self._ignore_keys:
            _refuse(RefusalClass.NO_KEY, "key: missing")

    def _check_key(self, record: Record, event: Event, wanted: str) -> None:
        if self._ignore_keys:
            return
        if not record.key:
            _refuse(RefusalClass.NO_KEY, "key: missing")
        if not self._names(record, record.key, event):
            _refuse(RefusalClass.KEY_MISMATCH, f"key: does not name {wanted}, see PLAZO_KEYS")

    def _names(self, record: Record, key: bytes, event: Event) -> bool:
        """Whether a key is the order's id in any encoding, or another id of the order."""
        for text in chain(ids_in_key(key), self._ids_in_avro_key(record)):
            trimmed = text.strip()
            if event.order_id == trimmed:
                return True
            if self._aliases and event.order_id in self._aliases(trimmed):
                return True
        return False

    def _checked_value(self, record: Record) -> bytes:
        value = record.value
        if not value:
            _refuse_not_inflated(record)
            _refuse(RefusalClass.EMPTY_VALUE, "value: missing")
        if len(value) > self.max_record_bytes:
            _refuse(RefusalClass.OVERSIZE, f"value: more than {self.max_record_bytes} bytes")
        return value

    def _check_time(self, event: Event, now: datetime, prefix: str) -> None:
        if type(event) is OrderCreated:
            field, moment = "entered_at", event.entered_at
            if moment > self.latest_entry:
                message = f"{prefix}entered_at: the deadline lies beyond the calendar"
                _refuse(RefusalClass.OUT_OF_RANGE, message)
        else:
            field, moment = "occurred_at", cast("OrderStatusChanged", event).occurred_at
            if type(event) is DeadlineExtended and event.due > self.latest_entry:
                _refuse(RefusalClass.OUT_OF_RANGE, f"{prefix}due: lies beyond the calendar")
        # A future `entered_at` would hide its deadline forever.
        if moment > now + self.max_clock_skew:
            _refuse(RefusalClass.FUTURE_TIME, f"{prefix}{field}: ahead of the clock")


def _read_inside(
    value: bytes, event_type: _EventType, event_types: _EventTypes, error: ValidationError
) -> tuple[Event, str]:
    """Read the event inside a value that is none itself; return the field that holds it as well."""
    envelope = _envelope(value)
    if envelope is None or not {"specversion", "type"} <= envelope.keys():
        return read_wrapped(value, event_type.validate, error)
    value, event_type = _structured_data(value, event_types)
    try:
        return event_type.validate(value), "data."
    except ValidationError as inside:
        raise validation_refusal(inside, value, "data.") from None


def _refuse(error: RefusalClass, message: str) -> NoReturn:
    raise RefusalError(error, message)


def _is_tombstone(record: Record) -> bool:
    """Whether a record has a key and no value, nor a type: an event that lost its value has one."""
    if not record.key or len(record.key) > LONGEST_KEY or record.headers == NOT_INFLATED:
        return False
    return not _mode(record.headers)[1]


def _scalars(told: Any) -> Iterator[str]:
    if isinstance(told, dict | list):
        for inner in told.values() if isinstance(told, dict) else told:
            yield from _scalars(inner)
    elif isinstance(told, str) or type(told) is int:
        yield str(told)


def _refuse_not_inflated(record: Record) -> None:
    # A publisher may write the same headers: its record is refused in any case.
    if record.headers == NOT_INFLATED:
        _refuse(RefusalClass.OVERSIZE, "batch: inflates to more than PLAZO_MAX_BATCH_BYTES")


def _refuse_type(field: str, kind: str) -> NoReturn:
    if kind in (name for name, _ in _CHANGES):
        _refuse(
            RefusalClass.UNKNOWN_TYPE,
            f"{field}: a change of a deadline; this topic carries none, see "
            "PLAZO_DEADLINE_CHANGES_TOPIC",
        )
    _refuse(RefusalClass.UNKNOWN_TYPE, f"{field}: not a type of this topic")


def _refuse_headers() -> NoReturn:
    _refuse(RefusalClass.ENVELOPE, f"headers: more than {MOST_HEADERS}")


# The envelope.


def _cached(
    cache: list[tuple[_Headers, _Envelope]], headers: _Headers, event_types: _EventTypes
) -> _Envelope:
    envelope = _check_headers(headers, event_types)
    pattern = tuple(
        (name, raw if _header_name(name) in _READ_HEADERS else _ANYTHING) for name, raw in headers
    )
    if sum(len(name) + len(raw or b"") for name, raw in headers) < _MAX_CACHED_BYTES:
        del cache[_MAX_CACHED_ENVELOPES - 1 :]
        cache.insert(0, (pattern, envelope))
    return envelope


def _header_name(name: str) -> str:
    lowered = name[:_NAME_PREFIX].lower()
    # HTTP and several libraries write a hyphen.
    return events.CE_PREFIX + lowered[3:] if lowered.startswith("ce-") else lowered


def _mode(headers: _Headers) -> tuple[bytes, str]:
    """The media type and the type of an event, each empty where the headers do not tell it."""
    if len(headers) > MOST_HEADERS:
        _refuse_headers()
    told = {_header_name(name): raw or b"" for name, raw in headers}
    kind = told.get(events.CE_TYPE, b"").decode("latin-1")
    return _media_type(told.get(events.CONTENT_TYPE_HEADER, b"")), kind


def _check_headers(headers: _Headers, event_types: _EventTypes) -> _Envelope:
    """Check the headers; return the content mode and the types that the event may have."""
    if len(headers) > MOST_HEADERS:
        _refuse_headers()
    read: dict[str, bytes] = {}
    cloud_event = False
    for name, raw in headers:
        lowered = _header_name(name)
        cloud_event = cloud_event or lowered.startswith(events.CE_PREFIX)
        # Kafka allows null as a header's value, though the client's types do not say so.
        if lowered in _READ_HEADERS and read.setdefault(lowered, raw or b"") != (raw or b""):
            _refuse(RefusalClass.ENVELOPE, f"{lowered}: given twice, with different values")
    media_type = _media_type(read.get(events.CONTENT_TYPE_HEADER, b""))
    if media_type not in (b"", _JSON, _STRUCTURED) and not _is_json(media_type):
        _refuse(RefusalClass.ENVELOPE, f"{events.CONTENT_TYPE_HEADER}: not JSON of one event")
    structured = media_type == _STRUCTURED
    if cloud_event:
        version, kind = read.get(events.CE_SPECVERSION), read.get(events.CE_TYPE)
        if version is not None or not structured:
            _check_specversion(events.CE_SPECVERSION, (version or b"").decode("latin-1"))
        if kind is not None:
            event_types = tuple(one for one in event_types if one.type_header == kind)
        if not event_types:
            _refuse_type(events.CE_TYPE, (kind or b"").decode("latin-1"))
        if kind is None and not structured:
            _refuse(RefusalClass.ENVELOPE, f"{events.CE_TYPE}: missing")
    return structured, event_types


def _media_type(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def _is_json(media_type: bytes) -> bool:
    """Whether it is a format that is JSON as well, and no CloudEvent."""
    return media_type.endswith(b"+json") and not media_type.startswith(_CLOUD_EVENTS)


def _check_specversion(field: str, version: object) -> None:
    if not isinstance(version, str) or _SPECVERSION.fullmatch(version) is None:
        _refuse(RefusalClass.ENVELOPE, f"{field}: not 1.x")


def _envelope(value: bytes) -> dict[str, Any] | None:
    try:
        found = from_json(value, allow_inf_nan=False)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _foreign_envelope(mode: bytes, value: bytes) -> dict[str, Any] | None:
    """The CloudEvent in structured mode that another system's record stands in."""
    if mode != _STRUCTURED and _SPECVERSION_FIELD not in value:
        return None
    envelope = _envelope(value)
    if envelope is None or mode == _STRUCTURED or {"type", "data"} <= envelope.keys():
        return envelope
    return None


def _structured_data(value: bytes, event_types: _EventTypes) -> tuple[bytes, _EventType]:
    """Return the data inside a structured envelope as JSON, and its type."""
    try:
        envelope = from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise json_refusal(str(error), value, "value") from None
    if not isinstance(envelope, dict):
        _refuse(RefusalClass.ENVELOPE, "value: not an object")
    _check_specversion("specversion", envelope.get("specversion"))
    if not isinstance(envelope.get("type"), str):
        _refuse(RefusalClass.ENVELOPE, "type: missing")
    event_type = next((one for one in event_types if one.type == envelope["type"]), None)
    if event_type is None:
        _refuse_type("type", envelope["type"])
    content_type = envelope.get("datacontenttype") or events.CONTENT_TYPE
    if not isinstance(content_type, str) or _media_type(content_type.encode()) != _JSON:
        _refuse(RefusalClass.ENVELOPE, "datacontenttype: not application/json")
    data, encoded = envelope.get("data"), envelope.get("data_base64")
    if data is not None and encoded is not None:
        _refuse(RefusalClass.ENVELOPE, "data: given twice, also as data_base64")
    if encoded is not None:
        try:
            data_bytes = base64.b64decode(encoded, validate=True)
        except (ValueError, TypeError):
            message = "data_base64: not Base64"
            raise RefusalError(RefusalClass.ENVELOPE, message) from None
        if not data_bytes:
            _refuse(RefusalClass.EMPTY_VALUE, "data_base64: empty")
        return data_bytes, event_type
    if data is None:
        _refuse(RefusalClass.EMPTY_VALUE, "data: missing")
    return to_json(data), event_type
