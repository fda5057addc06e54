"""The settings of a command, the report of invalid ones, and ``plazo settings``."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from worker.cli.errors import print_faults
from worker.cli.options import AsJson
from worker.cli.output import console, print_json, table
from worker.durations import written
from worker.exit_status import ExitStatus

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
    "items after validation, not": "characters, and has",
    " after validation, not": ", and has",
}


def load_settings() -> "Settings":
    """The settings from the environment and its files.

    Raises:
        typer.Exit: status 2, after a line for each invalid or unknown setting.
    """
    settings, faults = find_settings()
    if settings is None or faults:
        print_faults(faults)
        raise typer.Exit(ExitStatus.INVALID)
    return settings


def find_settings(
    instead: Mapping[str, Any] | None = None,
) -> "tuple[Settings | None, list[str]]":
    """The settings from the environment, if they can be read, and the faults of all variables.

    ``instead`` holds fields that the command gives.
    """
    from pydantic import ValidationError

    from worker.settings import PREFIX, Settings, sources, unknown_settings

    faults = list(unknown_settings())
    settings = None
    try:
        settings = Settings(**(instead or {}))
    except ValidationError as error:
        # All faults at once, and no value: one of them may be a password.
        places = sources()
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = "_".join(str(part) for part in fault["loc"])
            message = fault["msg"]
            for ours, plain in _PLAIN.items():
                message = message.replace(ours, plain)
            place = places.get(name, "default")
            source = "" if place == "default" else f" (from {place})"
            faults.append(f"{PREFIX}{name.upper()}: {message}{source}" if name else message)
    if settings is not None and settings.foreign_formats:
        from worker.ingest.formats import FormatInvalid, adapters

        try:
            adapters(settings)
        except FormatInvalid as error:
            faults += error.faults
    return settings, faults


def settings(as_json: AsJson = False) -> None:
    """Show each setting, its value and source, and the default that it replaces; no secret."""
    from worker.settings import sources

    found = load_settings()
    places = sources()
    show = partial(_shown, as_iso=as_json)
    rows = []
    for name, field in type(found).model_fields.items():
        if not field.exclude:
            value = getattr(found, name)
            other = value != field.default
            default = show(field.default) if other and places[name] != "default" else ""
            rows.append((f"PLAZO_{name.upper()}", show(value), places[name], default))
    columns = ("setting", "value", "source", "default")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    console().print(table("Settings", [*columns[:3], "differs from"], rows))


def _shown(value: Any, *, as_iso: bool) -> Any:
    import isodate
    from pydantic import SecretStr

    if isinstance(value, SecretStr):
        return _HIDDEN
    if isinstance(value, timedelta):
        return isodate.duration_isoformat(value) if as_iso else written(value)
    return value if isinstance(value, bool | int | float | None) else str(value)
