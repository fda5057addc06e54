"""``plazo dead-letters``: look at refused records, send them round again, or drop them."""

import asyncio
import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import typer
from rich.progress import Progress

from worker.cli.context import finish, open_database, record, who
from worker.cli.output import cell, console, fields, print_json, table
from worker.kafka.offsets import OffsetReader
from worker.kafka.producer import Message, Producer, TooLarge
from worker.records import Partition
from worker.settings import Settings
from worker.storage.database import Database

REPLAYED_FROM = "plazo-replayed-from"

_COMMANDS = {"replayed": "dead-letters replay", "discarded": "dead-letters discard"}
_CHUNK = 100
_POLL = 0.1


@dataclass
class Replay:
    """What a replay did; lists hold ids of dead letters."""

    replayed: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    # Settled by somebody else, or never there.
    not_open: list[int] = field(default_factory=list)
    still_shielded: list[str] = field(default_factory=list)


def list_(
    settings: Settings, *, error: str | None, settled: bool, limit: int, as_json: bool
) -> None:
    """Print the newest dead letters."""

    async def work() -> list[Any]:
        async with open_database(settings) as database:
            return await database.rows("dead_letters_list", error, settled, limit)

    rows = finish(settings, work())
    if as_json:
        print_json([{k: v for k, v in row.items() if k != "matching"} for row in rows])
        return
    out = console()
    if not rows:
        out.print("no dead letters" if settled else "no unsettled dead letters")
        return
    out.print(
        table(
            "Dead letters, newest first (UTC)",
            ("id", "received", "error", "message", "place", "bytes", "shields", "settled"),
            (
                (
                    row["id"], row["received_at"], row["error"], row["message"], _place(row),
                    row["value_bytes"], ", ".join(row["shields"]) or None, row["settled"],
                )
                for row in rows
            ),
        )
    )  # fmt: skip
    if (matching := rows[0]["matching"]) > len(rows):
        out.print(f"{len(rows)} of {matching}; see more with --limit")


def show(settings: Settings, number: int, *, personal: bool, as_json: bool) -> None:
    """Print one dead letter; its key, headers and value only if asked for."""

    async def work() -> list[Any]:
        async with open_database(settings) as database:
            return await database.rows("dead_letters_by_id", [number])

    rows = finish(settings, work())
    if not rows:
        typer.echo(f"plazo: no dead letter {number}", err=True)
        raise typer.Exit(1)
    row = rows[0]
    headers = list(zip(row["header_names"], row["header_values"], strict=True))
    told = {
        "id": row["id"],
        "lane": row["lane"],
        "topic": row["topic"],
        "partition": row["partition"],
        "offset": row["offset"],
        "timestamp": row["timestamp"],
        "received_at": row["received_at"],
        "error": row["error"],
        "message": row["message"],
        "shields": row["shields"],
        "published": row["published"],
        "settled": row["settled"],
        "settled_by": row["settled_by"],
        "settled_at": row["settled_at"],
        "key": _content(row["key"], personal),
        "value": _content(row["value"], personal),
        "headers": [
            {"name": name.decode(errors="replace"), **_content(value, personal)}
            for name, value in headers
        ],
    }
    if as_json:
        print_json(told)
        return
    shown = {name: value for name, value in told.items() if name != "headers"}
    shown |= {"shields": ", ".join(row["shields"]) or None}
    shown |= {name: _described(told[name]) for name in ("key", "value")}
    out = console()
    out.print(fields(shown.items()))
    if told["headers"]:
        headers_shown = ((header["name"], _described(header)) for header in told["headers"])
        out.print(table("Headers", ("name", "value"), headers_shown))
    if not personal:
        out.print(cell("key, headers and value are shown with --with-personal-data", "dim"))


