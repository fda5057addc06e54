"""From a record's bytes to an event, or to the reason why there is none.

What is accepted:

- CloudEvents in **binary mode**: ``ce_type`` must be the type of the topic and
  ``ce_specversion`` 1.x. ``ce_id`` and ``ce_source`` may be missing: a record is known by its
  place in the log, so nothing rests on them.
- **Plain JSON** without any ``ce_`` header, read as the topic's own type.
- CloudEvents in **structured mode** (``application/cloudevents+json``), with ``data`` or
  ``data_base64``.

Names of headers are compared without case. A header may be repeated, but not with another value.
Of a JSON field given twice the last one counts. NaN and Infinity are not JSON. A lone surrogate
escape anywhere in the JSON is class ``text``; raw bytes that are not UTF-8 are ``not-json``.

Of several faults in one record the first, in the order of the checks below, names the class.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, NoReturn, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from schemas import events, types
from schemas.models import (
    DeadlineExtended,
    DeadlineHeld,
    DeadlineReleased,
    OrderCreated,
    OrderStatusChanged,
)
from worker.ingest.formats import ADAPTERS, Adapter
from worker.records import Record, RefusalClass, Refused
from worker.settings import Settings

MAX_MESSAGE: Final = 300
# A record is about one order; one that names more is broken, and may not grow without limit.
MAX_ORDER_IDS: Final = 64

_JSON: Final = events.CONTENT_TYPE.encode()
_STRUCTURED: Final = events.STRUCTURED_CONTENT_TYPE.encode()
_READ_HEADERS = frozenset({events.CE_TYPE, events.CE_SPECVERSION, events.CONTENT_TYPE_HEADER})
_CAPITAL_I = ord("I")  # of Infinity
_USUAL_LENGTH = 500
_MOST_ENVELOPES = 16
_SPECVERSION = re.compile(r"1\.[0-9]{1,9}")
_POSITION = re.compile(r" at (line [0-9]+ column [0-9]+)$")
_ID_NAMES = ("order_id", "orderId", "OrderId")
_ID_IN_TEXT = re.compile(
    r'"(?:order_id|orderId|OrderId)"\s*:\s*(?:"((?:[^"\\]|\\.){1,1200})"|([0-9]{1,200}))'
)
_BASE64_IN_TEXT = re.compile(r'"data_base64"\s*:\s*"([^"]*)"')

_CLASS_OF_ERROR = {
    types.TIME_FORMAT: RefusalClass.TIME,
    types.TIME_OUT_OF_RANGE: RefusalClass.OUT_OF_RANGE,
    types.MONEY_OUT_OF_RANGE: RefusalClass.OUT_OF_RANGE,
    "greater_than_equal": RefusalClass.OUT_OF_RANGE,
    "less_than_equal": RefusalClass.OUT_OF_RANGE,
    "int_parsing_size": RefusalClass.OUT_OF_RANGE,
    "string_unicode": RefusalClass.TEXT,
}

Event = OrderCreated | OrderStatusChanged | DeadlineExtended | DeadlineHeld | DeadlineReleased


class _Contract(NamedTuple):
    """One type of event that a topic carries."""

    type: str
    type_header: bytes
    validate: Callable[[bytes], Event]


# Those of one topic; a record that tells no type is of the first.
_Contracts = tuple[_Contract, ...]
_Headers = tuple[tuple[str, bytes], ...]
# Whether the value holds the envelope too, and what it may be.
_Envelope = tuple[bool, _Contracts]


class _Whatever:
    """Equal to everything."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _other: object) -> bool:
        return True


_WHATEVER: Any = _Whatever()


_ORDERS = ((events.ORDER_CREATED, OrderCreated),)
_STATUSES = (
    (events.ORDER_STATUS_CHANGED, OrderStatusChanged),
    (events.DEADLINE_EXTENDED, DeadlineExtended),
    (events.DEADLINE_HELD, DeadlineHeld),
    (events.DEADLINE_RELEASED, DeadlineReleased),
)


