"""The settings of a command, the report of invalid ones, and ``plazo settings``."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from worker.cli.options import AsJson
from worker.cli.output import console, print_json, table

if TYPE_CHECKING:
    from worker.settings import Settings

_HIDDEN = "(hidden)"
# Of pydantic's messages, those that a person would not write.
_PLAIN = {
    "Value error, ": "",
    "Input should be": "must be",
    "Field required": "missing",
    "datetime.timedelta(0)": "0",
    "Value should have": "must have",
    " after validation, not": ", and has",
}


def load_settings() -> "Settings":
    """The settings from the environment.

    Raises:
        typer.Exit: status 2, after a line for each invalid or unknown variable.
    """
    settings, faults = find_settings()
    if settings is None or faults:
        for each in faults:
            typer.echo(each, err=True)
        raise typer.Exit(2)
    return settings


def find_settings(
    instead: Mapping[str, Any] | None = None,
) -> "tuple[Settings | None, list[str]]":
    """The settings from the environment, if they can be read, and the faults of all variables.

    ``instead`` holds fields that the command gives.
    """
    from pydantic import ValidationError

    from worker.settings import PREFIX, Settings, unknown_variables

    faults = [
        f"{name}: no such setting" + (f"; did you mean {nearest}?" if nearest else "")
        for name, nearest in unknown_variables()
    ]
    settings = None
    try:
        settings = Settings(**(instead or {}))
    except ValidationError as error:
        # All faults at once, and no value: one of them may be a password.
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = "_".join(str(part) for part in fault["loc"])
            message = fault["msg"]
            for ours, plain in _PLAIN.items():
                message = message.replace(ours, plain)
            faults.append(f"{PREFIX}{name.upper()}: {message}" if name else message)
    if settings is not None and settings.foreign_formats:
        from worker.ingest.formats import FormatInvalid, adapters

        try:
            adapters(settings)
        except FormatInvalid as error:
            faults += error.faults
    return settings, faults


def settings(as_json: AsJson = False) -> None:
    """Show each setting, its value and its source. Secrets are hidden."""
    found = load_settings()
    sources = found.sources()
    rows = [
        (f"PLAZO_{name.upper()}", _shown(getattr(found, name)), sources[name])
        for name, field in type(found).model_fields.items()
        if not field.exclude
    ]
    if as_json:
        print_json([dict(zip(("setting", "value", "source"), row, strict=True)) for row in rows])
        return
    console().print(table("Settings", ["setting", "value", "source"], rows))


def _shown(value: Any) -> Any:
    import isodate
    from pydantic import SecretStr

    if isinstance(value, SecretStr):
        return _HIDDEN
    if isinstance(value, timedelta):
        return isodate.duration_isoformat(value)
    return value if isinstance(value, bool | int | float | None) else str(value)
