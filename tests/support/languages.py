"""The samples of the guides in other languages: what each needs, and how its programs are run."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import schemas
from tests.support.apache_kafka import fetch_jars

GUIDES = Path(schemas.__file__).parent / "guides"
CACHE = Path(__file__).parents[2] / ".cache" / "guides"


@dataclass(frozen=True)
class Language:
    """``command`` gives the words that run a sample, ``publisher`` or ``consumer``."""

    name: str
    tools: tuple[str, ...]
    required: bool  # in CI
    command: Callable[[str], list[str]]

    def missing(self) -> str | None:
        """What has to be installed before a sample can run."""
        absent = [tool for tool in self.tools if shutil.which(tool) is None]
        return f"no {' and no '.join(absent)} here" if absent else None


def _python(sample: str) -> list[str]:
    import sys

    return [sys.executable, str(GUIDES / f"{sample}.py")]


def _java(sample: str) -> list[str]:
    # A broker's jars hold the client's, and its JSON.
    source = GUIDES / "java" / f"{sample.capitalize()}.java"
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{fetch_jars()}{os.sep}*", str(source)]


def _node(sample: str) -> list[str]:
    install_node(GUIDES / "node", CACHE / "node")
    # Beside its modules, which must not lie in the package.
    shutil.copy(GUIDES / "node" / f"{sample}.js", CACHE / "node")
    return ["node", str(CACHE / "node" / f"{sample}.js")]


def _go(sample: str) -> list[str]:
    built = CACHE / "go"
    command = ["go", "build", "-o", f"{built}{os.sep}", "./..."]
    subprocess.run(command, cwd=GUIDES / "go", check=True, timeout=350)
    return [str(built / sample)]


def install_node(project: Path, folder: Path) -> None:
    """Install a project's modules in a folder as they are locked, unless that was done."""
    installed, lock = folder / "node_modules" / ".package-lock.json", project / "package-lock.json"
    folder.mkdir(parents=True, exist_ok=True)
    same = (folder / lock.name).exists() and (folder / lock.name).read_bytes() == lock.read_bytes()
    if same and installed.exists():
        return
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(project / name, folder)
    subprocess.run(["npm", "ci", "--no-progress"], cwd=folder, check=True, timeout=350)


LANGUAGES = (
    Language("python", (), True, _python),
    Language("java", ("java", "javac"), True, _java),
    Language("node", ("node", "npm"), True, _node),
    Language("go", ("go",), False, _go),
)
