"""``plazo contract check``: checks records before a publisher sends them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from worker.cli.context import finish
from worker.cli.errors import print_error
from worker.cli.help import Commands
from worker.cli.options import AsJson
from worker.cli.output import console, print_json, table
from worker.cli.settings import find_settings
from worker.errors import FormatInvalid, PolicyInvalid
from worker.exit_status import ExitStatus

if TYPE_CHECKING:
    from worker.operations.contract import Report
    from worker.settings import Settings

app = Commands(name="contract", no_args_is_help=True, help="The contract with publishers.")

Records = Annotated[str, typer.Argument(metavar="FILE", help="`-` is the standard input.")]
Topic = Annotated[
    str | None,
    typer.Option(
        metavar="TOPIC",
        help="Topic of all records: `order-created`, `order-status-changed`, or a topic of the "
        "settings.",
    ),
]
Format = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="Format of the records, instead of the settings': `vtex-order`, `mapping:shopify`, "
        "`file:orders.yaml`, … May be repeated.",
    ),
]


@app.command("check")
def check(
    file: Records, topic: Topic = None, formats: Format = None, as_json: AsJson = False
) -> None:
    """Read records as the worker would; report each refusal, what is wanted, and what looks odd.

    A file holds JSON documents, one a line or in an array, or the output of kcat or of Kafka's
    console consumer. A line that cannot be read is reported, and the rest is read.
    """
    settings = settings_for(formats, as_json=as_json)
    report = checked(file, settings, topic, formats, as_json=as_json)
    if as_json:
        print_json(report.as_json())
    else:
        show(report)
    if not report.good:
        raise typer.Exit(ExitStatus.FAULT)


def settings_for(formats: list[str] | None, *, as_json: bool) -> "Settings":
    """The settings with these formats instead; their faults end the command with status 2."""
    settings, faults = find_settings({} if not formats else _overrides(formats, as_json=as_json))
    if settings is None or faults:
        refuse(faults, as_json=as_json)
    return settings


def checked(
    file: str, settings: "Settings", topic: str | None, formats: list[str] | None, *, as_json: bool
) -> "Report":
    """The report on a file; a fault of its use ends the command with status 2."""
    from worker.operations.contract import check
    from worker.operations.record_files import known_topic
    from worker.policy import registry

    name = None
    if topic is not None:
        name = known_topic(topic, settings)
        if name is None:
            refuse([f"--topic: {topic} is no topic of the settings"], as_json=as_json)
    elif formats and settings.foreign_formats:
        # Where one format serves both topics, as that of an order.
        name = next(iter(settings.foreign_formats))
    content = checked_content(file, as_json=as_json)
    try:
        policies = registry.load_policies(settings)
        return finish(settings, check(content, settings, policies, name))
    except (FormatInvalid, PolicyInvalid) as error:
        refuse(error.faults, as_json=as_json)


def checked_content(file: str, *, as_json: bool) -> bytes:
    """The bytes of a file; one that cannot be read ends the command with status 2."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        refuse([f"{file}: {error.strerror or error}"], as_json=as_json)


def refuse(faults: "tuple[str, ...] | list[str]", *, as_json: bool) -> NoReturn:
    """Report wrong use or settings, as JSON too.

    Raises:
        typer.Exit: with status 2.
    """
    if as_json:
        print_json({"ok": False, "faults": list(faults)})
    else:
        for fault in faults:
            print_error(fault)
    raise typer.Exit(ExitStatus.INVALID)


def show(report: "Report") -> None:
    """Print a report for people."""
    if not report.records:
        print_error("the file holds no records")
    for name, number in sorted(report.read.items()):
        typer.echo(f"{name}: {number} read")
    if report.passed_over:
        typer.echo(f"passed over, as not ours: {report.passed_over}")
    if report.unknown:
        rows = [[one or "" for one in each.values()] for each in report.unknown.values()]
        names = ("status", "records", "first line", "nearest known")
        console().print(table("Statuses that no table knows", names, rows))
    warnings = [one for one in report.warnings if one["kind"] != "unknown-status"]
    if warnings:
        rows = [[one["line"], one["field"], one["message"]] for one in warnings]
        console().print(table("Warnings", ("line", "field", "message"), rows))
    if report.refused:
        rows = [_refusal(one) for one in report.refused]
        console().print(table("Refusals", ("line", "error", "message", "wanted"), rows))


def _refusal(one: dict[str, Any]) -> list[Any]:
    return [one["line"], one["error"], one["message"], "; ".join(one["wanted"])]


def _overrides(formats: list[str], *, as_json: bool) -> dict[str, Any]:
    """The settings that formats stand for; a mapping may serve both topics."""
    from worker.ingest.formats import mapping_adapter
    from worker.settings import FILE, MAPPING

    orders, acts = "order_created_format", "order_status_changed_format"
    served = {"vtex-order": orders, "mirakl-order": orders, "vtex-feed": acts, "vtex-hook": acts,
              "mirakl-acts": acts}  # fmt: skip
    found: dict[str, Any] = {}
    for name in formats:
        if name in served:
            found[served[name]] = name
        elif name.startswith((MAPPING, FILE)):
            try:
                adapter = mapping_adapter(name)
            except FormatInvalid as error:
                refuse(error.faults, as_json=as_json)
            found |= {orders: name} if adapter.brings_orders else {}
            found |= {acts: name} if adapter.brings_acts else {}
        elif name != "plazo":
            found |= {orders: name, acts: name}  # a plug-in; --topic tells which one it is
    return found or {orders: "plazo", acts: "plazo"}
