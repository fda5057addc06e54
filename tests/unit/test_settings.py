"""What the settings refuse, wherever it is set."""

import json
import os
import re
from datetime import timedelta
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
    for name in [name for name in os.environ if name.upper().startswith("PLAZO_")]:
        monkeypatch.delenv(name)
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


@pytest.mark.parametrize("command", ["check", "migrate", "lanes", "dead-letters list"])
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


RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("PLAZO_STOCK_WINDOWS", "PLAZO_STOCK_WINDOW"),
        ("plazo_grase", "PLAZO_GRACE"),
        ("PLAZO_HTP_PORT", "PLAZO_HTTP_PORT"),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_misspelt_setting_is_refused_with_the_nearest(
    place: str, name: str, nearest: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ignored, it would cancel orders by the default, a day early."""
    if place == ".env":
        (directory / ".env").write_text(f"{name}=PT48H\n")
    else:
        monkeypatch.setenv(name, "PT48H")
    for command in ("run", "check", "settings"):
        result = RUNNER.invoke(app, [command])
        assert result.exit_code == 2
        assert f"{name}: no such setting; did you mean {nearest}?" in result.output


def test_what_kubernetes_sets_beside_a_service_is_no_setting(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "PLAZO_SERVICE_HOST", "PLAZO_SERVICE_PORT", "PLAZO_SERVICE_PORT_HTTP", "PLAZO_PORT",
        "PLAZO_PORT_9464_TCP", "PLAZO_PORT_9464_TCP_ADDR", "PLAZO_METRICS_SERVICE_HOST",
        "PLAZO_METRICS_PORT_9464_TCP_PROTO",
    ):  # fmt: skip
        monkeypatch.setenv(name, "tcp://10.0.0.1:9464")
    assert RUNNER.invoke(app, ["settings"]).exit_code == 0


def test_all_faults_come_at_once_in_plain_words(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAZO_GRACE", "soon")
    monkeypatch.setenv("PLAZO_STOCK_WINDOW", "P1Y")
    monkeypatch.setenv("PLAZO_BATCH_SIZE", "0")
    monkeypatch.setenv("PLAZO_LOG_LEVEL", "loud")
    monkeypatch.setenv("PLAZO_BATCHSIZE", "7")
    monkeypatch.setenv("PLAZO_BOARD_TOKEN", "short")
    result = RUNNER.invoke(app, ["check"])
    assert result.exit_code == 2
    assert sorted(result.output.splitlines()) == [
        "PLAZO_BATCHSIZE: no such setting; did you mean PLAZO_BATCH_SIZE?",
        "PLAZO_BATCH_SIZE: must be greater than or equal to 1 (from environment)",
        "PLAZO_BOARD_TOKEN: must have at least 16 characters, and has 5 (from environment)",
        "PLAZO_GRACE: not a duration such as 24h, 30s or PT24H (from environment)",
        "PLAZO_LOG_LEVEL: must be 'debug', 'info', 'warning' or 'error' (from environment)",
        "PLAZO_STOCK_WINDOW: years and months have no fixed length: use days or hours "
        "(from environment)",
    ]


def test_the_level_of_the_log_is_read_in_any_case(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAZO_LOG_LEVEL", "INFO")
    assert Settings().log_level == "info"


@pytest.mark.parametrize("field", [*Settings.model_fields])
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_empty_is_unset(
    place: str, field: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"PLAZO_{field.upper()}"
    if place == ".env":
        (directory / ".env").write_text(f"{name}=\n")
    else:
        monkeypatch.setenv(name, "")
    assert Settings() == Settings.model_construct()


@pytest.mark.parametrize("text", ["48h", "PT48H", "2d", " 2d ", "172800s"])
def test_durations_as_people_write_them(
    text: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAZO_STOCK_WINDOW", text)
    assert Settings().stock_window == timedelta(days=2)


def test_each_value_is_shown_with_its_source_and_no_secret(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / ".env").write_text("PLAZO_GRACE=90s\nPLAZO_MODE=live\n")
    (directory / "secrets").mkdir()
    (directory / "secrets" / "plazo_database_url").write_text("postgresql://u:hush-hush@db/plazo")
    monkeypatch.setenv("PLAZO_SECRETS_DIR", str(directory / "secrets"))
    monkeypatch.setenv("PLAZO_MODE", "shadow")
    result = RUNNER.invoke(app, ["settings", "--json"])
    assert "hush-hush" not in result.output
    shown = {row["setting"]: (row["value"], row["source"]) for row in json.loads(result.output)}
    assert shown["PLAZO_GRACE"] == ("PT1M30S", ".env")
    assert shown["PLAZO_MODE"] == ("shadow", "environment")
    assert shown["PLAZO_DATABASE_URL"] == ("(hidden)", str(directory / "secrets"))
    assert shown["PLAZO_STOCK_WINDOW"] == ("P1D", "default")
    assert "PLAZO_GRACE" in RUNNER.invoke(app, ["settings"]).output


@pytest.mark.parametrize("name", ["public", "cell_a", "user", "_7", "a" * 63])
def test_the_name_of_a_schema(name: str) -> None:
    assert Settings(_env_file=None, database_schema=name).database_schema == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "Cell", "7a", "a-b", 'a"; DROP', "a,public", "pg_a", "information_schema", "a" * 64],
)
def test_a_name_that_is_refused(name: str) -> None:
    """Folded, cut or quoted, it would name another schema than the one that it seems to."""
    with pytest.raises(ValidationError):
        Settings(_env_file=None, database_schema=name)


def test_messages_name_settings_that_exist() -> None:
    known = {f"PLAZO_{name.upper()}" for name in Settings.model_fields}
    told = {
        name
        for path in (Path(__file__).parents[2] / "worker").rglob("*.py")
        for name in re.findall(r"\bPLAZO_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert {"PLAZO_KEYS", "PLAZO_DEADLINE_CHANGES_TOPIC"} <= told <= known
