"""``plazo format``: tries the file of a mapping on records, and lists the formats."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.contract import checked_content, refuse
from worker.cli.help import Commands
from worker.cli.options import AsJson, WithPersonalData
from worker.cli.output import console, print_json, table
from worker.errors import FormatInvalid
from worker.exit_status import ExitStatus

if TYPE_CHECKING:
    from worker.ingest.formats.mapping.adapter import MappingAdapter

app = Commands(name="format", no_args_is_help=True, help="Formats of other systems' records.")


@app.command("check")
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A mapping file, or `mapping:NAME`.")],
    samples: Annotated[
        str | None,
        typer.Option(metavar="FILE.jsonl", help="Records to try; `-` is the standard input."),
    ] = None,
    personal: WithPersonalData = False,
    as_json: AsJson = False,
) -> None:
    """Read a mapping file, try its own samples, and show record by record what others become."""
    adapter = _adapter(file, as_json=as_json)
    rows = (
        []
        if samples is None
        else list(_outcomes(adapter, samples, personal=personal, as_json=as_json))
    )
    refused = [row for row in rows if row["outcome"] == "refused"]
    empty = samples is not None and not rows
    if as_json:
        print_json({"ok": not refused and not empty, "records": rows})
    elif not rows:
        typer.echo("the file holds no records" if empty else f"{file}: its samples are as it says")
    else:
        shown = [[row["line"], row["outcome"], _told(row)] for row in rows]
        console().print(table(f"Records as {file} reads them", ("line", "outcome", ""), shown))
    if refused or empty:
        raise typer.Exit(ExitStatus.FAULT)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the formats that the settings can name, and where each comes from."""
    from importlib.metadata import entry_points

    from worker.ingest.formats import ADAPTERS
    from worker.ingest.formats.mapping.source import shipped, shipped_files
    from worker.settings import MAPPING, PLUGINS

    rows = [{"format": name, "source": "program", "about": ""} for name in ("plazo", *ADAPTERS)]
    rows += (
        {"format": f"{MAPPING}{name}", "source": "mapping", "about": shipped(name).about}
        for name in shipped_files()
    )
    rows += (
        {"format": one.name, "source": "plug-in", "about": one.dist.name if one.dist else ""}
        for one in entry_points(group=PLUGINS)
    )
    if as_json:
        print_json(rows)
        return
    names = ("format", "source", "about")
    console().print(table("Formats", names, ([*row.values()] for row in rows)))


def _adapter(file: str, *, as_json: bool) -> "MappingAdapter":
    from worker.ingest.formats import mapping_adapter
    from worker.settings import FILE, MAPPING

    name = file if file.startswith((FILE, MAPPING)) else f"{FILE}{file}"
    try:
        return mapping_adapter(name)
    except FormatInvalid as error:
        refuse(error.faults, as_json=as_json)


def _outcomes(adapter: "MappingAdapter", samples: str, *, personal: bool, as_json: bool) -> "Any":
    """Each record of a file with what it becomes."""
    from worker.ingest.formats.mapping.samples import shown
    from worker.operations.contract import trials

    content = checked_content(samples, as_json=as_json)
    for number, events, refusal in trials(content, adapter):
        row: dict[str, Any] = {"line": number, "outcome": "becomes", "events": [], "message": None}
        if refusal is not None:
            row |= {"outcome": "refused", "message": refusal}
        elif not events:
            row |= {"outcome": "passed over"}
        yield row | {"events": [shown(one, personal=personal) for one in events]}


def _told(row: dict[str, Any]) -> str:
    from worker.operations.format import to_json

    return row["message"] or ", ".join(to_json(event) for event in row["events"])
