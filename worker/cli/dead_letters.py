"""``plazo dead-letters``: shows refused records, replays them, or discards them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.events import RefusalClass
from worker.cli.context import author_of, finish, open_database
from worker.cli.errors import print_error
from worker.cli.help import Commands
from worker.cli.options import (
    AllOfError,
    AllOpen,
    AsJson,
    By,
    DeadLetter,
    DeadLetters,
    DryRun,
    Limit,
    WithPersonalData,
)
from worker.cli.output import (
    cell,
    console,
    fail,
    fields,
    print_json,
    progress_bar,
    table,
)
from worker.cli.settings import load_settings
from worker.exit_status import ExitStatus
from worker.operations.format import count

if TYPE_CHECKING:
    from worker.operations.dead_letters import DiscardResult, ReplayResult

app = Commands(name="dead-letters", no_args_is_help=True, help="Records that could not be read.")


@app.command("list")
def list_(
    error: Annotated[RefusalClass | None, typer.Option(help="Only this class of error.")] = None,
    settled: Annotated[bool, typer.Option("--all", help="Include settled ones.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest dead letters."""
    settings = load_settings()

    async def read() -> list[Any]:
        async with open_database(settings) as database:
            return await database.rows("dead_letters_list", error and error.value, settled, limit)

    rows = finish(settings, read())
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


@app.command("sources")
def sources(limit: Limit = 50, as_json: AsJson = False) -> None:
    """Count those that are not settled by publisher (`ce_source`), topic and class of error."""
    settings = load_settings()

    async def read() -> list[Any]:
        async with open_database(settings) as database:
            return await database.rows("dead_letter_sources", limit)

    rows = finish(settings, read())
    if as_json:
        print_json([dict(row) for row in rows])
        return
    out = console()
    if not rows:
        out.print("no unsettled dead letters")
        return
    heads = ("source", "topic", "error", "records", "first", "last", "newest id")
    out.print(table("Dead letters by source (UTC)", heads, map(tuple, rows)))


@app.command("show")
def show(number: DeadLetter, personal: WithPersonalData = False, as_json: AsJson = False) -> None:
    """Show one dead letter."""
    settings = load_settings()

    async def read() -> list[Any]:
        async with open_database(settings) as database:
            return await database.rows("dead_letters_by_id", [number])

    rows = finish(settings, read())
    if not rows:
        fail(f"no dead letter {number}")
    document = _document(rows[0], personal)
    if as_json:
        print_json(document)
        return
    pairs = {name: value for name, value in document.items() if name != "headers"}
    pairs |= {"shields": ", ".join(document["shields"]) or None}
    pairs |= {name: _described(document[name]) for name in ("key", "value")}
    out = console()
    out.print(fields(pairs.items()))
    if document["headers"]:
        headers = ((header["name"], _described(header)) for header in document["headers"])
        out.print(table("Headers", ("name", "value"), headers))
    if not personal:
        out.print(cell("key, headers and value are shown with --with-personal-data", "dim"))


@app.command("replay")
def replay(
    numbers: DeadLetters = None,
    error: AllOfError = None,
    everything: AllOpen = False,
    dry_run: DryRun = False,
    by: By = None,
    wait: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="The time for workers to read the records."),
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Publish records to their topic again, unchanged, and settle them."""
    from worker.operations import dead_letters

    _require_one_selection(numbers, error, everything)
    settings = load_settings()
    author = author_of(by, nobody="nobody" if dry_run else None)

    async def work() -> "ReplayResult":
        with progress_bar("replaying", beyond=dead_letters.CHUNK) as progress:
            async with open_database(settings) as database:
                return await dead_letters.replay(
                    settings,
                    database,
                    numbers or (),
                    error=error and error.value,
                    dry_run=dry_run,
                    author=author,
                    wait=wait,
                    progress=progress,
                )

    result = finish(settings, work())
    if as_json:
        print_json({"dry_run": dry_run, **asdict(result)})
    else:
        _print_replay(result, dry_run)
    if result.failed or result.not_open:
        raise typer.Exit(ExitStatus.FAULT)


@app.command("discard")
def discard(
    numbers: DeadLetters = None,
    error: AllOfError = None,
    everything: AllOpen = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Confirm that they matter to no order.")
    ] = False,
    dry_run: DryRun = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Settle records as of no importance. Their orders can be cancelled again."""
    from worker.operations import dead_letters

    _require_one_selection(numbers, error, everything)
    if not (yes or dry_run):
        raise typer.BadParameter("an order they name may be cancelled for it: confirm with --yes")
    settings = load_settings()
    author = author_of(by, nobody="nobody" if dry_run else None)

    async def work() -> "DiscardResult":
        with progress_bar("discarding", beyond=dead_letters.CHUNK) as progress:
            async with open_database(settings) as database:
                return await dead_letters.discard(
                    database,
                    numbers or (),
                    error=error and error.value,
                    dry_run=dry_run,
                    author=author,
                    progress=progress,
                )

    result = finish(settings, work())
    if as_json:
        print_json({"dry_run": dry_run, **asdict(result)})
    else:
        done = "would discard" if dry_run else "discarded"
        console().print(f"{done} {len(result.discarded)}")
        _print_not_open(result.not_open)
    if result.not_open:
        raise typer.Exit(ExitStatus.FAULT)


def _require_one_selection(
    numbers: Sequence[int] | None, error: RefusalClass | None, everything: bool
) -> None:
    if bool(numbers) + (error is not None) + everything != 1:
        raise typer.BadParameter("give either IDs, --error or --all")


def _print_replay(result: "ReplayResult", dry_run: bool) -> None:
    out = console()
    out.print(f"{'would replay' if dry_run else 'replayed'} {len(result.replayed)}")
    for number, reason in result.failed.items():
        print_error(f"{number} was not replayed: {reason}")
    _print_not_open(result.not_open)
    if result.still_shielded:
        out.print(
            f"{len(result.still_shielded)} orders stay shielded, since their deadline is over and "
            "no worker has read the replayed record yet: if it does not settle them they are "
            "escalated, not cancelled"
        )


def _print_not_open(numbers: Sequence[int]) -> None:
    for number in numbers:
        print_error(f"{number} is settled already, or does not exist")


def _document(row: Mapping[str, Any], personal: bool) -> dict[str, Any]:
    """A dead letter for JSON; its key, headers and value only where ``personal`` is set."""
    names = (
        "id", "lane", "topic", "partition", "offset", "timestamp", "received_at", "error",
        "message", "shields", "published", "settled", "settled_by", "settled_at",
    )  # fmt: skip
    headers = zip(row["header_names"], row["header_values"], strict=True)
    return {
        **{name: row[name] for name in names},
        "key": _content(row["key"], personal),
        "value": _content(row["value"], personal),
        "headers": [
            {"name": name.decode(errors="replace"), **_content(value, personal)}
            for name, value in headers
        ],
    }


def _content(content: bytes | None, personal: bool) -> dict[str, Any]:
    if content is None:
        return {"bytes": None}
    shown: dict[str, Any] = {"bytes": len(content)}
    if personal:
        try:
            shown["text"] = content.decode()
        except UnicodeDecodeError:
            shown["base64"] = base64.b64encode(content).decode()
    return shown


def _described(content: Mapping[str, Any]) -> str:
    if content["bytes"] is None:
        return "none"
    size = count(content["bytes"], "byte")
    return str(content.get("text") or content.get("base64") or size)


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['topic']}/{row['partition']}/{row['offset']}"