class _RefusedError(Exception):
    def __init__(self, error: RefusalClass, message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message


class Codec:
    """Decodes the records of the two input topics.

    ``longest_wait`` is the longest window and grace of any policy: an order whose deadline lies
    beyond the calendar is refused here, where it still has a name for it. A topic with one of the
    ``adapters`` carries another system's format, and no envelope.
    """

    def __init__(
        self,
        order_created_topic: str,
        order_status_changed_topic: str,
        max_record_bytes: int,
        max_clock_skew: timedelta,
        longest_wait: timedelta,
        adapters: Mapping[str, Adapter] | None = None,
    ) -> None:
        self._contracts: dict[str, _Contracts] = {
            topic: tuple(
                _Contract(name, name.encode(), model.__pydantic_validator__.validate_json)
                for name, model in carried
            )
            for topic, carried in (
                (order_created_topic, _ORDERS),
                (order_status_changed_topic, _STATUSES),
            )
        }
        # By topic, what was made of headers: publishers write the same few again and again.
        self._envelopes: dict[str, list[tuple[_Headers, _Envelope]]] = {
            topic: [] for topic in self._contracts
        }
        self._adapters = adapters or {}
        self._max_record_bytes = max_record_bytes
        self._max_clock_skew = max_clock_skew
        self._latest_entry = datetime.max.replace(tzinfo=UTC) - longest_wait

    @classmethod
    def of(cls, settings: Settings, longest_wait: timedelta) -> "Codec":
        """The codec that the settings ask for."""
        return cls(
            settings.order_created_topic,
            settings.order_status_changed_topic,
            settings.max_record_bytes,
            settings.max_clock_skew,
            longest_wait,
            {topic: ADAPTERS[name] for topic, name in settings.foreign_formats.items()},
        )

    def decode(self, record: Record, now: datetime) -> Event | tuple[Event, ...] | Refused:
        """Read one record. Raises for no bytes whatever; ``now`` must be aware.

        Only adapters tell of several events, or of none.
        """
        try:
            if self._adapters and (adapter := self._adapters.get(record.topic)):
                return self._adapt(adapter, record, now)
            return self._read(record, now)
        except _RefusedError as refused:
            message = refused.message[:MAX_MESSAGE]
            return Refused(refused.error, message, self.named_orders(record))

    def named_orders(self, record: Record) -> tuple[str, ...]:
        """Every order that a record names, readable or not, by its key or in its body.

        Each must be shielded when the record is refused, so this looks hard.
        """
        found: dict[str, None] = {}
        for candidate in _candidates(record, self._max_record_bytes):
            if _is_order_id(candidate):
                found[candidate] = None
                if len(found) == MAX_ORDER_IDS:
                    break
        return tuple(found)

    def _read(self, record: Record, now: datetime) -> Event:
        topic, _, _, _, key, value, headers = record
        contracts = self._contracts.get(topic)
        if contracts is None:
            _refuse(RefusalClass.UNKNOWN_TYPE, "topic: carries no input")
        if not key:
            _refuse(RefusalClass.NO_KEY, "key: missing")
        if not value or len(value) > self._max_record_bytes:
            value = self._value(record)
        where = ""
        for like, envelope in self._envelopes[topic]:
            if headers == like:
                structured, contracts = envelope
                break
        else:
            structured, contracts = _remembered(self._envelopes[topic], headers, contracts)
        contract = contracts[0]
        if structured:
            value, contract = _data(value, contracts)
            where = "data."
        # A single byte is looked for five times as fast; here, to spare the call.
        if _CAPITAL_I in value or value.find(b"NaN") >= 0:
            _refuse_constants(value)
        try:
            event = contract.validate(value)
        except ValidationError as error:
            raise _from_validation(error, value, where) from None
        if key != event.order_id.encode():
            _refuse(RefusalClass.KEY_MISMATCH, f"key: not {where}order_id in UTF-8")
        self._check_time(event, now, where)
        return event

    def _adapt(self, adapter: Adapter, record: Record, now: datetime) -> tuple[Event, ...]:
        value = self._value(record)
        _refuse_constants(value)
        recorded_at = datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC)
        try:
            told = adapter(value, recorded_at)
        except ValidationError as error:
            raise _from_validation(error, value, "") from None
        for event in told:
            if not record.key:
                _refuse(RefusalClass.NO_KEY, "key: missing")
            if record.key != event.order_id.encode():
                _refuse(RefusalClass.KEY_MISMATCH, "key: not the order's id in UTF-8")
            self._check_time(event, now, "")
        return told

    def _value(self, record: Record) -> bytes:
        value = record.value
        if not value:
            _refuse(RefusalClass.EMPTY_VALUE, "value: missing")
        if len(value) > self._max_record_bytes:
            _refuse(RefusalClass.OVERSIZE, f"value: more than {self._max_record_bytes} bytes")
        return value

    def _check_time(self, event: Event, now: datetime, where: str) -> None:
        if type(event) is OrderCreated:
            field, moment = "entered_at", event.entered_at
            if moment > self._latest_entry:
                message = f"{where}entered_at: the deadline lies beyond the calendar"
                _refuse(RefusalClass.OUT_OF_RANGE, message)
        else:
            field, moment = "occurred_at", cast("OrderStatusChanged", event).occurred_at
            if type(event) is DeadlineExtended and event.due > self._latest_entry:
                _refuse(RefusalClass.OUT_OF_RANGE, f"{where}due: lies beyond the calendar")
        # A future `entered_at` would hide its deadline for ever.
        if moment > now + self._max_clock_skew:
            _refuse(RefusalClass.FUTURE_TIME, f"{where}{field}: ahead of the clock")


