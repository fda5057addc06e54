"""One file of settings beside the environment: what it may hold, and how its faults are told."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.__main__ import app

RUNNER = CliRunner()
TOML = """\
# The window is the rule's.
stock_window = "48h"
batch_size = 100
kafka_idempotence = false

[kafka]
bootstrap_servers = "a:1,b:2"

[database]
url = "postgresql://u:hush-hush@db/plazo"
"""
YAML = """\
# The window is the rule's.
stock_window: 48h
batch_size: 100
kafka_idempotence: no
board_token:
kafka:
  bootstrap_servers: a:1,b:2
database: {url: "postgresql://u:hush-hush@db/plazo"}
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, without what the environment of the tests may set."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("PLAZO_")]:
        monkeypatch.delenv(name)
    return tmp_path


def write(text: str, monkeypatch: pytest.MonkeyPatch, name: str = "plazo.toml") -> None:
    Path(name).write_text(text)
    monkeypatch.setenv("PLAZO_CONFIG", name)


def shown() -> dict[str, tuple[object, str]]:
    result = RUNNER.invoke(app, ["settings", "--json"])
    assert result.exit_code == 0, result.output
    assert "hush-hush" not in result.output
    return {row["setting"]: (row["value"], row["source"]) for row in json.loads(result.output)}


def refused(*commands: str) -> list[str]:
    for command in commands or ("settings",):
        result = RUNNER.invoke(app, command.split())
        assert result.exit_code == 2, result.output
    return result.stderr.splitlines()


