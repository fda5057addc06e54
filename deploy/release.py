"""Makes the files of a release and says whether it is ready: ``python -m deploy.release``.

They stand in ``dist/``. It tags nothing and publishes nothing. It ends with 0 if it is ready,
and with 1 if a file could not be made or the checkout is not ready; with ``--dry-run`` only the
former counts.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.image import engine, sbom, steps
from deploy.wheel import check

ROOT = Path(__file__).parents[1]
SUMS = "SHA256SUMS"
# Where else the version stands, and how.
_VERSIONS = {
    "deploy/Dockerfile": r"^ARG VERSION={}$",
    "deploy/kubernetes/base/kustomization.yaml": r"newTag: {}\}}$",
    "deploy/helm/plazo/Chart.yaml": r"^appVersion: [\"']?{}[\"']?$",
    "docs/how-to/observe.md": r"dist/plazo-{}-py3",
}
_CHART = "deploy/helm/plazo"


def faults(root: Path, git: "Git") -> Iterator[str]:
    """What keeps the checkout from being released, a sentence each."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    notes = (root / "CHANGELOG.md").read_text("utf-8")
    section = re.search(
        rf"^## \[?{re.escape(version)}\]? - \d{{4}}-\d\d-\d\d$", notes, re.MULTILINE
    )
    if section is None:
        yield f"CHANGELOG.md has no section `## {version} - YYYY-MM-DD`"
    unreleased = re.search(r"^## Unreleased\n(.*?)(?=^## |\Z)", notes, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased[1].strip():
        yield "CHANGELOG.md lists changes as unreleased"
    if not (root / "schemas/released" / version).is_dir():
        yield f"the contract is not frozen: python -m tests.contract.freeze {version}"
    for name, pattern in _VERSIONS.items():
        file = root / name
        told = re.compile(pattern.format(re.escape(version)), re.MULTILINE)
        if file.exists() and not told.search(file.read_text("utf-8")):
            yield f"{name} names another version than {version}"
    if git.changed():
        yield "files differ from the commit"
    tagged = git.commit_of(f"v{version}")
    if tagged and tagged != git.commit_of("HEAD"):
        yield f"the tag v{version} is that of another commit"


class Unfit(RuntimeError):
    """A file is not what it is for; the message says which, and why."""


class Git:
    """What git knows of a checkout."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def changed(self) -> bool:
        """Whether a file differs from the commit; files that git does not know do not count."""
        return bool(self._ask("status", "--porcelain", "--untracked-files=no"))

    def commit_of(self, name: str) -> str:
        """The commit of a tag or branch; empty if there is none."""
        return self._ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self._root, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()


def make(directory: Path, *, image: bool) -> list[Path]:
    """Make each file anew; their paths, the sums last. Files of other names stay.

    Raises:
        subprocess.CalledProcessError: a tool failed, and has said why.
        NoEngine: no engine builds the image here.
        Unfit: a wheel or the sdist is not what it is for.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for old in (*directory.glob("plazo-*"), directory / SUMS):
        old.unlink(missing_ok=True)
    version = steps.version()
    _hatchling("false", "-t", "wheel", "-t", "sdist", "-d", directory)
    _hatchling("true", "-t", "wheel", "-d", directory)
    if found := [*check.faults(directory, ROOT)]:
        raise Unfit("; ".join(found))
    bill = directory / f"plazo-{version}.cdx.json"
    if sbom.main([str(ROOT / "deploy/requirements/worker.txt"), str(bill)]) != 0:
        raise subprocess.CalledProcessError(1, "sbom")
    if (ROOT / _CHART / "Chart.yaml").exists():
        _chart(directory / f"plazo-chart-{version}.tgz")
    if image:
        _image(engine.find(), version, directory / f"plazo-{version}-image.tar")
    files = sorted(directory.glob("plazo-*"))
    sums = directory / SUMS
    sums.write_text("".join(f"{_sum(file)}  {file.name}\n" for file in files), "utf-8")
    return [*files, sums]


def _hatchling(compiled: str, *arguments: str | Path) -> None:
    """``compiled`` says whether the hook of the wheel with compiled code is on."""
    switch = f"HATCH_BUILD_HOOK_ENABLE_CUSTOM={compiled}"
    _run("env", switch, sys.executable, "-m", "hatchling", "build", *arguments)


def _chart(file: Path) -> None:
    """As ``helm package`` does it: the folder under the chart's name."""
    with tarfile.open(file, "w:gz") as archive:
        for one in sorted((ROOT / _CHART).rglob("*")):
            if one.is_file():
                archive.add(one, f"plazo/{one.relative_to(ROOT / _CHART)}")


def _image(runs: engine.Engine, version: str, file: Path) -> None:
    tag = f"plazo:{version}"
    steps.build(runs, tag)
    _run(*runs.words("save", "--output", str(file), tag))


def _run(*command: str | Path) -> None:
    """Run it; show what it printed only if it fails."""
    steps.quietly([str(word) for word in command])


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def main(arguments: Sequence[str]) -> int:
    """Make the files, print what there is and what is missing, and return the status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.release", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="end with 0 though it is not ready")
    parser.add_argument("--without-image", action="store_true")
    parser.add_argument("--directory", type=Path, default=ROOT / "dist")
    chosen = parser.parse_args(arguments)
    found = [*faults(ROOT, Git(ROOT))]
    if chosen.without_image:
        found.append("the image was left out")
    try:
        for file in make(chosen.directory, image=not chosen.without_image):
            sys.stdout.write(f"{file}  {file.stat().st_size:,} bytes\n")
    except (engine.NoEngine, subprocess.CalledProcessError, Unfit) as error:
        sys.stderr.write(f"NOT MADE: {error}\n")
        return 1
    sys.stdout.write("".join(f"NOT READY: {fault}\n" for fault in found))
    if not found:
        sys.stdout.write(f"ready: git tag v{steps.version()}, then publish the files\n")
    return 1 if found and not chosen.dry_run else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
