"""`make audit` fails where nothing was audited, and the pages on the supply chain say what is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.audit import CLEAN, NOT_AUDITED, WEAK, audit, main
from worker import __version__

ROOT = Path(__file__).parents[2]
LOCKED = ROOT / "deploy/requirements/worker.txt"
A, B = {"name": "a", "version": "1", "vulns": []}, {"name": "B_c", "version": "2", "vulns": []}
FAULT = {"id": "PYSEC-1", "fix_versions": ["3"]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "locked.txt"
    path.write_text("a==1 \\\n    --hash=sha256:0\nb-c==2 \\\n    --hash=sha256:0\n")
    return path


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ([A, B], CLEAN, "2 of 2 locked dependencies"),
        ([A, {**B, "vulns": [FAULT]}], WEAK, "B_c 2: PYSEC-1, mended in 3"),
        ([A, {"name": "b-c", "skip_reason": "not found"}], NOT_AUDITED, "NOT AUDITED: b-c"),
        ([], NOT_AUDITED, "nothing was looked up"),
    ],
)
def test_only_a_whole_audit_passes(answer: list[Any], status: int, words: str, file: Path) -> None:
    found, lines = audit(file, lambda _: json.dumps({"dependencies": answer}))
    assert found == status
    assert words in lines[0]


@pytest.mark.parametrize("printed", ["", "[]", "{}", "Traceback"])
def test_a_service_out_of_reach_is_no_pass(printed: str, file: Path) -> None:
    status, lines = audit(file, lambda _: printed)
    assert (status, "out of reach" in lines[0]) == (NOT_AUDITED, True)


def test_a_lock_file_without_dependencies_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    assert audit(tmp_path / "empty.txt", lambda _: "{}")[0] == NOT_AUDITED


def test_it_passes_without_a_network_only_when_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("deploy.audit._pip_audit", lambda _: "")
    assert main([str(file)]) == NOT_AUDITED
    assert main([str(file), "--allow-unreachable"]) == CLEAN
    assert "NOT AUDITED" in capsys.readouterr().out


def test_the_lock_file_is_read() -> None:
    answer = {"dependencies": [A]}
    assert audit(LOCKED, lambda _: json.dumps(answer))[1] != ["NOT AUDITED"]
    (line,) = audit(LOCKED, lambda _: json.dumps(answer))[1]
    assert int(line.split()[2]) > 10


def test_the_policy_names_versions_times_and_a_contact() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    major, minor, *_ = __version__.split(".")
    assert f"| {major}.{minor} |" in page
    for head in ("## Supported versions", "## Report a weakness", "## Time to fix"):
        assert head in page


def test_the_table_of_scorecard_is_whole_and_names_what_exists() -> None:
    page = (ROOT / "docs/explanation/supply-chain.md").read_text()
    rows = re.findall(r"^\| ([A-Z][A-Za-z-]+) \| (yes|partly|no|not here) \| (.+) \|$", page, re.M)
    assert {name for name, *_ in rows} == {
        "Binary-Artifacts", "Branch-Protection", "CI-Tests", "CII-Best-Practices", "Code-Review",
        "Contributors", "Dangerous-Workflow", "Dependency-Update-Tool", "Fuzzing", "License",
        "Maintained", "Packaging", "Pinned-Dependencies", "SAST", "SBOM", "Security-Policy",
        "Signed-Releases", "Token-Permissions", "Vulnerabilities", "Webhooks",
    }  # fmt: skip
    for *_, text in rows:
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert (ROOT / "docs/explanation" / link).exists(), link
