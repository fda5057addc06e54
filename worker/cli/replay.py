"""``plazo replay``: decide again, in shadow mode, what a stretch of the logs asks to be decided.

The positions of an empty database are put where the logs stood at an instant, and a worker runs
until it has read what stood in them when the command began and has decided all that is due.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from worker.cli import shadow
from worker.cli.context import open_database, record, who
from worker.cli.output import console, print_json, table
from worker.cli.run import on_loop
from worker.errors import DatabaseUnavailable, TopicsNotFit
from worker.kafka.offsets import OffsetReader
from worker.observability import logs
from worker.records import Partition
from worker.runtime.worker import Worker
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.installation import claim_mode

_POLL = 0.2


class Stretch(NamedTuple):
    """Of one partition, the offsets that are read, and from when on its log is known whole."""

    begin: int
    end: int
    covered_since: datetime | None


def replay(
    settings: Settings, start: datetime, *, dry_run: bool, by: str | None, as_json: bool
) -> None:
    """Replay everything since ``start``, and print the report of shadow mode.

    Raises:
        KafkaUnavailable, DatabaseUnavailable, SchemaNotCurrent, ModeConflict
        TopicsNotFit: the shadow topic already holds somebody's verdicts.
        typer.BadParameter: not in shadow mode.
        typer.Exit: 1, the database is in use, or the replay was stopped before its end.
    """
    if settings.mode != "shadow":
        raise typer.BadParameter("only with PLAZO_MODE=shadow: a replay tells nothing in earnest")
    logs.configure("warning", settings.log_format)
    began = datetime.now(UTC)
    author = None if dry_run else who(by, nobody="a job")
    stretches = on_loop(lambda: _prepare(settings, start, author))
    if dry_run:
        _show(stretches, as_json=as_json)
        return
    if not on_loop(lambda: _run(settings, stretches)):
        typer.echo("plazo: stopped before its end; `plazo run` goes on with it", err=True)
        raise typer.Exit(1)
    shadow.report(settings, datetime.now(UTC) - began + timedelta(minutes=1), as_json=as_json)


async def _prepare(
    settings: Settings, start: datetime, author: str | None
) -> dict[Partition, Stretch]:
    """Where to read; kept in the database in the name of ``author``, if there is one."""
    async with open_database(settings) as database:
        if await database.rows("positions") or await database.rows("lanes"):
            typer.echo(
                "plazo: a replay needs a database of its own, in which nothing has been read: "
                "this one is in use",
                err=True,
            )
            raise typer.Exit(1)
        stretches = await _stretches(settings, start)
        if author is not None:
            await claim_mode(database, settings.mode)
            async with database.transaction() as tx:
                for partition, (begin, _, since) in stretches.items():
                    await tx.execute("start_position", *partition, begin, since)
                await record(tx, author, "replay", start=start)
    return stretches


async def _stretches(settings: Settings, start: datetime) -> dict[Partition, Stretch]:
    probe = OffsetReader(settings)
    try:
        widths = await probe.widths([*settings.input_topics, settings.output_topic])
        if settings.output_topic not in widths:
            raise TopicsNotFit(f"missing: {settings.output_topic}; run `plazo topics create`")
        told = await probe.bounds(_partitions(widths, settings.output_topic))
        if any(log.end > log.begin for log in told.values()):
            # The relay would take it for the tail of a younger database, and halt.
            raise TopicsNotFit(
                f"{settings.output_topic} holds verdicts already: "
                "give the replay a PLAZO_SHADOW_TOPIC of its own"
            )
        inputs = [one for topic in settings.input_topics for one in _partitions(widths, topic)]
        bounds = await probe.bounds(inputs)
        firsts = await probe.offsets_at(inputs, start)
    finally:
        await probe.close()
    stretches = {}
    for partition, log in bounds.items():
        first = firsts.get(partition)
        begin = log.end if first is None else max(first, log.begin)
        skipped = begin > log.begin
        lost = log.first_at or start if log.begin else None
        stretches[partition] = Stretch(begin, log.end, start if skipped else lost)
    return stretches


def _partitions(widths: Mapping[str, int], topic: str) -> list[Partition]:
    return [(topic, number) for number in range(widths.get(topic, 0))]


async def _run(settings: Settings, stretches: Mapping[Partition, Stretch]) -> bool:
    """Run a worker; whether it came to the end before it was stopped."""
    worker = Worker(settings)
    working = asyncio.create_task(worker.run())
    following = asyncio.create_task(_follow(worker.services.database, stretches))
    try:
        await asyncio.wait({working, following}, return_when=asyncio.FIRST_COMPLETED)
        return following.done()
    finally:
        following.cancel()
        worker.stop()
        await asyncio.gather(following, return_exceptions=True)
        await working


async def _follow(database: Database, stretches: Mapping[Partition, Stretch]) -> None:
    """Wait until all is read, decided and published."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    bar = Progress(*columns, console=console(stderr=True), transient=True)
    with bar:
        reading = bar.add_task("records", total=sum(s.end - s.begin for s in stretches.values()))
        deciding = bar.add_task("deciding", total=None, visible=False)
        while True:
            with suppress(DatabaseUnavailable):
                left = await _left(database, stretches)
                bar.update(reading, completed=bar.tasks[0].total - left.records)  # type: ignore[operator]
                if not left.records:
                    bar.update(deciding, visible=True, description=f"{left.verdicts} to decide")
                    if not left.verdicts and not left.unpublished:
                        return
            await asyncio.sleep(_POLL)


class _Remaining(NamedTuple):
    records: int
    verdicts: int  # counted up to a limit
    unpublished: int


async def _left(database: Database, stretches: Mapping[Partition, Stretch]) -> _Remaining:
    # In this order: what is read becomes overdue, then decided, then published.
    positions = {
        (row["topic"], row["partition"]): row["next_offset"]
        for row in await database.rows("positions")
    }
    numbers = sorted({number for _, number in stretches})
    late = await database.rows("count_overdue", numbers, datetime.now(UTC))
    lanes = await database.rows("lanes")
    records = sum(max(0, s.end - max(s.begin, positions[p])) for p, s in stretches.items())
    unpublished = sum(row["sequence"] - row["published"] for row in lanes)
    return _Remaining(records, sum(row["overdue"] for row in late), unpublished)


def _show(stretches: Mapping[Partition, Stretch], *, as_json: bool) -> None:
    rows = [
        {"topic": topic, "partition": number, **s._asdict(), "records": s.end - s.begin}
        for (topic, number), s in sorted(stretches.items())
    ]
    if as_json:
        print_json(rows)
        return
    heads = ("topic", "partition", "from offset", "to", "known whole since", "records")
    console().print(table("Would be read", heads, ([*row.values()] for row in rows)))
