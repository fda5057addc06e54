"""What `make release` makes, and what it wants of a checkout before it calls a release ready."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from deploy import release
from tests.support.native import needs_compiled
from worker import __version__

ROOT = Path(__file__).parents[2]
CHECKED = ("pyproject.toml", "deploy/Dockerfile", "docs/how-to/observe.md",
           "deploy/kubernetes/base/kustomization.yaml")  # fmt: skip
READY = f"# Changelog\n\n## Unreleased\n\n## {__version__} - 2026-11-27\n\n- All of it.\n"


@needs_compiled
def test_a_dry_run_makes_all_files_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stays = tmp_path / "notes.txt"
    stays.write_text("ours")
    (tmp_path / "plazo-0.0.9.tar.gz").write_text("of another release")
    arguments = ["--without-image", "--directory", str(tmp_path)]
    assert release.main([*arguments, "--dry-run"]) == 0
    assert "NOT READY: the image was left out\n" in capsys.readouterr().out
    made = {file.name for file in tmp_path.iterdir()} - {stays.name}
    assert made >= {
        f"plazo-{__version__}-py3-none-any.whl", f"plazo-{__version__}.tar.gz",
        f"plazo-{__version__}.cdx.json", release.SUMS,
    }  # fmt: skip
    assert len([name for name in made if "-cp311-abi3-" in name]) == 1
    assert all(__version__ in name for name in made - {release.SUMS})
    # As those who download it check it.
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", release.SUMS],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert {line.partition(":")[0] for line in checked} == made - {release.SUMS}
    with ZipFile(tmp_path / f"plazo-{__version__}-py3-none-any.whl") as wheel:
        assert "worker/__main__.py" in wheel.namelist()
    bill = json.loads((tmp_path / f"plazo-{__version__}.cdx.json").read_text())
    assert bill["metadata"]["component"]["version"] == __version__


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One that is ready, with a commit and its tag."""
    for name in CHECKED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(READY)
    (tmp_path / "schemas/released" / __version__).mkdir(parents=True)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    commit(tmp_path)
    git(tmp_path, "tag", f"v{__version__}")
    return tmp_path


def test_a_whole_checkout_is_ready(checkout: Path) -> None:
    assert found(checkout) == []
    git(checkout, "tag", "--delete", f"v{__version__}")
    assert found(checkout) == []


def _write(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        file = root / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        commit(root)
        git(root, "tag", "--force", f"v{__version__}")

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_write("CHANGELOG.md", f"## {__version__} -", "## 9.9.9 -"), "has no section"),
        (_write("CHANGELOG.md", "Unreleased\n", "Unreleased\n- More.\n"), "as unreleased"),
        (_write("deploy/Dockerfile", f"VERSION={__version__}", "VERSION=9"), "Dockerfile names"),
        (_write(CHECKED[3], f"newTag: {__version__}", "newTag: 9"), "kustomization.yaml names"),
        (lambda root: (root / "schemas/released" / __version__).rmdir(), "is not frozen"),
        (lambda root: (root / "CHANGELOG.md").write_text(f"{READY}\n"), "differ from the commit"),
        (lambda root: commit(root, "--allow-empty"), "of another commit"),
    ],
)
def test_each_fault_is_named(checkout: Path, change: Callable[[Path], None], fault: str) -> None:
    change(checkout)
    (told,) = found(checkout)
    assert fault in told


def found(root: Path) -> list[str]:
    return [*release.faults(root, release.Git(root))]


def commit(root: Path, *options: str) -> None:
    author = ("-c", "user.name=Ana", "-c", "user.email=ana@plazo.example")
    git(root, *author, "commit", "--quiet", "--all", "--message", "Change", *options)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)
