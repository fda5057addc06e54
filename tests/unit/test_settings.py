"""What the settings refuse, wherever it is set."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from worker.__main__ import app
from worker.settings import Settings

LANES = "6-=postgresql://plazo:secret@host/plazo"
PLACES = ("environment", ".env", "secrets")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, without what the environment of the tests may set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLAZO_DATABASE_LANES", raising=False)
    return tmp_path


def put(place: str, value: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if place == "environment":
        monkeypatch.setenv("PLAZO_DATABASE_LANES", value)
    elif place == ".env":
        (directory / ".env").write_text(f"PLAZO_DATABASE_LANES={value}\n")
    else:
        (directory / "secrets").mkdir()
        (directory / "secrets" / "plazo_database_lanes").write_text(f"{value}\n")
        monkeypatch.setenv("PLAZO_SECRETS_DIR", str(directory / "secrets"))


@pytest.mark.parametrize("place", PLACES)
def test_lanes_in_several_databases_are_refused(
    place: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it were ignored, the worker could decide orders again that another database decided."""
    put(place, LANES, directory, monkeypatch)
    with pytest.raises(ValidationError) as refused:
        Settings()
    (fault,) = refused.value.errors()
    assert fault["loc"] == ("database_lanes",)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("place", PLACES)
def test_an_empty_setting_is_none(
    place: str, value: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place, value, directory, monkeypatch)
    assert Settings().database_lanes == ""


@pytest.mark.parametrize("command", ["run", "check", "migrate", "lanes", "dead-letters list"])
def test_no_command_starts_with_it(
    command: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("environment", LANES, directory, monkeypatch)
    answer = CliRunner().invoke(app, command.split())
    assert answer.exit_code == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith("PLAZO_DATABASE_LANES: an installation has one database now")
    assert "secret" not in line


def test_what_is_gone_is_not_documented() -> None:
    assert "PLAZO_DATABASE_LANES" not in {row[0] for row in Settings.documentation()}


def test_a_batch_may_not_be_smaller_than_a_record(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAZO_MAX_BATCH_BYTES", "999999")
    with pytest.raises(ValidationError, match="must not be below PLAZO_MAX_RECORD_BYTES"):
        Settings()
    monkeypatch.setenv("PLAZO_MAX_BATCH_BYTES", "1000000")
    assert Settings().max_batch_bytes == Settings().max_record_bytes
