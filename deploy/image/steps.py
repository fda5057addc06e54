"""The steps from a checkout to an image, each timed."""

import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from deploy.image import debian
from deploy.image.engine import Engine

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
# Where pip looks for the configuration of a machine and of a user.
_PIP_CONFIGURATIONS = ("/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Print the seconds that a step took."""
    began = time.monotonic()
    yield
    sys.stdout.write(f"{step}: {time.monotonic() - began:.0f} s\n")
    sys.stdout.flush()


def debian_bases(engine: Engine, directory: Path, bases: Mapping[str, Sequence[str]]) -> None:
    """Make bases of Debian packages, by their tags, and bring them into the engine's store."""
    archives = {tag: directory / f"{number}.tar" for number, tag in enumerate(bases)}
    # At a time: most of it is to wait for the mirror and for the disk.
    with timed(f"bases of Debian {debian.SUITE}"), ThreadPoolExecutor() as pool:
        for _ in pool.map(debian.make, archives.values(), bases.values()):
            pass
    with timed("import of the bases"):
        for tag, archive in archives.items():
            quietly(engine.words("import", str(archive), tag))
            archive.unlink()


def build(
    engine: Engine,
    tag: str,
    *,
    base: str = "",
    rust: str = "",
    extras: str = "",
    more: Sequence[str] = (),
    secrets: dict[str, Path] | None = None,
) -> None:
    """Build the image; the base and that of Rust are the Dockerfile's own unless given.

    Raises:
        subprocess.CalledProcessError: the build failed; its output is on stderr.
    """
    arguments = {"VERSION": version(), "REVISION": revision(), "EXTRAS": extras}
    for name, reference in (("BASE", base), ("RUST", rust)):
        if reference:
            arguments[name] = reference
    given = found_secrets() if secrets is None else secrets
    with timed(f"build of {tag}"):
        quietly(engine.build(ROOT, DOCKERFILE, tag, arguments, given, more))


def found_secrets() -> dict[str, Path]:
    """What this machine itself needs to reach its index: pip's configuration, certificates."""
    configurations = [Path(one).expanduser() for one in _PIP_CONFIGURATIONS]
    authorities = ssl.get_default_verify_paths().cafile
    found = {"pip.conf": configurations, "ca.pem": [Path(authorities)] if authorities else []}
    return {
        name: next(file for file in files if file.is_file())
        for name, files in found.items()
        if any(file.is_file() for file in files)
    }


def version() -> str:
    """The version of this checkout."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


@cache
def revision() -> str:
    """The commit of this checkout, with ``-dirty`` behind it where files differ from it.

    It is that of the first question: whoever commits meanwhile has not built that commit.
    """
    asked = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return asked.stdout.strip() or "unknown"


def quietly(command: Sequence[str]) -> None:
    """Run it in the checkout; show what it printed only if it fails.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise subprocess.CalledProcessError(done.returncode, command)
