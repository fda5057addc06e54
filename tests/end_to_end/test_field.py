"""Situations that people reported of other marketplaces, played on the whole worker.

Each file in ``field`` is one: records with times relative to its start, and the sequences of
decisions that an operator would want. The window is ten seconds, the grace one. All situations of a
group are played at once, by one worker with the settings of the group.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from worker.storage.migrate import migrate

FIELD = Path(__file__).parent / "field"
WATCHED = 26.0  # seconds from the start of a situation to the look at its end
_TIME = re.compile(r"@(-?[0-9.]+)(?:\|(minute|naive|\+0000))?")

_OTHERS = {"name": "others", "window": "PT10S", "grace": "PT1S"}
_POLICIES: Mapping[str, Sequence[dict[str, Any]]] = {
    "amount": [
        {**_OTHERS, "name": "seller", "when": {"seller": "s-9"}, "at_lapse": "escalate"},
        {**_OTHERS, "name": "large", "at_lapse": "escalate",
         "when": {"total": {"at_least": 500, "currency": "PEN"}}},
        _OTHERS,
    ],
    "clock": [{**_OTHERS, "clock": "ready-for-handling"}],
}  # fmt: skip
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "confirm": {"confirm_within": "PT5S"},
    "brake": {"brake_cancels": "5", "brake_window": "PT4S"},
    "vtex": {
        "order_created_format": "vtex-order",
        "order_status_changed_format": "vtex-feed",
        "vtex_affiliates": "SLR",
    },
    "mirakl": {
        "order_created_format": "mirakl-order",
        "order_status_changed_format": "mirakl-acts",
    },
}


@dataclass(frozen=True)
class Situation:
    name: str
    group: str
    text: dict[str, Any]


SITUATIONS = [
    Situation(path.stem, text["group"], text)
    for path in sorted(FIELD.glob("*.json"))
    for text in [json.loads(path.read_text())]
]
GROUPS = sorted({one.group for one in SITUATIONS})


@pytest.mark.parametrize("group", GROUPS)
async def test_each_situation_ends_as_an_operator_would_want(
    group: str,
    new_worker: Callable[..., WorkerProcess],
    kafka: Kafka,
    topics: Topics,
    database: str,
    tmp_path: Path,
) -> None:
    await migrate(database)
    settings = {
        "stock_window": "PT10S", "grace": "PT1S", "before_adoption": "keep",
        **_SETTINGS.get(group, {}),
    }  # fmt: skip
    if group in _POLICIES:
        policy_file = tmp_path / "policies.yaml"
        policy_file.write_text(json.dumps({"version": 1, "policies": _POLICIES[group]}))
        settings["policy_file"] = str(policy_file)
    if group == "mirror":
        await _publish(kafka, topics, [_old_act(topics)])
    worker = await new_worker(topics, **settings).start().wait_ready()
    if group == "minute":
        # Deadline, verdict and the stamped cancellation fall into one minute.
        await asyncio.sleep((65 - now().second) % 60 if now().second > 40 else 0)
    start = now() + timedelta(seconds=1)
    chosen = [one for one in SITUATIONS if one.group == group]
    await asyncio.gather(*(_play(one, kafka, topics, start) for one in chosen))
    await asyncio.sleep(max(0.0, (start - now()).total_seconds() + WATCHED))
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    told: dict[str, list[str]] = {}
    for decision in await market.decisions():
        told.setdefault(decision.order, []).append(f"{decision.kind}:{decision.reason}")
    letters = {(letter.key or b"").decode() for letter in await market.dead_letters()}
    wrong = [fault for one in chosen for fault in _faults(one, told, letters)]
    assert not wrong, "\n".join([*wrong, f"dead letters: {sorted(letters)}"])
    assert await worker.sigterm() == 0


def _faults(one: Situation, told: Mapping[str, list[str]], letters: set[str]) -> list[str]:
    accept = one.text["accept"]
    faults = []
    if letters.isdisjoint(one.text.get("or_dead_letter", ())):
        faults += [
            f"{one.name} {one.text['title']}: {order}: {told.get(order, [])}, not one of {wanted}"
            for order, wanted in accept.items()
            if not any(_is(told.get(order, []), patterns) for patterns in wanted)
        ]
    if one.text.get("same") and len({tuple(told.get(order, ())) for order in accept}) > 1:
        faults.append(f"{one.name} {one.text['title']}: the orders end differently")
    most = one.text.get("most_auto_cancels")
    cancels = sum(
        says.startswith("auto-cancel") for order in accept for says in told.get(order, ())
    )
    if most is not None and cancels > most:
        faults.append(f"{one.name}: {cancels} auto-cancels, more than {most}")
    return faults


def _is(told: Sequence[str], patterns: Sequence[str]) -> bool:
    return len(told) == len(patterns) and all(map(fnmatch, told, patterns))


async def _play(one: Situation, kafka: Kafka, topics: Topics, start: datetime) -> None:
    for record in sorted(one.text["send"], key=lambda record: record["at"]):
        at = start + timedelta(seconds=record["at"])
        await asyncio.sleep(max(0.0, (at - now()).total_seconds()))
        topic = (
            topics.order_created if record["topic"] == "created" else topics.order_status_changed
        )
        stamp = record.get("timestamp")
        await _publish(kafka, topics, [{
            "topic": topic,
            "key": None if record.get("key") is None else record["key"].encode(),
            "value": json.dumps(_filled(record["value"], start)).encode(),
            "type": record.get("type"),
            "timestamp": None if stamp is None else datetime.fromisoformat(_filled(stamp, start)),
        }])  # fmt: skip


async def _publish(kafka: Kafka, topics: Topics, records: Sequence[dict[str, Any]]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, enable_idempotence=kafka.idempotence
    )
    await producer.start()
    try:
        for record in records:
            headers = []
            if record["type"]:
                headers = [("ce_specversion", b"1.0"), ("ce_type", record["type"].encode())]
            stamp = record["timestamp"]
            await producer.send_and_wait(
                record["topic"],
                record["value"],
                key=record["key"],
                headers=headers,
                timestamp_ms=None if stamp is None else int(stamp.timestamp() * 1000),
            )
    finally:
        await producer.stop()


def _old_act(topics: Topics) -> dict[str, Any]:
    """An act of long ago: the log of acts reaches back to it."""
    at = datetime.now(UTC) - timedelta(days=4 * 365)
    value = {"order_id": "long-ago", "status": "start-handling", "occurred_at": at.isoformat()}
    return {"topic": topics.order_status_changed, "key": b"long-ago", "type": None, "timestamp": at,
            "value": json.dumps(value).encode()}  # fmt: skip


def _filled(value: Any, start: datetime) -> Any:
    """A value with its relative times as RFC 3339."""
    if isinstance(value, dict):
        return {name: _filled(inner, start) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, start) for inner in value]
    if isinstance(value, str) and (match := _TIME.fullmatch(value)):
        at = start + timedelta(seconds=float(match[1]))
        if match[2] == "minute":
            at = at.replace(second=0, microsecond=0)
        text = at.isoformat(timespec="milliseconds").removesuffix("+00:00")
        return text + {"naive": "", "+0000": "+0000"}.get(match[2] or "", "Z")
    return value
