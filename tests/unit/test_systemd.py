"""The units for a machine without containers: what systemd says of them, and what we promise."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from worker.__main__ import app
from worker.exit_status import ExitStatus
from worker.settings import Settings

UNITS = Path(__file__).parents[2] / "deploy/systemd"
SERVICES = sorted(UNITS.glob("*.service"))
# systemd's own measure: 10 is a service that may do anything, and below 2 it calls it OK.
EXPOSURE = 1.5


def values(file: Path, name: str) -> list[str]:
    """What a unit sets, in the order of its lines."""
    return re.findall(rf"^{name}=(.*)$", file.read_text(), re.MULTILINE)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        assert os.environ.get("CI") != "true", "CI needs systemd-analyze, of Debian's systemd"
        pytest.skip("systemd-analyze is not installed: the units were not checked")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """With a program where the installed one would be, and the misspelt line that it refuses."""
    program = tmp_path / "plazo"
    program.touch(0o755)
    for file in UNITS.glob("plazo*.[st]*"):
        text = file.read_text().replace("/opt/plazo/bin/plazo", str(program))
        (tmp_path / file.name).write_text(text)
    files = sorted(tmp_path.glob("*.[st]*"))
    assert len(files) == 3
    done = analyze("verify", *files)
    assert (done.returncode, done.stderr) == (0, "")
    wrong = tmp_path / "plazo.service"
    wrong.write_text(wrong.read_text().replace("ProtectSystem=strict", "ProtectSystem=strictly"))
    assert "strictly" in analyze("verify", wrong).stderr


@pytest.mark.parametrize("file", SERVICES, ids=lambda file: file.stem)
def test_systemd_finds_little_exposed(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / file.name
    copy.write_text(file.read_text())
    # The threshold is in tenths.
    check = ("security", "--offline=true", f"--threshold={int(EXPOSURE * 10)}", "--no-pager")
    done = analyze(*check, copy)
    assert done.returncode == 0, done.stdout
    copy.write_text(file.read_text().replace("ProtectClock=yes\n", ""))
    before = re.search(r"level for \S+ ([\d.]+)", done.stdout)
    after = re.search(r"level for \S+ ([\d.]+)", analyze(*check, copy).stdout)
    assert before
    assert after
    assert float(after[1]) > float(before[1])


def test_both_services_are_equally_confined() -> None:
    first, second = (file.read_text().partition("# No user of its own")[2] for file in SERVICES)
    assert second.partition("\n\n[Install]")[0].strip() == first.strip()


def test_a_drain_ends_before_it_is_cut_short() -> None:
    (stop,) = values(UNITS / "plazo.service", "TimeoutStopSec")
    assert int(stop) > Settings.model_construct().drain_timeout.total_seconds() + 8


def test_the_worker_is_back_before_the_others_take_its_lanes() -> None:
    file = UNITS / "plazo.service"
    (again,) = values(file, "RestartSec")
    # A start takes a second or two.
    assert int(again) + 2 < Settings.model_construct().instance_absence.total_seconds()
    assert "PLAZO_INSTANCE=%H-%N" in values(file, "Environment")


def test_wrong_settings_are_the_only_reason_to_give_up() -> None:
    """A broker that is away, a schema that is old: all of that can be mended without systemd."""
    file = UNITS / "plazo.service"
    assert values(file, "RestartPreventExitStatus") == [str(ExitStatus.INVALID.value)]
    assert values(file, "Restart") == ["on-failure"]
    assert values(file, "StartLimitIntervalSec") == ["0"]


@pytest.mark.parametrize("file", SERVICES, ids=lambda file: file.stem)
def test_units_start_what_the_command_knows(file: Path) -> None:
    (line,) = values(file, "ExecStart")
    _, name, *options = line.split()
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    assert command.make_context("plazo", options)


@pytest.mark.parametrize("file", SERVICES, ids=lambda file: file.stem)
def test_credentials_are_named_like_settings(file: Path) -> None:
    """systemd puts the name of the credential, and a line, before that of each file in it."""
    (credential,) = values(file, "LoadCredential")
    prefix = credential.partition(":")[0]
    assert f"{prefix}_".upper() == Settings.model_config["env_prefix"]
    assert "PLAZO_SECRETS_DIR=%d" in values(file, "Environment")[0]


def test_retention_has_a_secret_of_its_own() -> None:
    found = {file.stem: values(file, "LoadCredential")[0] for file in SERVICES}
    assert len(set(found.values())) == len(found) == 2