def replay(
    settings: Settings,
    numbers: Sequence[int],
    *,
    error: str | None,
    dry_run: bool,
    by: str | None,
    wait: float,
    as_json: bool,
) -> None:
    """Send dead letters round again; no ``numbers`` and no ``error`` means all.

    Raises:
        PublishFailed, KafkaUnavailable, DatabaseUnavailable: what was not settled yet stays open.
    """
    author = who(by, nobody="nobody" if dry_run else None)

    async def work() -> Replay:
        async with open_database(settings) as database:
            return await _replay(settings, database, numbers, error, dry_run, author, wait)

    done = finish(settings, work())
    if as_json:
        print_json({"dry_run": dry_run, **asdict(done)})
    else:
        _tell(done, dry_run)
    if done.failed or done.not_open:
        raise typer.Exit(1)


def discard(
    settings: Settings,
    numbers: Sequence[int],
    *,
    error: str | None,
    dry_run: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Settle dead letters as of no importance: they shield no order any more.

    No ``numbers`` and no ``error`` means all.

    Raises:
        DatabaseUnavailable: what was not settled yet stays open.
    """
    author = who(by, nobody="nobody" if dry_run else None)

    async def work() -> list[int]:
        async with open_database(settings) as database:
            open_ = await _open(database, error, numbers)
            with _bar("discarding", len(open_)) as advance:
                for chunk in [] if dry_run else _chunks(open_):
                    await _settle(database, chunk, "discarded", author, read=True)
                    advance(len(chunk))
            return open_

    open_ = finish(settings, work())
    not_open = sorted(set(numbers) - set(open_))
    if as_json:
        print_json({"dry_run": dry_run, "discarded": open_, "not_open": not_open})
    else:
        console().print(f"{'would discard' if dry_run else 'discarded'} {len(open_)}")
        _tell_not_open(not_open)
    if not_open:
        raise typer.Exit(1)


async def _replay(
    settings: Settings,
    database: Database,
    numbers: Sequence[int],
    error: str | None,
    dry_run: bool,
    by: str,
    wait: float,
) -> Replay:
    done = Replay()
    ids = await _open(database, error, numbers)
    done.not_open = sorted(set(numbers) - set(ids))
    if dry_run:
        done.replayed = ids
        return done
    probe, publisher = OffsetReader(settings), Producer(settings)
    try:
        with _bar("replaying", len(ids)) as advance:
            for chunk in _chunks(ids):
                rows = await database.rows("dead_letters_by_id", chunk)
                read = await _replay_chunk(
                    settings, database, probe, publisher, rows, by, wait, done
                )
                # Nobody reads: no need to find that out for every chunk.
                wait = wait if read else 0.0
                advance(len(chunk))
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await publisher.close()
                await probe.close()
    return done


async def _replay_chunk(
    settings: Settings,
    database: Database,
    probe: OffsetReader,
    publisher: Producer,
    rows: Sequence[Any],
    by: str,
    wait: float,
    done: Replay,
) -> bool:
    """Replay a few; whether the workers read them within ``wait`` seconds."""
    widths = await probe.widths(settings.input_topics)
    messages: dict[int, Message] = {}
    for row in rows:
        if row["topic"] in widths:
            messages[row["id"]] = _message(row, widths[row["topic"]])
        else:
            done.failed[row["id"]] = f"{row['topic']} is no input topic, or does not exist"
    for number in await _publish(publisher, messages):
        done.failed[number] = "the topic takes no record of this size"
    sent = [number for number in messages if number not in done.failed]
    if not sent:
        return True
    # Acknowledged first, settled after. If we die in between, the letter stays open and its
    # record is sent twice, which changes nothing; the other way round it would be lost.
    #
    # The shield may go once the record has taken effect. Before that, a verdict that is due might
    # rest on a proof of freshness made before the record stood in the log: it would neither see
    # what the record says nor the shield, and cancel. Orders whose deadline lies ahead have no
    # such proof, so where no worker reads only theirs are lowered: sql/delete_shields.sql.
    partitions = {(messages[n].topic, messages[n].partition) for n in sent}
    read = await _read(database, await _ends(probe, partitions), wait)
    await _settle(database, sent, "replayed", by, read=read)
    left = await database.rows("remaining_shields", sent)
    done.still_shielded += [row["order_id"] for row in left]
    done.replayed += sent
    return read


async def _publish(publisher: Producer, messages: dict[int, Message]) -> list[int]:
    """Append all and have them acknowledged; the ids of those that are too large."""
    try:
        await publisher.publish(list(messages.values()))
    except TooLarge:
        # Some are appended already: their repeats change nothing.
        refused = []
        for number, message in messages.items():
            try:
                await publisher.publish([message])
            except TooLarge:
                refused.append(number)
        return refused
    return []


async def _ends(
    probe: OffsetReader, partitions: set[tuple[str, int | None]]
) -> dict[Partition, int]:
    """Where these partitions end now; a record without a known one may be in any of its topic."""
    ends = await probe.ends()
    return {p: end for p, end in ends.items() if p in partitions or (p[0], None) in partitions}


async def _read(database: Database, ends: dict[Partition, int], wait: float) -> bool:
    """Whether workers have read up to these ends, within ``wait`` seconds."""
    deadline = time.monotonic() + wait
    while True:
        rows = await database.rows("positions")
        positions = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        if all(positions.get(p, -1) >= end for p, end in ends.items()):
            return True
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL)


async def _settle(database: Database, numbers: list[int], how: str, by: str, *, read: bool) -> None:
    if not numbers:
        return
    async with database.transaction() as tx:
        await tx.execute("delete_shields", numbers, read)
        await tx.execute("settle_dead_letters", numbers, how, by)
        await record(tx, by, _COMMANDS[how], ids=numbers)


def _chunks(numbers: Sequence[int]) -> Iterator[list[int]]:
    return ([*numbers[n : n + _CHUNK]] for n in range(0, len(numbers), _CHUNK))


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr, where there is enough to do."""
    with Progress(console=console(stderr=True), transient=True, disable=total <= _CHUNK) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, advance=done)


