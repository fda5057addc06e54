"""``plazo contract check``: what Plazo would make of records, before anybody sends them."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from worker.cli.output import console, print_json, table
from worker.dev.recording import records
from worker.ingest.decoder import Codec
from worker.policy import registry
from worker.records import Record, Refused
from worker.settings import Settings


def check(settings: Settings, path: Path, *, as_json: bool) -> None:
    """Read every record of the file as the worker would; exit 1 if it refuses one.

    Raises:
        BadRecording, PolicyInvalid
    """
    codec = Codec.of(settings, registry.book_of(settings).longest)
    now = datetime.now(UTC)
    read: Counter[str] = Counter()
    refused: list[dict[str, Any]] = []
    for line in records(path, settings):
        headers = tuple((name, text.encode()) for name, text in line.headers.items())
        stamp = int(now.timestamp() * 1000)
        record = Record(line.topic, 0, line.number, stamp, line.key, line.value, headers)
        found = codec.decode(record, now)
        if isinstance(found, Refused):
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
            console().print(table("Refused", ("line", "error", "message"), rows))
    if refused or not read:
        raise typer.Exit(1)
