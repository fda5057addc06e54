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

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from schemas import events
from schemas.events import RefusalClass
from schemas.models import DeadlineExtended, OrderCreated, OrderStatusChanged
from worker.ingest import formats
from worker.ingest.broken_records import MAX_ORDER_IDS, ids_in_key, is_order_id, named_orders
from worker.ingest.envelope import (
    CHANGES,
    ORDERS,
    STATUSES,
    Envelopes,
    Event,
    EventType,
    EventTypes,
    foreign_envelope,
    mode_and_type,
    parsed_envelope,
    structured_data,
)
from worker.ingest.formats import Adapter
from worker.ingest.formats.model import Facts, Salvaging
from worker.ingest.parse_errors import (
    MAX_MESSAGE,
    RefusalError,
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

_CAPITAL_I, _CAPITAL_N = ord("I"), ord("N")  # of Infinity and NaN
_OWN_TYPES = "marketplace.order."


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
            order_created_topic: ORDERS,
            order_status_changed_topic: STATUSES,
        }
        if deadline_changes_topic is None:
            carries[order_status_changed_topic] += CHANGES
        else:
            carries[deadline_changes_topic] = CHANGES
        self._envelopes = {topic: Envelopes(carried) for topic, carried in carries.items()}
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
            topic: first.type_header
            for topic, envelopes in self._envelopes.items()
            for first in envelopes.event_types[:1]
            if first.type in (events.ORDER_CREATED, events.ORDER_STATUS_CHANGED)
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
        mode, kind = mode_and_type(record.headers)
        envelope = foreign_envelope(mode, record.value)
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
                raise RefusalError(
                    RefusalClass.SCHEMA, f"{named(found.schema)}: {self._without_schemas}"
                )
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
        envelopes = self._envelopes.get(topic)
        if envelopes is None:
            raise RefusalError(RefusalClass.UNKNOWN_TYPE, "topic: carries no input")
        if not key or len(key) > LONGEST_KEY:
            self._check_key_length(record)
        if not value or len(value) > self.max_record_bytes:
            value = self._checked_value(record)
        prefix = ""
        structured, event_types = envelopes.of(headers)
        event_type = event_types[0]
        if structured:
            value, event_type = structured_data(value, event_types)
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
        mode, kind = mode_and_type(record.headers)
        if kind.startswith(_OWN_TYPES):
            return self._decode_event(record, now)
        if record.key and len(record.key) > LONGEST_KEY:
            self._check_key_length(record)
        value = self._checked_value(record)
        refuse_constants(value)
        envelope = foreign_envelope(mode, value)
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
            raise RefusalError(RefusalClass.KEY_MISMATCH, f"key: more than {LONGEST_KEY} bytes")
        _refuse_not_inflated(record)
        if not self._ignore_keys:
            raise RefusalError(RefusalClass.NO_KEY, "key: missing")

    def _check_key(self, record: Record, event: Event, wanted: str) -> None:
        if self._ignore_keys:
            return
        if not record.key:
            raise RefusalError(RefusalClass.NO_KEY, "key: missing")
        if not self._names(record, record.key, event):
            raise RefusalError(
                RefusalClass.KEY_MISMATCH, f"key: does not name {wanted}, see PLAZO_KEYS"
            )

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
            raise RefusalError(RefusalClass.EMPTY_VALUE, "value: missing")
        if len(value) > self.max_record_bytes:
            raise RefusalError(
                RefusalClass.OVERSIZE, f"value: more than {self.max_record_bytes} bytes"
            )
        return value

    def _check_time(self, event: Event, now: datetime, prefix: str) -> None:
        if type(event) is OrderCreated:
            field, moment = "entered_at", event.entered_at
            if moment > self.latest_entry:
                message = f"{prefix}entered_at: the deadline lies beyond the calendar"
                raise RefusalError(RefusalClass.OUT_OF_RANGE, message)
        else:
            field, moment = "occurred_at", cast("OrderStatusChanged", event).occurred_at
            if type(event) is DeadlineExtended and event.due > self.latest_entry:
                raise RefusalError(
                    RefusalClass.OUT_OF_RANGE, f"{prefix}due: lies beyond the calendar"
                )
        # A future `entered_at` would hide its deadline forever.
        if moment > now + self.max_clock_skew:
            raise RefusalError(RefusalClass.FUTURE_TIME, f"{prefix}{field}: ahead of the clock")


def _read_inside(
    value: bytes, event_type: EventType, event_types: EventTypes, error: ValidationError
) -> tuple[Event, str]:
    """Read the event inside a value that is none itself; return the field that holds it as well."""
    envelope = parsed_envelope(value)
    if envelope is None or not {"specversion", "type"} <= envelope.keys():
        return read_wrapped(value, event_type.validate, error)
    value, event_type = structured_data(value, event_types)
    try:
        return event_type.validate(value), "data."
    except ValidationError as inside:
        raise validation_refusal(inside, value, "data.") from None


def _is_tombstone(record: Record) -> bool:
    """Whether a record has a key and no value, nor a type: an event that lost its value has one."""
    if not record.key or len(record.key) > LONGEST_KEY or record.headers == NOT_INFLATED:
        return False
    return not mode_and_type(record.headers)[1]


def _scalars(told: Any) -> Iterator[str]:
    if isinstance(told, dict | list):
        for inner in told.values() if isinstance(told, dict) else told:
            yield from _scalars(inner)
    elif isinstance(told, str) or type(told) is int:
        yield str(told)


def _refuse_not_inflated(record: Record) -> None:
    # A publisher may write the same headers: its record is refused in any case.
    if record.headers == NOT_INFLATED:
        raise RefusalError(
            RefusalClass.OVERSIZE, "batch: inflates to more than PLAZO_MAX_BATCH_BYTES"
        )