def _refuse(error: RefusalClass, message: str) -> NoReturn:
    raise _RefusedError(error, message)


# The envelope.


def _remembered(
    known: list[tuple[_Headers, _Envelope]], headers: _Headers, contracts: _Contracts
) -> _Envelope:
    envelope = _envelope(headers, contracts)
    like = tuple(
        (name, raw if name.lower() in _READ_HEADERS else _WHATEVER) for name, raw in headers
    )
    # What is longer is not worth its memory.
    if sum(len(name) + len(raw or b"") for name, raw in headers) < _USUAL_LENGTH:
        del known[_MOST_ENVELOPES - 1 :]
        known.insert(0, (like, envelope))
    return envelope


def _envelope(headers: _Headers, contracts: _Contracts) -> _Envelope:
    """Check the headers: whether the value holds the envelope too, and what it may be."""
    found: dict[str, bytes] = {}
    cloud_event = False
    for name, raw in headers:
        lowered = name.lower()
        cloud_event = cloud_event or lowered.startswith(events.CE_PREFIX)
        # Kafka allows null for a header's value, whatever the client's types say.
        if lowered in _READ_HEADERS and found.setdefault(lowered, raw or b"") != (raw or b""):
            _refuse(RefusalClass.ENVELOPE, f"{lowered}: given twice, with different values")
    media_type = _media_type(found.get(events.CONTENT_TYPE_HEADER, b""))
    if media_type not in (b"", _JSON, _STRUCTURED):
        _refuse(RefusalClass.ENVELOPE, f"{events.CONTENT_TYPE_HEADER}: not JSON of one event")
    structured = media_type == _STRUCTURED
    if cloud_event:
        version, kind = found.get(events.CE_SPECVERSION), found.get(events.CE_TYPE)
        if version is not None or not structured:
            _check_specversion(events.CE_SPECVERSION, (version or b"").decode("latin-1"))
        if kind is not None:
            contracts = tuple(one for one in contracts if one.type_header == kind)
        if not contracts:
            _refuse(RefusalClass.UNKNOWN_TYPE, f"{events.CE_TYPE}: not a type of this topic")
        if kind is None and not structured:
            _refuse(RefusalClass.ENVELOPE, f"{events.CE_TYPE}: missing")
    return structured, contracts