@pytest.mark.parametrize(("name", "text"), [("plazo.toml", TOML), ("plazo.yaml", YAML)])
def test_both_kinds_say_the_same_and_are_named_with_their_line(
    name: str, text: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(text, monkeypatch, name)
    found = shown()
    lines = {key: i for i, line in enumerate(text.splitlines(), 1) for key in (line.split()[:1])}
    assert found["PLAZO_STOCK_WINDOW"] == ("P2D", f"{name}:2")
    assert found["PLAZO_BATCH_SIZE"] == (100, f"{name}:3")
    assert found["PLAZO_KAFKA_IDEMPOTENCE"] == (False, f"{name}:4")
    servers = lines.get("bootstrap_servers:", lines.get("bootstrap_servers"))
    assert found["PLAZO_KAFKA_BOOTSTRAP_SERVERS"] == ("a:1,b:2", f"{name}:{servers}")
    url = lines.get("database:", lines.get("url"))
    assert found["PLAZO_DATABASE_URL"] == ("(hidden)", f"{name}:{url}")
    assert found["PLAZO_BOARD_TOKEN"] == (None, "default")


def test_every_other_place_wins(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write('grace = "1s"\nmode = "shadow"\nbatch_size = 1\ngroup_id = "file"\n', monkeypatch)
    Path(".env").write_text("PLAZO_GRACE=2s\nPLAZO_MODE=live\n")
    Path("secrets").mkdir()
    Path("secrets/plazo_batch_size").write_text("3")
    Path("secrets/plazo_grace").write_text("9s")
    monkeypatch.setenv("PLAZO_SECRETS_DIR", "secrets")
    monkeypatch.setenv("PLAZO_MODE", "shadow")
    found = shown()
    assert found["PLAZO_MODE"] == ("shadow", "environment")
    assert found["PLAZO_GRACE"] == ("PT2S", ".env")
    assert found["PLAZO_BATCH_SIZE"] == (3, "secrets")
    assert found["PLAZO_GROUP_ID"] == ("file", "plazo.toml:4")


def test_the_directory_of_secrets_may_stand_in_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("secrets").mkdir()
    Path("secrets/plazo_database_url").write_text("postgresql://u:hush-hush@db/plazo")
    write('secrets_dir = "secrets"\n', monkeypatch)
    assert shown()["PLAZO_DATABASE_URL"] == ("(hidden)", "secrets")


def test_all_faults_come_at_once_with_their_places(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt window would cancel by the default, a day early."""
    write('stock_windows = "48h"\ngrace = 30\n\n[kafka]\nsasl_pasword = "hush"\n', monkeypatch)
    monkeypatch.setenv("PLAZO_BATCH_SIZE", "0")
    assert sorted(refused("check", "settings")) == [
        "PLAZO_BATCH_SIZE: must be greater than or equal to 1 (from environment)",
        "PLAZO_GRACE: not a duration such as 24h, 30s or PT24H (from plazo.toml:2)",
        "plazo.toml:1: stock_windows: no such setting; did you mean stock_window?",
        "plazo.toml:5: kafka_sasl_pasword: no such setting; did you mean kafka_sasl_password?",
    ]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.toml", 'grace = "30s"\nx = hush\n', "a.toml:2: is not TOML"),
        ("a.yaml", "grace: 30s\nurl: [hush\n", "a.yaml:3: is not YAML"),
        ("a.yaml", "- hush\n", "a.yaml:1: must be names and values, as in `grace: 30s`"),
        ("a.yaml", "grace: 1s\ngrace: 2s\n", "a.yaml:2: grace stands in line 1 already"),
        ("a.toml", 'a_x = "a"\n[a]\nx = "b"\n', "a.toml:3: a_x stands in line 1 already"),
        ("a.toml", 'group_id = ["hush"]\n', "a.toml:1: group_id must be one value, not a list"),
        ("a.toml", 'config = "b.toml"\n', "a.toml:1: config cannot stand in the file itself"),
        ("a.json", "{}", "a.json: its name must end in .toml, .yaml or .yml"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_as_meant_stops_every_command(
    name: str, text: str, fault: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(text, monkeypatch, name)
    lines = refused("migrate", "settings")
    assert any(line.startswith(fault) for line in lines), lines
    assert "hush" not in "".join(lines)


def test_a_file_that_does_not_exist(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAZO_CONFIG", "nowhere.toml")
    (line,) = refused()
    assert line.startswith("PLAZO_CONFIG: ")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("127.0.0.1", "'127.0.0.1' has no port; write host:port"),
        ("http://x:9092", "write 'x:9092' without http://"),
        ("a:9092,", "holds an empty entry"),
        ("a:abc", "the port of 'a:abc' must be a number"),
        ("a:70000", "the port of 'a:70000' must be a number"),
        ("::1:9092", "'::1:9092' has no port"),
    ],
)
def test_brokers_that_no_client_can_reach_are_refused(
    value: str, fault: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAZO_KAFKA_BOOTSTRAP_SERVERS", value)
    (line,) = refused("check")
    assert line.startswith(f"PLAZO_KAFKA_BOOTSTRAP_SERVERS: {fault}")


@pytest.mark.parametrize("value", ["a:1", " a:1 , b:2 ", "[::1]:9092"])
def test_brokers_as_people_write_them(
    value: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAZO_KAFKA_BOOTSTRAP_SERVERS", value)
    assert shown()["PLAZO_KAFKA_BOOTSTRAP_SERVERS"][0] == value.replace(" ", "")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("mysql://u:hush@h/d", "must begin with postgresql://, not with mysql://"),
        ("postgresql+asyncpg://u:hush@h/d", "must begin with postgresql://, not with"),
        ("u:hush@h/d", "must be a URL"),
        ("postgresql://u:hu@sh@h/d", "write @ in the user or password as %40"),
        ("postgresql://u:x@hu/sh@h/d", "write @ in the user or password as %40"),
        ("postgresql://u:hu/sh@h/d", "write / in the user or password as %2F"),
        ("postgresql://u:12/hush@h/d", "write / in the user or password as %2F"),
        ("postgresql://u:hu#sh@h/d", "write # in the user or password as %23"),
        ("postgresql://u:hu?sh@h/d", "write ? in the user or password as %3F"),
        ("postgresql://u:hu:sh@h/d", "write : in the user or password as %3A"),
        ("postgresql://u:hu%sh@h/d", "write % in the user or password as %25"),
        ("postgresql://u:hush@h:abc/d", "the port of 'h' must be a number"),
        ("postgresql://u:hush@a:1,b:x/d", "the port of 'b' must be a number"),
        ("postgresql://u:hush@[::1/d", "is no URL of the form"),
        ("postgresql://u:hush@h/d?sslmode=on", "sslmode must be one of"),
    ],
)
def test_a_url_that_would_be_misread_is_refused_without_its_password(
    url: str, fault: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAZO_DATABASE_URL", url)
    lines = refused("migrate")
    assert len(lines) == 1
    assert lines[0].startswith(f"PLAZO_DATABASE_URL: {fault}")
    assert "hush" not in lines[0]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40ss@h:5432/d", "postgres://h/d", "postgresql:///d?host=/run/postgresql",
        "postgresql://u@a:1,b:2/d?target_session_attrs=primary", "postgresql://u@[::1]:5432/d",
        "postgresql://h:5432/d?user=a@b", "postgresql://u@h/d?options=-c%20x%3Da@b", "postgresql://u@[::1]/d?sslmode=verify-full",
    ],
)  # fmt: skip
def test_urls_that_the_driver_reads(
    url: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAZO_DATABASE_URL", url)
    assert shown()["PLAZO_DATABASE_URL"] == ("(hidden)", "environment")
