"""``plazo export``: writes everything that is stored of one order."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.context import author_of, finish, open_database
from worker.cli.options import By
from worker.cli.output import fail, print_json
from worker.cli.settings import load_settings
from worker.operations.format import to_json

if TYPE_CHECKING:
    from typing import TextIO


def export(
    order: Annotated[str, typer.Argument(metavar="ORDER")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A new file that only you may read; by default stdout.",
        ),
    ] = None,
    by: By = None,
) -> None:
    """Write all that is stored of an order as one JSON document, personal data included."""
    from worker.operations.export import export as export_order

    settings = load_settings()
    author = author_of(by)

    async def read() -> dict[str, Any] | None:
        async with open_database(settings) as database:
            return await export_order(database, order, author)

    # Before the question: a file that cannot be made leaves no record of an export.
    file = _create(output) if output else None
    found = finish(settings, read())
    if found is None:
        if file and output:
            file.close()
            output.unlink()
        fail("nothing is known of this order: check the spelling; capitals count")
    if file is None:
        print_json(found)
        return
    with file:
        file.write(to_json(found, indent=2) + "\n")


def _create(output: Path) -> "TextIO":
    try:
        return os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    except OSError as error:
        raise typer.BadParameter(f"{output}: {error.strerror}", param_hint="--output") from None
