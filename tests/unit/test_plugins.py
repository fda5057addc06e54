"""Formats that other packages bring."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.events import RefusalClass
from schemas.models import OrderStatusChanged
from worker import __main__ as command_line
from worker.errors import FormatInvalid
from worker.ingest.decoder import Decoder
from worker.ingest.formats import adapters
from worker.records import Record, Refusal
from worker.settings import Settings

TEMPLATE = Path(__file__).parents[2] / "docs/examples/plazo-format-template"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
MODULE = """
from schemas.models import OrderStatusChanged

def good(value, recorded_at):
    fields = {"order_id": "7", "status": "canceled", "occurred_at": recorded_at}
    return (OrderStatusChanged.model_construct(**fields),)

def bug(value, recorded_at):
    raise KeyError(value)

def untyped(value, recorded_at):
    return [{"order_id": "7"}]

def naive(value, recorded_at):
    fields = {"order_id": "7", "status": "", "occurred_at": recorded_at.replace(tzinfo=None)}
    return (OrderStatusChanged.model_construct(**fields),)

def odd(value, recorded_at):
    fields = {"order_id": object(), "status": "x", "occurred_at": recorded_at}
    return (OrderStatusChanged.model_construct(**fields),)

text = "no function"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with plug-ins, installed by hand."""
    names = ("good", "bug", "untyped", "naive", "odd", "text", "missing")
    module = f"plugins_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{module}.py").write_text(MODULE)
    install(tmp_path, "acme", *(f"acme-{name} = {module}:{name}" for name in names))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(path: Path, package: str, *entries: str) -> None:
    metadata = path / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join(("[plazo.formats]", *entries)))


def read(name: str, value: bytes = b"secret", key: bytes = b"7") -> Any:
    settings = Settings(order_status_changed_format=name)
    decoder = Decoder.of(settings, timedelta(hours=24))
    topic = settings.order_status_changed_topic
    stamp = round(NOW.timestamp() * 1000)
    return decoder.decode(Record(topic, 0, 0, stamp, key, value, ()), NOW)


def test_a_plugin_is_a_format(package: Path) -> None:
    wanted = OrderStatusChanged(order_id="7", status="canceled", occurred_at=NOW)
    assert read("acme-good") == (wanted,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("acme-bug", "plug-in acme-bug: raises KeyError"),
        ("acme-untyped", "plug-in acme-untyped: returns no tuple of OrderCreated and"),
        ("acme-naive", "plug-in acme-naive: status: shorter than 1; plug-in acme-naive: occ"),
        ("acme-odd", "plug-in acme-odd: returns a field that raises"),
    ],
)
def test_a_bug_of_a_plugin_refuses_the_record_by_its_name(
    package: Path, name: str, message: str
) -> None:
    found = read(name)
    assert isinstance(found, Refusal)
    assert found.message.startswith(message)
    assert "secret" not in found.message
    assert found.order_ids == ("7",)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("acme-text", r"acme-text: plugins_\w+:text is no function"),
        ("acme-missing", "acme-missing: cannot load .*: AttributeError"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_a_fault(package: Path, name: str, fault: str) -> None:
    with pytest.raises(FormatInvalid, match="PLAZO_ORDER_CREATED_FORMAT: " + fault):
        adapters(Settings(order_created_format=name))


def test_a_name_that_two_packages_bring_is_a_fault(package: Path) -> None:
    install(package, "other", "acme-good = os:getcwd")
    with pytest.raises(FormatInvalid, match="several packages bring this format: acme, other"):
        adapters(Settings(order_created_format="acme-good"))


def test_the_template_installs_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, copy = tmp_path / "target", tmp_path / "copy"
    shutil.copytree(TEMPLATE, copy)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--disable-pip-version-check", "--root-user-action=ignore",
         "--target", target, copy],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    monkeypatch.syspath_prepend(str(target))
    (act,) = read("bar-acts", b"ACT|7|start-handling|2026-11-22T18:00:00Z")
    assert act.status == "start-handling"
    assert read("bar-acts", b"NOTE|7") == ()
    assert read("bar-acts", b"ACT|7|start-handling", key=b"8") == Refusal(
        RefusalClass.INVALID, "value: not four fields", ("7", "8")
    )
    assert (
        read("bar-acts", b"ACT|7|start-handling|soon").message
        == "occurred_at: not a time of RFC 3339 with an offset"
    )
    file = tmp_path / "lines.txt"
    file.write_text("ACT|7|start-handling|2026-11-22T18:00:00Z\nACT|8\nNOTE|7\n")
    outcome = CliRunner().invoke(
        command_line.app,
        ["contract", "check", str(file), "--format", "bar-acts", "--topic", "order-status-changed",
         "--json"],
    )  # fmt: skip
    report = json.loads(outcome.stdout)
    assert [one["line"] for one in report["refused"]] == [2]
    assert (report["passed_over"], sum(report["read"].values())) == (1, 2)
    own = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", copy / "tests"],
        capture_output=True, text=True, check=False, cwd=copy,
        env={"PYTHONPATH": f"{target}:{TEMPLATE.parents[2]}"},
    )  # fmt: skip
    assert own.returncode == 0, own.stdout
