"""The help of the commands in plain words.

Typer shows the Python type of each value, such as ``<bool>`` or ``<int range> [1<=x<=336]``. Here a
flag has no value, a number is ``N``, and the help says its limits and the words that it may be.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

# From here on a limit is only one of the place that holds the number.
_NO_LIMIT = 2**31 - 1


class _Plain:
    """Of a command or group: rewrites its parameters before the help shows them."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        for parameter in self.get_params(ctx):  # type: ignore[attr-defined]
            _explain(parameter)
        super().format_help(ctx, formatter)  # type: ignore[misc]


class PlainCommand(_Plain, TyperCommand):
    """A command with plain help."""


class PlainGroup(_Plain, TyperGroup):
    """A group of commands with plain help."""


class Commands(typer.Typer):
    """Commands and groups whose help is plain. It takes the arguments of ``typer.Typer``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=PlainGroup, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Register a command, as ``typer.Typer.command``."""
        return super().command(name, cls=PlainCommand, **options)


def _explain(one: Any) -> None:
    # The limits are for the help alone: what parses the value has its own.
    limits = _limits(getattr(one, "min", None), getattr(one, "max", None))
    one.min = one.max = None
    if one.param_type_name == "argument":  # it shows its name
        one.display_type_rich = lambda ctx: None
        return
    kind = one.type_descriptor.annotation
    said = [one.help or "", limits]
    if isinstance(kind, type) and issubclass(kind, Enum):
        said.append(f"One of {', '.join(str(member.value) for member in kind)}.")
    one.help = " ".join(filter(None, said))
    if one.metavar is None:
        one.metavar = "" if one.is_flag else "N" if kind in (int, float) else one.name.upper()


def _limits(least: float | None, most: float | None) -> str:
    if most is not None and most < _NO_LIMIT:
        return f"At most {most:,}." if least is None else f"{least:,} to {most:,}."
    return "" if least is None else f"At least {least:,}."
