"""Base images made of Debian packages, for machines that reach a Debian mirror and no registry.

One holds what the official ``python:slim`` holds for us: a Python with ``venv``, and certificates.
The other one holds cargo, with which the image's compiled code is built.
Needs ``mmdebstrap`` and the archive keys of Debian; the mirror is the one that apt uses here.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

# The release whose Python is that of the official base.
SUITE = "trixie"
PYTHON: Sequence[str] = ("python3", "python3-venv", "ca-certificates")
RUST: Sequence[str] = ("cargo",)
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")


class NoDebian(RuntimeError):
    """A base cannot be made here; the message says why."""


def missing() -> str:
    """Why no base can be made here; empty if one can."""
    for program in ("apt-get", "mmdebstrap"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return "" if _mirrors() else "apt knows no mirror of Debian"


def make(archive: Path, packages: Sequence[str]) -> None:
    """Write a root file system with these packages as a tar archive.

    Raises:
        NoDebian: it cannot be made here.
        subprocess.CalledProcessError: mmdebstrap failed, and has said why.
    """
    if why := missing():
        raise NoDebian(why)
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    options += ['--aptopt=Acquire::Languages "none"']
    options.append(f"--include={','.join(packages)}")
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=essential", *options,
         SUITE, str(archive), _mirrors()[0]],
        stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip


def _mirrors() -> list[str]:
    """Those of apt that hold Debian itself, not its security updates or another's packages."""
    known = _apt_get("indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
                     "Origin: Debian", "Label: Debian", "Component: main").split()  # fmt: skip
    # Before its first update apt knows of its sources no more than what it would ask.
    return known or re.findall(
        r"^'(\S+/debian/)dists/[^/']+/InRelease'", _apt_get("--print-uris", "update"), re.MULTILINE
    )


def _apt_get(*arguments: str) -> str:
    asked = subprocess.run(
        ["apt-get", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout
