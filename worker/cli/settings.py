"""The settings of a command, and the report of invalid ones."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from worker.settings import Settings


def load_settings() -> "Settings":
    """The settings from the environment.

    Raises:
        typer.Exit: status 2, after a line for each invalid variable.
    """
    from pydantic import ValidationError

    from worker.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        # All faults at once, and no value: one of them may be a password.
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = "_".join(str(part) for part in fault["loc"]) or "settings"
            typer.echo(f"PLAZO_{name.upper()}: {fault['msg']}", err=True)
        raise typer.Exit(2) from None
