"""``plazo contract check``: checks records before a publisher sends them."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.options import AsJson
from worker.cli.output import console, print_json, table
from worker.cli.settings import load_settings
from worker.exit_status import ExitStatus

app = typer.Typer(name="contract", no_args_is_help=True, help="The contract with publishers.")


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(metavar="FILE.jsonl", exists=True, dir_okay=False)],
    topic: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC",
            help="Topic of lines that name none: `order-created`, `order-status-changed`, or a "
            "topic of the settings.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read recorded events as the worker would, and report each refusal with its reason.

    Statuses that no table knows are reported with the nearest one that is known.
    """
    from schemas.models import OrderStatusChanged
    from schemas.statuses import nearest, normalise
    from worker.dev.recording import records
    from worker.ingest.decoder import Decoder
    from worker.policy import registry
    from worker.records import Record, Refusal

    settings = load_settings()
    policies = registry.load_policies(settings)
    known = policies.vocabulary.known
    decoder = Decoder.of(settings, policies.longest)
    now = datetime.now(UTC)
    read: Counter[str] = Counter()
    refused: list[dict[str, Any]] = []
    unknown: dict[str, dict[str, Any]] = {}
    for line in records(path, settings, topic):
        headers = tuple((name, text.encode()) for name, text in line.headers.items())
        stamp = int(now.timestamp() * 1000)
        record = Record(line.topic, 0, line.number, stamp, line.key, line.value, headers)
        found = decoder.decode(record, now)
        if isinstance(found, Refusal):
            refused.append(
                {"line": line.number, "error": found.error.value, "message": found.message}
            )
            continue
        read[line.topic] += 1
        for event in found if isinstance(found, tuple) else (found,):
            if isinstance(event, OrderStatusChanged) and normalise(event.status) not in known:
                like = nearest(event.status, known)
                first = {"status": event.status, "records": 0, "line": line.number, "nearest": like}
                unknown.setdefault(event.status, first)["records"] += 1
    if as_json:
        print_json({"read": dict(read), "refused": refused, "unknown": list(unknown.values())})
    else:
        for name, number in sorted(read.items()):
            typer.echo(f"{name}: {number} read")
        if unknown:
            rows = [[one or "" for one in each.values()] for each in unknown.values()]
            names = ("status", "records", "first line", "nearest known")
            console().print(table("Statuses that no table knows", names, rows))
        if refused:
            rows = [list(one.values()) for one in refused]
            console().print(table("Refusals", ("line", "error", "message"), rows))
    if refused or not read:
        raise typer.Exit(ExitStatus.FAULT)
