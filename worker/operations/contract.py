"""Reads records as the worker would, before a publisher sends them.

Nothing that is reported quotes a value, but the words of unknown statuses.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

from pydantic_core import from_json

from schemas.events import DEADLINE_EXTENDED
from schemas.models import Dispute, OrderCreated, OrderStatusChanged, Validation
from schemas.statuses import nearest, normalise
from worker.domain.case import Reason
from worker.domain.policy import Policies
from worker.ingest import formats
from worker.ingest.broken_records import ids_in_key
from worker.ingest.decoder import Decoder
from worker.ingest.entry import Entry
from worker.ingest.envelope import Event
from worker.ingest.formats.mapping.samples import outcome
from worker.ingest.formats.model import Adapter
from worker.ingest.parse_errors import RefusalError
from worker.ingest.registry.framing import framed_value, named
from worker.ingest.registry.schemas import Schemas, SchemasMissing
from worker.operations.documents import BadLine
from worker.operations.record_files import Line, read
from worker.operations.registry_schemas import learn, registry_schemas
from worker.records import Record, Refusal, timestamp_of
from worker.settings import Settings

UNREADABLE: Final = "unreadable"
_FULFILMENT = "one of courier, dropshipping"
_MONEY = 'a decimal string, such as "120.00"'
_TIME = "a text: RFC 3339 with an offset, such as 2026-11-22T15:04:05Z"
# What the contract wants of a field. Names without one want a text.
_WANTED: Final[Mapping[str, str]] = {
    "order_id": "a text of 1 to 200 characters",
    "seller_id": "a text of 1 to 200 characters",
    "status": "a text of 1 to 200 characters, such as start-handling",
    "fulfilment": _FULFILMENT,
    "entered_at": _TIME,
    "occurred_at": _TIME,
    "due": _TIME,
    "total": _MONEY,
    "currency": "three capitals (ISO 4217), such as PEN",
    "labels": "an object of at most 50 short texts",
    "in_stock": "true or false",
    "functional": "true or false",
    "complete": "true or false",
    "partial": "true or false",
    "validation": "an object with in_stock, functional and complete",
    "dispute": "an object with text, type and responsible",
    "value": "one JSON object in UTF-8",
    "ce_specversion": "1.0, in each record with a ce_ header",
    "specversion": "1.0",
    "key": "the order's id, as PLAZO_KEYS says",
}
_CODE = re.compile(r"(?P<field>[A-Za-z0-9_.-]+): (?P<code>[a-z_]+)")
# The fields that only changes of deadlines have.
_CHANGE = frozenset({"author", "reason"})
_MISSING = frozenset({"missing"})
_DOUBTS: Final[Mapping[str, str]] = {
    Reason.ENTERED_LATE.value: "comes later than its window allows: a person would decide",
    Reason.FACTS_MISSING.value: "a rule of the policy file needs a fact that it does not tell",
}
_NESTED: Final = {"validation": Validation, "dispute": Dispute}


@dataclass
class Report:
    """What would become of the records of a file."""

    records: int = 0
    read: Counter[str] = field(default_factory=Counter)
    passed_over: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    # By word, the statuses that no table knows.
    unknown: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether there are records, and all of them can be read."""
        return bool(self.records) and not self.refused

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "ok": self.good,
            "records": self.records,
            "read": dict(self.read),
            "passed_over": self.passed_over,
            "refused": self.refused,
            "warnings": self.warnings,
            "unknown": list(self.unknown.values()),
        }


async def check(
    content: bytes, settings: Settings, policies: Policies, topic: str | None = None
) -> Report:
    """Read the records of a file; ``topic`` as :func:`worker.operations.record_files.read`.

    Raises:
        FormatInvalid: a format of the settings cannot be used.
        RegistryNotInstalled: a schema registry is set and its packages are missing.
    """
    lines = [*read(content, settings, topic)]
    async with registry_schemas(settings) as schemas:
        checker = _Checker(settings, policies, datetime.now(UTC), schemas)
        records = [checker.record(line) for line in lines if isinstance(line, Line)]
        await learn(settings, schemas, checker.decoder.missing_schemas(records))
        for line in lines:
            checker.add(line)
    return checker.report


def trials(
    content: bytes, adapter: Adapter
) -> Iterator[tuple[int, tuple[OrderCreated | OrderStatusChanged, ...], str | None]]:
    """Yield the line of each record of a file, the events it becomes, and why it is refused."""
    settings = Settings.model_construct()
    now = datetime.now(UTC)
    for line in read(content, settings, settings.order_created_topic):
        if isinstance(line, BadLine):
            yield line.number, (), line.reason
            continue
        found = outcome(adapter, line.value or b"", line.recorded_at or now)
        if isinstance(found, RefusalError):
            yield line.number, (), found.message
        else:
            yield line.number, found, None


