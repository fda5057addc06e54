"""A downstream system: reads decisions and dead letters, and trusts nothing it is told.

It belongs to no group and knows the contract only: headers, key, JSON Schemas, and that
``ce_sequence`` counts 1, 2, 3… in each partition.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from schemas.decisions import AutoCancel, DecisionRevoked, Escalation

SCHEMAS = Path(__file__).parents[2] / "schemas" / "json"
KINDS = {
    "marketplace.order.auto-cancel.v1": "auto-cancel",
    "marketplace.order.escalation.v1": "escalation",
    "marketplace.order.decision-revoked.v1": "decision-revoked",
}
MODELS: dict[str, type[BaseModel]] = {
    "marketplace.order.auto-cancel.v1": AutoCancel,
    "marketplace.order.escalation.v1": Escalation,
    "marketplace.order.decision-revoked.v1": DecisionRevoked,
}
HEADERS = (
    "ce_id",
    "ce_type",
    "ce_source",
    "ce_time",
    "ce_specversion",
    "ce_partitionkey",
    "ce_sequence",
    "content-type",
)
SOURCE = ("plazo-source-topic", "plazo-source-partition", "plazo-source-offset")


@dataclass(frozen=True)
class Event:
    """One decision as it stands in the topic."""

    partition: int
    offset: int
    stored_at: datetime  # Kafka's timestamp of the record
    id: str
    sequence: int
    kind: str
    order_id: str
    reason: str
    body: Mapping[str, Any]

    @property
    def says(self) -> str:
        return f"{self.kind} {self.reason}"

    @property
    def due(self) -> datetime:
        return datetime.fromisoformat(self.body["due"])

    @property
    def decided_at(self) -> datetime:
        return datetime.fromisoformat(self.body["decided_at"])


class Reader:
    """Follows the two output topics from their beginning, and keeps every fault it sees."""

    def __init__(self, bootstrap: str, decisions: str, dead_letters: str) -> None:
        self.faults: list[str] = []
        self.gaps: list[str] = []
        self.disorder: list[str] = []
        self.repeats: list[Event] = []  # same id and sequence as one before
        self.doubled: list[str] = []  # one id or sequence for two different decisions
        self.events: list[Event] = []  # without repeats, as they were read
        self.first_seen: dict[str, datetime] = {}
        self.dead_letters: Counter[tuple[str, int, int]] = Counter()
        self.error_classes: Counter[str] = Counter()
        self._bootstrap = bootstrap
        self._decisions = decisions
        self._dead_letters = dead_letters
        self._sequences: dict[int, dict[int, Event]] = defaultdict(dict)
        self._last: dict[int, int] = defaultdict(int)
        self._ids: dict[str, Event] = {}
        self._validators = {
            f"marketplace.order.{path.stem}.v1": Draft202012Validator(
                json.loads(path.read_text()), format_checker=Draft202012Validator.FORMAT_CHECKER
            )
            for path in SCHEMAS.glob("*.json")
        }
        self._consumer: Any = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=100,
        )
        await self._consumer.start()
        metadata = await self._consumer._client.fetch_all_metadata()
        partitions = [
            TopicPartition(topic, partition)
            for topic in (self._decisions, self._dead_letters)
            for partition in metadata.partitions_for_topic(topic) or ()
        ]
        assert {tp.topic for tp in partitions} == {self._decisions, self._dead_letters}
        self._consumer.assign(partitions)
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._consumer.stop()

    async def catch_up(self, timeout: float = 20.0) -> None:
        """Return once everything that stands in the topics now has been read."""
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        async with asyncio.timeout(timeout):
            for partition, end in ends.items():
                while await self._consumer.position(partition) < end:
                    assert self._task is not None
                    if self._task.done():
                        self._task.result()
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.2)  # what was fetched last is being taken in

    def by_order(self) -> dict[str, list[Event]]:
        """The decisions of each order, in the order in which they stand in the topic."""
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            found[event.order_id].append(event)
        return found

    async def _follow(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=200)
            for partition, records in batches.items():
                for record in records:
                    if partition.topic == self._decisions:
                        self._take_decision(record)
                    else:
                        self._take_dead_letter(record)

    def _take_decision(self, record: ConsumerRecord[bytes, bytes]) -> None:
        place = f"decisions/{record.partition}/{record.offset}"
        try:
            event = self._read(record)
        except (AssertionError, KeyError, ValueError) as error:
            self.faults.append(f"{place}: {type(error).__name__}: {error}")
            return
        before = self._sequences[event.partition].get(event.sequence)
        if before is not None:
            if (before.id, before.body) == (event.id, event.body):
                self.repeats.append(event)
            else:
                self.doubled.append(f"{place}: sequence {event.sequence} was {before.id}")
            return
        if event.id in self._ids:
            self.doubled.append(f"{place}: {event.id} has had another sequence")
        last = self._last[event.partition]
        if event.sequence < last:
            self.disorder.append(f"{place}: {event.sequence} after {last}")
        elif event.sequence > last + 1:
            self.gaps.append(f"{place}: {event.sequence} after {last}")
        self._last[event.partition] = max(last, event.sequence)
        self._sequences[event.partition][event.sequence] = event
        self._ids[event.id] = event
        self.events.append(event)
        self.first_seen.setdefault(event.order_id, datetime.now(UTC))

    def _read(self, record: ConsumerRecord[bytes, bytes]) -> Event:
        given = Counter(name for name, _ in record.headers)
        assert all(number == 1 for number in given.values()), f"a header is repeated: {given}"
        assert not set(HEADERS) - set(given), f"missing: {set(HEADERS) - set(given)}"
        headers = {name: value.decode() for name, value in record.headers}
        assert headers["ce_specversion"] == "1.0"
        assert headers["content-type"] == "application/json"
        assert headers["ce_id"]
        assert headers["ce_source"]
        assert datetime.fromisoformat(headers["ce_time"]).tzinfo is not None
        kind = KINDS[headers["ce_type"]]
        assert record.value is not None
        assert record.key is not None
        body = json.loads(record.value)
        errors = [error.message for error in self._validators[headers["ce_type"]].iter_errors(body)]
        assert not errors, f"against its schema: {errors}"
        # Readers ignore fields they do not know, but the writer must not invent any.
        MODELS[headers["ce_type"]].model_validate_json(record.value)
        assert record.key.decode() == headers["ce_partitionkey"] == body["order_id"]
        assert headers["ce_sequence"].isascii(), "the sequence is a number"
        return Event(
            partition=record.partition,
            offset=record.offset,
            stored_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
            id=headers["ce_id"],
            sequence=int(headers["ce_sequence"]),
            kind=kind,
            order_id=body["order_id"],
            reason=body["reason"],
            body=body,
        )

    def _take_dead_letter(self, record: ConsumerRecord[bytes, bytes]) -> None:
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        missing = {*SOURCE, "plazo-error-class", "plazo-error-message"} - set(headers)
        if missing:
            self.faults.append(f"dead letter {record.partition}/{record.offset}: no {missing}")
            return
        topic, partition, offset = (headers[name] for name in SOURCE)
        self.dead_letters[topic, int(partition), int(offset)] += 1
        self.error_classes[headers["plazo-error-class"]] += 1


def standing(events: list[Event]) -> tuple[frozenset[str], tuple[str, ...], list[str]]:
    """Apply an order's decisions: what stands, what was told in all, and faults of revocation."""
    stands: dict[str, Event] = {}
    told: list[str] = []
    faults: list[str] = []
    for event in events:
        if event.kind != "decision-revoked":
            told.append(event.says)
            if any(event.says == other.says for other in stands.values()):
                faults.append(f"{event.says} given twice")
            stands[event.id] = event
            continue
        revoked = stands.pop(event.body["revokes"]["id"], None)
        if revoked is None:
            faults.append(f"{event.id} revokes what does not stand")
            continue
        named = event.body["revokes"]
        if (named["sequence"], named["reason"]) != (revoked.sequence, revoked.reason):
            faults.append(f"{event.id} names {revoked.id} wrongly")
        told.append(f"revoked {revoked.says}")
    says = frozenset(event.says for event in stands.values())
    return says, tuple(sorted(told)), faults


def lateness(events: list[Event], grace: timedelta) -> list[float]:
    """Seconds from the first instant at which a verdict could fall to its record, sorted."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.order_id, event)
    return sorted((one.stored_at - one.due - grace).total_seconds() for one in first.values())
