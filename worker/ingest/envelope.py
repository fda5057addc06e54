"""The envelope of an event: its content mode and its type, by its headers or around its data.

By the binding of CloudEvents 1.0 to Kafka. :mod:`worker.ingest.decoder` lists what is accepted.
"""

import base64
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, NoReturn

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
from worker.ingest.parse_errors import RefusalError, json_refusal
from worker.records import MOST_HEADERS

_JSON: Final = events.CONTENT_TYPE.encode()
_STRUCTURED: Final = events.STRUCTURED_CONTENT_TYPE.encode()
_CLOUD_EVENTS: Final = b"application/cloudevents"
_READ_HEADERS = frozenset({events.CE_TYPE, events.CE_SPECVERSION, events.CONTENT_TYPE_HEADER})
# Publishers send the same few headers again and again; longer ones are not worth their memory.
MAX_CACHED_ENVELOPES = 16
_MAX_CACHED_BYTES = 500
_SPECVERSION_FIELD = b'"specversion"'
# Of a header's name, the part that is looked at. The names that are read are shorter.
_NAME_PREFIX = 64
_SPECVERSION = re.compile(r"1\.[0-9]{1,9}")
_TOO_MANY = f"headers: more than {MOST_HEADERS}"

Event = OrderCreated | OrderStatusChanged | DeadlineExtended | DeadlineHeld | DeadlineReleased


class EventType(NamedTuple):
    """One type of event that a topic carries."""

    type: str
    type_header: bytes
    validate: Callable[..., Event]


# The types of one topic; a record without a type is of the first.
EventTypes = tuple[EventType, ...]
_Headers = tuple[tuple[str, bytes], ...]
# Whether the mode is structured, and the types that the event may have.
_Envelope = tuple[bool, EventTypes]


class _Anything:
    """Equal to everything."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _other: object) -> bool:
        return True


_ANYTHING: Any = _Anything()


ORDERS = ((events.ORDER_CREATED, OrderCreated),)
STATUSES = ((events.ORDER_STATUS_CHANGED, OrderStatusChanged),)
CHANGES = (
    (events.DEADLINE_EXTENDED, DeadlineExtended),
    (events.DEADLINE_HELD, DeadlineHeld),
    (events.DEADLINE_RELEASED, DeadlineReleased),
)


class Envelopes:
    """The envelopes of one topic, which carries these types of events.

    The headers seen last are kept, since publishers send the same few again and again.
    """

    def __init__(self, carried: Iterable[tuple[str, Any]]) -> None:
        self.event_types: EventTypes = tuple(
            EventType(name, name.encode(), model.__pydantic_validator__.validate_json)
            for name, model in carried
        )
        # The latest first.
        self.known: list[tuple[_Headers, _Envelope]] = []

    def of(self, headers: _Headers) -> _Envelope:
        """Return the envelope that these headers tell.

        Raises:
            RefusalError: they tell none of this topic.
        """
        for pattern, envelope in self.known:
            if headers == pattern:
                return envelope
        envelope = _check_headers(headers, self.event_types)
        if sum(len(name) + len(raw or b"") for name, raw in headers) < _MAX_CACHED_BYTES:
            pattern = tuple(
                (name, raw if _header_name(name) in _READ_HEADERS else _ANYTHING)
                for name, raw in headers
            )
            del self.known[MAX_CACHED_ENVELOPES - 1 :]
            self.known.insert(0, (pattern, envelope))
        return envelope


def _header_name(name: str) -> str:
    lowered = name[:_NAME_PREFIX].lower()
    # HTTP and several libraries write a hyphen.
    return events.CE_PREFIX + lowered[3:] if lowered.startswith("ce-") else lowered


def mode_and_type(headers: _Headers) -> tuple[bytes, str]:
    """The media type and the type of an event, each empty where the headers do not tell it."""
    if len(headers) > MOST_HEADERS:
        raise RefusalError(RefusalClass.ENVELOPE, _TOO_MANY)
    told = {_header_name(name): raw or b"" for name, raw in headers}
    kind = told.get(events.CE_TYPE, b"").decode("latin-1")
    return _media_type(told.get(events.CONTENT_TYPE_HEADER, b"")), kind


def _check_headers(headers: _Headers, event_types: EventTypes) -> _Envelope:
    """Check the headers; return the content mode and the types that the event may have."""
    if len(headers) > MOST_HEADERS:
        raise RefusalError(RefusalClass.ENVELOPE, _TOO_MANY)
    read: dict[str, bytes] = {}
    cloud_event = False
    for name, raw in headers:
        lowered = _header_name(name)
        cloud_event = cloud_event or lowered.startswith(events.CE_PREFIX)
        # Kafka allows null as a header's value, though the client's types do not say so.
        if lowered in _READ_HEADERS and read.setdefault(lowered, raw or b"") != (raw or b""):
            raise RefusalError(
                RefusalClass.ENVELOPE, f"{lowered}: given twice, with different values"
            )
    media_type = _media_type(read.get(events.CONTENT_TYPE_HEADER, b""))
    if media_type not in (b"", _JSON, _STRUCTURED) and not _is_json(media_type):
        raise RefusalError(
            RefusalClass.ENVELOPE, f"{events.CONTENT_TYPE_HEADER}: not JSON of one event"
        )
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
            raise RefusalError(RefusalClass.ENVELOPE, f"{events.CE_TYPE}: missing")
    return structured, event_types


def _media_type(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def _is_json(media_type: bytes) -> bool:
    """Whether it is a format that is JSON as well, and no CloudEvent."""
    return media_type.endswith(b"+json") and not media_type.startswith(_CLOUD_EVENTS)


def _check_specversion(field: str, version: object) -> None:
    if not isinstance(version, str) or _SPECVERSION.fullmatch(version) is None:
        raise RefusalError(RefusalClass.ENVELOPE, f"{field}: not 1.x")


def parsed_envelope(value: bytes) -> dict[str, Any] | None:
    """The object that a value is; ``None`` if it is none."""
    try:
        found = from_json(value, allow_inf_nan=False)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def foreign_envelope(mode: bytes, value: bytes) -> dict[str, Any] | None:
    """The CloudEvent in structured mode that another system's record stands in."""
    if mode != _STRUCTURED and _SPECVERSION_FIELD not in value:
        return None
    envelope = parsed_envelope(value)
    if envelope is None or mode == _STRUCTURED or {"type", "data"} <= envelope.keys():
        return envelope
    return None


