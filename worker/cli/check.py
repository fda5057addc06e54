"""``plazo check``: is everything as the worker needs it, and if not, what is to be done."""

import time
from collections.abc import Awaitable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TypeVar

import typer

from worker.cli.context import finish
from worker.cli.output import cell, console, print_json, table
from worker.errors import DatabaseFault, KafkaUnavailable
from worker.kafka.admin import KafkaAdmin, NotAnswered, Skew
from worker.kafka.offsets import OffsetReader
from worker.observability.metrics import Metrics
from worker.operations.checks import (
    CONFIGS,
    Check,
    DatabaseFacts,
    KafkaFacts,
    Status,
    checks,
    last_sequence,
)
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrations import serves

_T = TypeVar("_T")

# Records looked at in each input partition; and behind the last decision there may stand repeats.
_SAMPLES = 200
_DECISIONS = 20

_STYLE = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAULT: "bold red",
    Status.NOT_MEASURED: "dim",
}


def check(settings: Settings, *, as_json: bool) -> None:
    """Print every finding; the exit status is 4 if a part does not answer, 1 on another fault."""

    kafka, database = finish(settings, _facts(settings))
    found = list(checks(settings, kafka, database))
    if as_json:
        print_json({"checks": [asdict(one) for one in found]})
    else:
        _print(found)
    if isinstance(kafka, str) or isinstance(database, str):
        raise typer.Exit(4)
    if any(one.status == Status.FAULT for one in found):
        raise typer.Exit(1)


def _print(found: list[Check]) -> None:
    rows = [
        (cell(one.status, _STYLE[one.status]), one.name, one.finding, one.cure) for one in found
    ]
    console().print(table("", ("status", "check", "finding", "what to do"), rows))
    faults = sum(one.status == Status.FAULT for one in found)
    warnings = sum(one.status == Status.WARNING for one in found)
    console().print(f"{len(found)} checks: faults {faults}, warnings {warnings}")


async def _facts(settings: Settings) -> tuple[KafkaFacts | str, DatabaseFacts | str]:
    """What both told, beside workers that go on meanwhile.

    A sequence is stored before it is published, and a record stands in its log before it is stored
    as read. So the decisions topic is read first and the ends of the inputs last: any other order
    would now and then take progress for an older back-up or for a truncated topic.
    """
    kafka = await _kafka(settings)
    database = await _database(settings)
    if not isinstance(kafka, str):
        kafka = await _with_bounds(settings, kafka)
    return kafka, database


async def _kafka(settings: Settings) -> KafkaFacts | str:
    admin = KafkaAdmin(settings)
    try:
        topics = [*settings.input_topics, settings.output_topic, settings.dead_letters_topic]
        facts = KafkaFacts(await admin.brokers(), await admin.topics(topics))
        facts.configs = await _told(admin.configs(facts.topics, CONFIGS)) if facts.topics else {}
        facts.clock = await _told(admin.clock())
        facts.members = await _told(admin.members(settings.group_id))
        # A partition without a leader would keep us waiting, and is a fault of its own.
        widths = {t: s.partitions for t, s in facts.topics.items() if not s.leaderless}
        inputs = {topic: widths[topic] for topic in settings.input_topics if topic in widths}
        facts.samples = await admin.tails(inputs, _SAMPLES)
        if (decisions := settings.output_topic) in widths:
            tails = await admin.tails({decisions: widths[decisions]}, _DECISIONS)
            facts.published = {n: last_sequence(samples) for (_, n), samples in tails.items()}
        return facts
    except KafkaUnavailable as error:
        return str(error)
    finally:
        await admin.close()


async def _with_bounds(settings: Settings, facts: KafkaFacts) -> KafkaFacts | str:
    probe = OffsetReader(settings)
    try:
        facts.logs = await probe.bounds(list(facts.samples)) if facts.samples else {}
        return facts
    except KafkaUnavailable as error:
        return str(error)
    finally:
        await probe.close()


async def _told(question: Awaitable[_T]) -> _T | str:
    """An answer, or why there is none: not every cluster answers everything to everybody."""
    try:
        return await question
    except (NotAnswered, KafkaUnavailable) as error:
        return str(error)


async def _database(settings: Settings) -> DatabaseFacts | str:
    database = Database(settings, Metrics(settings))
    try:
        await database.open(any_schema=True)
        return await _facts_of(database)
    except DatabaseFault as error:
        return str(error)
    finally:
        await database.close()


async def _facts_of(database: Database) -> DatabaseFacts:
    await database.now()  # the connection is there now, and does not count
    before = time.time()
    now = await database.now()
    after = time.time()
    skew = Skew(now.timestamp() - (before + after) / 2, (after - before) / 2)
    facts = DatabaseFacts(now, skew, await database.schema())
    if serves(facts.schema):
        await _rows(database, facts)
    return facts


async def _rows(database: Database, facts: DatabaseFacts) -> None:
    async with database.transaction(one_snapshot=True) as tx:
        facts.lanes = await tx.rows("check_lanes")
        facts.positions = {
            (row["topic"], row["partition"]): row["next_offset"]
            for row in await tx.rows("positions")
        }
        facts.dead_letters = await tx.rows("check_dead_letters")
        notices = await tx.row("check_notices")
        placed = await tx.row("lanes_elsewhere")
        numbers = [row["lane"] for row in facts.lanes]
        overdue = await tx.row("count_overdue", numbers, datetime.now(UTC))
    assert notices is not None
    assert overdue is not None
    facts.elsewhere = placed["lanes"] if placed else None
    facts.notices = notices["notices"]
    facts.overdue, facts.oldest_overdue = overdue["overdue"], overdue["oldest"]
