"""``plazo runbook`` and ``plazo assets``: the files for operators that come with the program."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.output import fail


def runbook(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The name of an alert.")
    ] = None,
) -> None:
    """Print the runbook of an alert, or list all runbooks."""
    from worker.operations import assets

    if name is None:
        typer.echo("\n".join(assets.runbooks()))
    elif (page := assets.runbook(name)) is not None:
        typer.echo(page, nl=False)
    else:
        fail(f"no runbook {name}; the nearest name is {assets.nearest_runbook(name)}")


def assets(
    directory: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False)],
) -> None:
    """Write runbooks, alerts, roles, grants, dashboard, schemas and mappings to a directory."""
    from worker.operations.assets import write

    try:
        for path in write(directory):
            typer.echo(path)
    except OSError as error:
        fail(f"{directory}: {error.strerror or error}")