class _Checker:
    def __init__(
        self, settings: Settings, policies: Policies, now: datetime, schemas: Schemas | None
    ) -> None:
        self.report = Report()
        self.decoder = Decoder.of(settings, policies.longest, schemas)
        # The order in a value that only the registry reads is not known when a key is missing.
        without_keys = settings.model_copy(update={"keys": "ignore"})
        self._keyless = Decoder.of(without_keys, policies.longest, schemas)
        self._foreign = formats.adapters(settings)
        self._known = policies.vocabulary.known
        self._ignore_keys = settings.keys == "ignore"
        late = settings.least_window if settings.before_adoption != "decide" else None
        self._entries = (
            Entry(policies, settings.order_created_topic),
            Entry(policies, settings.order_created_topic, late),
        )
        self._now = now

    def add(self, line: Line | BadLine) -> None:
        report = self.report
        report.records += 1
        if isinstance(line, BadLine):
            refused = {"line": line.number, "error": UNREADABLE, "message": line.reason}
            report.refused.append(refused | {"wanted": []})
            return
        record = self.record(line)
        framed = framed_value(record)
        decoder = self._keyless if framed and not line.keyed else self.decoder
        try:
            record, found = decoder.read(record, self._now)
        except SchemasMissing:
            name = named(framed.schema) if framed else "its schema"
            message = f"{name}: the schema registry does not tell it now"
            told = {"line": line.number, "error": UNREADABLE, "message": message, "wanted": []}
            report.refused.append(told)
            return
        fields = None if line.topic in self._foreign else _fields(record.value)
        if isinstance(found, Refusal):
            told = {"line": line.number, "error": found.error.value, "message": found.message}
            report.refused.append(told | {"wanted": list(_wanted(found.message, fields))})
            return
        report.read[line.topic] += 1
        events = found if isinstance(found, tuple) else (found,)
        report.passed_over += not events
        warnings = [*self._of_key(line, events), *self._of_events(line, record, events)]
        if fields is not None and len(events) == 1:
            warnings += _near_misses(fields, type(events[0]))
        for kind, name, message in warnings:
            report.warnings.append(
                {"line": line.number, "kind": kind, "field": name, "message": message}
            )

    def record(self, line: Line) -> Record:
        """The record that a line tells of."""
        stamp = line.recorded_at or self._now
        return Record(
            line.topic, 0, line.number, round(stamp.timestamp() * 1000), line.key, line.value,
            line.headers,
        )  # fmt: skip

    def _of_key(self, line: Line, events: tuple[Event, ...]) -> Iterator[tuple[str, str, str]]:
        if not line.keyed or not self._ignore_keys:
            return  # where keys must match, one that differs is refused
        ids = {event.order_id for event in events}
        told = {one.strip() for one in ids_in_key(line.key)} if line.key else set()
        if ids and not ids & told:
            yield "key", "key", "does not name the order; PLAZO_KEYS=ignore takes it all the same"

    def _of_events(
        self, line: Line, record: Record, events: tuple[Event, ...]
    ) -> Iterator[tuple[str, str, str]]:
        for event in events:
            if isinstance(event, OrderCreated):
                if event.fulfilment not in ("courier", "dropshipping"):
                    message = f"{_FULFILMENT} is usual; policies match it as text"
                    yield "fulfilment", "fulfilment", message
                # Only a dump tells when a record came.
                entry = self._entries[line.recorded_at is not None]
                _, doubt = entry.terms(event, timestamp_of(record.timestamp), self._now)
                if doubt:
                    yield doubt, "entered_at", _DOUBTS[doubt]
            elif (
                isinstance(event, OrderStatusChanged) and normalise(event.status) not in self._known
            ):
                yield self._unknown(line, event.status)

    def _unknown(self, line: Line, status: str) -> tuple[str, str, str]:
        like = nearest(status, self._known)
        first = {"status": status, "records": 0, "line": line.number, "nearest": like}
        self.report.unknown.setdefault(status, first)["records"] += 1
        hint = f"; the nearest that one knows is {like}" if like else ""
        return "unknown-status", "status", f"no table knows this word{hint}"


def _fields(value: bytes | None) -> dict[str, Any] | None:
    try:
        found = from_json(value or b"")
    except ValueError:
        return None
    if isinstance(found, dict) and isinstance(found.get("data"), dict) and "type" in found:
        found = found["data"]
    return found if isinstance(found, dict) else None


def _wanted(message: str, fields: dict[str, Any] | None) -> Iterator[str]:
    """Yield what the contract wants of each field that a refusal names, in words."""
    if fields is not None and fields.keys() >= _CHANGE and "status: missing" in message:
        yield f"ce_type: {DEADLINE_EXTENDED}, or of a hold or a release, in a header"
        return
    for part in message.split("; "):
        match = _CODE.match(part)
        if match is None:
            continue
        name = match["field"].rpartition(".")[2]
        name = match["field"].split(".")[0] if name.isdigit() else name
        if name not in _WANTED:
            continue
        like = _like(name, fields or {}) if match["code"] in _MISSING else None
        hint = f"; there is {like}" if like else ""
        yield f"{match['field']}: {_WANTED[name]}{hint}"


def _like(name: str, fields: Mapping[str, Any]) -> str | None:
    """The field that may be a misspelling of a name."""
    plain = {_plain(one): one for one in fields if len(one) <= 50}
    found = get_close_matches(_plain(name), plain, 1, cutoff=0.8)
    return plain[found[0]] if found else None


def _near_misses(fields: dict[str, Any], model: type[Any]) -> Iterator[tuple[str, str, str]]:
    known = model.model_fields
    others = {name: value for name, value in fields.items() if name not in known}
    for name in known:
        if name not in fields and (like := _like(name, others)):
            yield "field", name, f"{like} is not read; the contract's name is {name}"
        elif name in _NESTED and isinstance(fields.get(name), dict):
            yield from _near_misses(fields[name], _NESTED[name])


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()
