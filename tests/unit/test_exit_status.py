"""The status and the form with which commands fail: one table, held against every error."""

import inspect
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer.main
from typer.testing import CliRunner

from worker import documentation, errors
from worker.__main__ import app
from worker.exit_status import ExitStatus, exit_status, has_status

ROOT = Path(__file__).parents[2]
OURS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.PlazoError)
]
UNREADABLE = {"PLAZO_GRACE": "soon"}
NOWHERE = {"PLAZO_DATABASE_URL": "postgresql://somebody:hush@127.0.0.1:1/orders"}


def leaves(command: click.Command, *path: str) -> list[tuple[str, ...]]:
    children = getattr(command, "commands", {})
    found = [] if children else [path]
    for name, child in children.items():
        found += leaves(child, *path, name)
    return found


COMMANDS = leaves(typer.main.get_command(app))
# What they cannot do without.
ARGUMENTS = {
    ("brake", "escalate"): ["--all", "--yes", "--by", "x"],
    ("brake", "release"): ["--all", "--yes", "--by", "x"],
    ("contract", "check"): ["FILE"],
    ("dead-letters", "discard"): ["1", "--yes", "--by", "x"],
    ("dead-letters", "replay"): ["1", "--by", "x"],
    ("dead-letters", "show"): ["1"],
    ("deliver",): ["--to", "https://receiver.example/"],
    ("erase",): ["a", "--by", "x"],
    ("explain",): ["a"],
    ("export",): ["a"],
    ("forget",): ["--older-than", "90d"],
    ("policy", "show"): ["--seller", "s"],
    ("policy", "simulate"): ["FILE"],
    ("replay",): ["--from", "2026-01-01T00:00:00Z"],
}
# Those that read no settings, or ask for more first: their own tests try them.
OTHERS = {("assets",), ("runbook",), ("format", "check"), ("format", "list"), ("lanes", "skip"),
          ("brake", "release"), ("brake", "escalate"), ("positions", "rewind"),
          ("deadlines", "extend"), ("deadlines", "hold"), ("deadlines", "release")}  # fmt: skip


def plazo(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PLAZO_")}
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments], env={**kept, **variables}, cwd=ROOT,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_of_ours_has_its_row(kind: type[errors.PlazoError]) -> None:
    """One that nobody placed would end like a failed check."""
    assert has_status(kind)


def test_a_class_without_a_row_ends_like_its_base() -> None:
    class Dropped(errors.DatabaseUnavailable):
        pass

    assert exit_status(Dropped("x", "-")) == ExitStatus.UNAVAILABLE


def test_the_reference_lists_each_status() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text()
    assert documentation.fill(page) == page
    for status in ExitStatus:
        assert f"\n| {int(status)} | {status.meaning} |" in page


def test_most_commands_are_known_here() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_ends_with_the_status_of_wrong_use(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--no-such-option"])
    assert result.exit_code == ExitStatus.INVALID


@pytest.mark.parametrize("command", sorted({*COMMANDS} - OTHERS), ids=" ".join)
def test_every_command_that_reads_settings_ends_with_the_status_of_bad_ones(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "FILE").write_text("{}")
    given = [str(tmp_path / one) if one in ("FILE", "DIR") else one
             for one in ARGUMENTS.get(command, [])]  # fmt: skip
    for name, value in UNREADABLE.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, [*command, *given])
    assert result.exit_code == ExitStatus.INVALID, result.output
    assert "PLAZO_GRACE: " in result.output


def test_no_database_is_told_with_host_database_and_role() -> None:
    result = plazo("sellers", **NOWHERE)
    assert result.returncode == ExitStatus.UNAVAILABLE
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "plazo: Postgres: nothing listens there: 127.0.0.1:1, database orders, role somebody; "
    )
    assert "hush" not in line
    assert "SQLSTATE" not in line


@pytest.mark.parametrize("asked", [("--json",), ()])
def test_an_error_is_one_line_of_json_for_programs(asked: tuple[str, ...]) -> None:
    variables = {} if asked else {"PLAZO_LOG_FORMAT": "json"}
    result = plazo("sellers", *asked, **NOWHERE, **variables)
    line = json.loads(result.stderr.splitlines()[-1])
    assert (line["error"], line["status"]) == ("DatabaseUnavailable", result.returncode)
    assert line["level"] == "error"
    assert line["event"] == "command_failed"
    assert "database orders" in line["message"]


def test_the_last_line_of_a_worker_is_json_like_its_logs() -> None:
    result = plazo("run", **UNREADABLE)
    assert result.returncode == ExitStatus.INVALID
    assert [json.loads(line)["message"] for line in result.stderr.splitlines()] == [
        "PLAZO_GRACE: not a duration such as 24h, 30s or PT24H (from environment)"
    ]


def test_wrong_use_is_json_for_programs_and_a_frame_for_people() -> None:
    result = plazo("sellers", "--json", "--such")
    assert result.returncode == ExitStatus.INVALID
    assert json.loads(result.stderr)["error"] == "NoSuchOption"
    people = plazo("sellers", "--such")
    assert people.returncode == ExitStatus.INVALID
    assert "No such option" in people.stderr


def test_every_fault_of_a_policy_file_is_a_line_of_json(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text("version: 1\npolicies:\n  - name: a\n    window: soon\n    grase: 1s\n")
    result = plazo("policy", "check", str(file), "--json")
    assert result.returncode == ExitStatus.INVALID
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert {line["error"] for line in lines} == {"PolicyInvalid"}
    assert len(lines) > 1


def test_a_worker_whose_port_is_taken_says_so_with_a_status_of_its_own() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = plazo("run", PLAZO_HTTP_PORT=port, **NOWHERE)
    assert result.returncode == ExitStatus.NOT_LISTENING
    assert "PLAZO_HTTP_PORT" in json.loads(result.stderr.splitlines()[-1])["message"]
