"""``plazo contract check``: checks records before a publisher sends them."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.options import AsJson
from worker.cli.output import console, print_json, table
from worker.cli.settings import load_settings

app = typer.Typer(name="contract", no_args_is_help=True, help="The contract with publishers.")


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(metavar="FILE.jsonl", exists=True, dir_okay=False)],
    as_json: AsJson = False,
) -> None:
    """Read recorded events as the worker would, and report each refusal with its reason."""
    from worker.dev.recording import records
    from worker.ingest.decoder import Decoder
    from worker.policy import registry
    from worker.records import Record, Refusal

    settings = load_settings()
    decoder = Decoder.of(settings, registry.load_policies(settings).longest)
    now = datetime.now(UTC)
    read: Counter[str] = Counter()
    refused: list[dict[str, Any]] = []
    for line in records(path, settings):
        headers = tuple((name, text.encode()) for name, text in line.headers.items())
        stamp = int(now.timestamp() * 1000)
        record = Record(line.topic, 0, line.number, stamp, line.key, line.value, headers)
        found = decoder.decode(record, now)
        if isinstance(found, Refusal):
            refused.append(
                {"line": line.number, "error": found.error.value, "message": found.message}
            )
        else:
            read[line.topic] += 1
    if as_json:
        print_json({"read": dict(read), "refused": refused})
    else:
        for topic, number in sorted(read.items()):
            typer.echo(f"{topic}: {number} read")
        if refused:
            rows = [list(one.values()) for one in refused]
            console().print(table("Refusals", ("line", "error", "message"), rows))
    if refused or not read:
        raise typer.Exit(1)