async def _open(database: Database, error: str | None, numbers: Sequence[int]) -> list[int]:
    rows = await database.rows("unsettled_dead_letters", error, list(numbers) or None)
    return [row["id"] for row in rows]


def _message(row: Any, width: int) -> Message:
    """The record as it came, to where it came from: its order's other records are there too."""
    headers = [
        (name.decode("utf-8", "backslashreplace"), value)
        for name, value in zip(row["header_names"], row["header_values"], strict=True)
    ]
    headers.append((REPLAYED_FROM, _place(row).encode()))
    partition = row["partition"] if row["partition"] < width else None
    return Message(row["topic"], partition, row["key"], row["value"], headers)


def _tell(done: Replay, dry_run: bool) -> None:
    out = console()
    out.print(f"{'would replay' if dry_run else 'replayed'} {len(done.replayed)}")
    for number, why in done.failed.items():
        typer.echo(f"plazo: {number} was not replayed: {why}", err=True)
    _tell_not_open(done.not_open)
    if done.still_shielded:
        out.print(
            f"{len(done.still_shielded)} orders stay shielded, since their deadline is over and no "
            "worker has read the replayed record yet: if it does not settle them they are "
            "escalated, not cancelled"
        )


def _tell_not_open(numbers: Sequence[int]) -> None:
    for number in numbers:
        typer.echo(f"plazo: {number} is settled already, or does not exist", err=True)


def _content(content: bytes | None, personal: bool) -> dict[str, Any]:
    if content is None:
        return {"bytes": None}
    told: dict[str, Any] = {"bytes": len(content)}
    if personal:
        try:
            told["text"] = content.decode()
        except UnicodeDecodeError:
            told["base64"] = base64.b64encode(content).decode()
    return told


def _described(content: Any) -> str:
    if content["bytes"] is None:
        return "none"
    size = "1 byte" if content["bytes"] == 1 else f"{content['bytes']} bytes"
    return str(content.get("text") or content.get("base64") or size)


def _place(row: Any) -> str:
    return f"{row['topic']}/{row['partition']}/{row['offset']}"
