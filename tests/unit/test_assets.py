"""The files for operators: the same in the wheel as in the checkout, and printed on demand."""

import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from worker.__main__ import app
from worker.operations import assets

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "deploy/prometheus/plazo.rules.yaml").read_text(encoding="utf-8"))
ALERTS = {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}


def test_every_alert_has_a_runbook() -> None:
    assert set(assets.runbooks()) == ALERTS
    listed = CliRunner().invoke(app, ["runbook"])
    assert listed.stdout.splitlines() == sorted(ALERTS)


def test_a_runbook_is_printed_as_it_stands() -> None:
    printed = CliRunner().invoke(app, ["runbook", "PlazoLaneHalted"])
    assert printed.exit_code == 0
    assert printed.stdout == (ROOT / "deploy/runbooks/PlazoLaneHalted.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["plazolanehalted", "LaneHalted", "PlazoLaneHalt"])
def test_an_unknown_runbook_is_answered_with_the_nearest_name(name: str) -> None:
    printed = CliRunner().invoke(app, ["runbook", name])
    assert printed.exit_code == 1
    assert printed.stdout == ""
    assert printed.stderr == f"plazo: no runbook {name}; the nearest name is PlazoLaneHalted\n"


def test_assets_are_written_below_a_directory(tmp_path: Path) -> None:
    for _ in range(2):  # over its own files as well
        written = CliRunner().invoke(app, ["assets", str(tmp_path / "new")])
        assert written.exit_code == 0
    paths = {Path(line) for line in written.stdout.splitlines()}
    assert paths == {path for path in tmp_path.rglob("*") if path.is_file()}
    for name in ("runbooks/PlazoAbsent.md", "prometheus/plazo.rules.yaml", "grafana/plazo.json",
                 "postgres/roles.sql", "postgres/grants.sql"):  # fmt: skip
        assert (tmp_path / "new" / name).read_bytes() == (ROOT / "deploy" / name).read_bytes()
    schemas = {path.name for path in (ROOT / "schemas/json").iterdir()} | {
        "asyncapi.json",
        "decision.avsc",
        "decision.json",
        "connect.json",
    }
    assert {path.name for path in (tmp_path / "new/schemas").iterdir()} == schemas


def test_assets_report_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "runbooks").write_text("in the way")
    refused = CliRunner().invoke(app, ["assets", str(tmp_path)])
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"plazo: {tmp_path}: ")


def test_the_wheel_takes_each_asset_from_its_place_in_deploy() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    names = ("runbooks", *assets._FILES)
    assert included == {f"deploy/{name}": f"worker/assets/{name}" for name in names}