def _media_type(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def _check_specversion(where: str, version: object) -> None:
    if not isinstance(version, str) or _SPECVERSION.fullmatch(version) is None:
        _refuse(RefusalClass.ENVELOPE, f"{where}: not 1.x")


def _data(value: bytes, contracts: _Contracts) -> tuple[bytes, _Contract]:
    """The data inside a structured envelope, as JSON again, and what it is."""
    try:
        envelope = from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise _from_json(str(error), value, "value") from None
    if not isinstance(envelope, dict):
        _refuse(RefusalClass.ENVELOPE, "value: not an object")
    _check_specversion("specversion", envelope.get("specversion"))
    if not isinstance(envelope.get("type"), str):
        _refuse(RefusalClass.ENVELOPE, "type: missing")
    contract = next((one for one in contracts if one.type == envelope["type"]), None)
    if contract is None:
        _refuse(RefusalClass.UNKNOWN_TYPE, "type: not a type of this topic")
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
            raise _RefusedError(RefusalClass.ENVELOPE, message) from None
        if not data_bytes:
            _refuse(RefusalClass.EMPTY_VALUE, "data_base64: empty")
        return data_bytes, contract
    if data is None:
        _refuse(RefusalClass.EMPTY_VALUE, "data: missing")
    return to_json(data), contract


# Faults.


class _ConstantError(Exception):
    """NaN or Infinity stands in the JSON."""


def _refuse_constants(value: bytes) -> None:
    """The models' parser lets NaN and Infinity pass in fields it does not know."""
    if b"NaN" not in value and b"Infinity" not in value:
        return
    try:
        json.loads(value, parse_constant=_raise_constant, parse_int=str, parse_float=str)
    except _ConstantError:
        _refuse(RefusalClass.NOT_JSON, "value: NaN or Infinity")
    except (ValueError, RecursionError):
        return  # broken otherwise: the models' parser says how


def _raise_constant(_name: str) -> NoReturn:
    raise _ConstantError


def _from_validation(error: ValidationError, value: bytes, where: str) -> _RefusedError:
    # Never `str(error)` nor a message: they may print input, and so personal data.
    faults = error.errors(include_url=False, include_input=False)
    first = faults[0]
    if first["type"] == "json_invalid":
        return _from_json(str(first.get("ctx", {}).get("error", "")), value, where + "value")
    return _RefusedError(_class_of(first), "; ".join(_described(faults, where)))


def _class_of(fault: ErrorDetails) -> RefusalClass:
    if fault["type"] == "string_pattern_mismatch" and fault["ctx"]["pattern"] == types.NO_NUL:
        return RefusalClass.TEXT
    return _CLASS_OF_ERROR.get(fault["type"], RefusalClass.INVALID)


def _described(faults: list[ErrorDetails], where: str) -> Iterator[str]:
    # Unknown fields are ignored, so that a location can only hold names from the models.
    for fault in faults[:MAX_MESSAGE]:
        yield f"{where}{'.'.join(map(str, fault['loc'])) or 'value'}: {fault['type']}"


def _from_json(fault: str, value: bytes, where: str) -> _RefusedError:
    """``fault`` is the parser's: it says what and at which position, in words of its own."""
    position = _POSITION.search(fault)
    at = f" at {position[1]}" if position else ""
    if ("hex escape" in fault or "surrogate" in fault) and _parses(value):
        return _RefusedError(RefusalClass.TEXT, f"{where}: lone surrogate{at}")
    if "number out of range" in fault:
        return _RefusedError(RefusalClass.OUT_OF_RANGE, f"{where}: number too long{at}")
    return _RefusedError(RefusalClass.NOT_JSON, f"{where}: not JSON in UTF-8{at}")


def _parses(value: bytes) -> bool:
    """Whether a parser that allows lone surrogates can read it."""
    try:
        json.loads(value.decode(), parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


# The orders a broken record names.


def _candidates(record: Record, limit: int) -> Iterator[str]:
    if record.key:
        yield record.key.decode("utf-8", "surrogateescape")
    if record.value:
        # What is oversize is not parsed, only searched, and not beyond the limit.
        yield from _named_in(record.value[:limit], parse=len(record.value) <= limit)


def _named_in(body: bytes, *, parse: bool, within: bool = False) -> Iterator[str]:
    """Whatever stands under an order id's name at any depth, in readable JSON or in its ruins."""
    encoding = json.detect_encoding(body)
    # Bytes that are not UTF-8 become surrogates, and the name that holds them no order id.
    text = body.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")
    named: list[str] = []
    encoded: list[str] = []
    if parse and _gather(text, named, encoded) and (named or encoded):
        yield from named
    else:
        # Broken, or JSON inside a string.
        for ruin in (text, text.replace('\\"', '"')):
            yield from map(_unescaped, _ID_IN_TEXT.finditer(ruin))
            encoded += _BASE64_IN_TEXT.findall(ruin)
    if not within:
        for data in list(dict.fromkeys(encoded))[:MAX_ORDER_IDS]:
            yield from _named_in(_decoded(data), parse=parse, within=True)


def _gather(text: str, named: list[str], encoded: list[str]) -> bool:
    """Parse leniently, and keep nothing but what stands under the two names."""

    def keep(pairs: list[tuple[str, Any]]) -> None:
        for name, value in pairs:
            if isinstance(value, str) and name in (*_ID_NAMES, "data_base64"):
                (encoded if name == "data_base64" else named).append(value)

    try:
        json.loads(text, strict=False, parse_int=str, parse_float=str, object_pairs_hook=keep)
    except (ValueError, RecursionError):
        return False
    return True


def _unescaped(found: re.Match[str]) -> str:
    raw: str = found[1] or found[2]
    try:
        return str(json.loads(f'"{raw}"', strict=False))
    except ValueError:
        return raw


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data.replace("\\/", "/") + "==")
    except ValueError:
        return b""


def _is_order_id(candidate: str) -> bool:
    try:
        candidate.encode()
    except UnicodeEncodeError:
        return False
    return 1 <= len(candidate) <= 200 and "\0" not in candidate
