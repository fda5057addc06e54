"""The help of each command is in plain words."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from worker.__main__ import app


def commands(path: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in (getattr(command, "commands", None) or {}).items():
        yield from commands((*path, name), child)


ALL = [*commands((), typer.main.get_command(app))]


def help_of(*path: str) -> str:
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert shown.exit_code == 0
    return shown.output


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_no_python_type_and_no_inequality(path: tuple[str, ...]) -> None:
    assert re.findall(r"<\w[\w|\[\] -]*>|[<>]=", help_of(*path)) == []


def test_limits_and_choices_are_said() -> None:
    outlook = help_of("outlook")
    assert re.search(r"--hours +N +The hours to look ahead\. 1 to 336\. \[default: 24\]", outlook)
    assert re.search(r"--json  +Print", outlook)
    assert "--partitions              " in (topics := help_of("topics", "create"))
    assert "or 12. At least 1." in topics
    assert re.search(r"--status +STATUS +In this state\. One of in-force,", help_of("decisions"))


def test_the_limits_hold_after_the_help() -> None:
    help_of("outlook")
    assert CliRunner().invoke(app, ["outlook", "--hours", "337"]).exit_code == 2