def structured_data(value: bytes, event_types: EventTypes) -> tuple[bytes, EventType]:
    """Return the data inside a structured envelope as JSON, and its type."""
    try:
        envelope = from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise json_refusal(str(error), value, "value") from None
    if not isinstance(envelope, dict):
        raise RefusalError(RefusalClass.ENVELOPE, "value: not an object")
    _check_specversion("specversion", envelope.get("specversion"))
    if not isinstance(envelope.get("type"), str):
        raise RefusalError(RefusalClass.ENVELOPE, "type: missing")
    event_type = next((one for one in event_types if one.type == envelope["type"]), None)
    if event_type is None:
        _refuse_type("type", envelope["type"])
    content_type = envelope.get("datacontenttype") or events.CONTENT_TYPE
    if not isinstance(content_type, str) or _media_type(content_type.encode()) != _JSON:
        raise RefusalError(RefusalClass.ENVELOPE, "datacontenttype: not application/json")
    data, encoded = envelope.get("data"), envelope.get("data_base64")
    if data is not None and encoded is not None:
        raise RefusalError(RefusalClass.ENVELOPE, "data: given twice, also as data_base64")
    if encoded is not None:
        try:
            data_bytes = base64.b64decode(encoded, validate=True)
        except (ValueError, TypeError):
            message = "data_base64: not Base64"
            raise RefusalError(RefusalClass.ENVELOPE, message) from None
        if not data_bytes:
            raise RefusalError(RefusalClass.EMPTY_VALUE, "data_base64: empty")
        return data_bytes, event_type
    if data is None:
        raise RefusalError(RefusalClass.EMPTY_VALUE, "data: missing")
    return to_json(data), event_type


def _refuse_type(field: str, kind: str) -> NoReturn:
    if kind in (name for name, _ in CHANGES):
        raise RefusalError(
            RefusalClass.UNKNOWN_TYPE,
            f"{field}: a change of a deadline; this topic carries none, see "
            "PLAZO_DEADLINE_CHANGES_TOPIC",
        )
    raise RefusalError(RefusalClass.UNKNOWN_TYPE, f"{field}: not a type of this topic")
