"""A base image made of Debian packages, for machines that reach a Debian mirror and no registry.

It holds what the official ``python:slim`` holds for us: a Python with ``venv``, and certificates.
Needs ``mmdebstrap`` and the archive keys of Debian; the mirror is the one that apt uses here.
"""

import shutil
import subprocess
from pathlib import Path

# The release whose Python is that of the official base.
SUITE = "trixie"
_PACKAGES = "python3,python3-venv,ca-certificates"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")


class NoDebian(RuntimeError):
    """A base cannot be made here; the message says why."""


def missing() -> str:
    """Why no base can be made here; empty if one can."""
    for program in ("apt-get", "mmdebstrap"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return "" if _mirrors() else "apt knows no mirror of Debian: run `apt-get update`"


def make(archive: Path) -> None:
    """Write the root file system as a tar archive.

    Raises:
        NoDebian: it cannot be made here.
        subprocess.CalledProcessError: mmdebstrap failed, and has said why.
    """
    if why := missing():
        raise NoDebian(why)
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    options += ['--aptopt=Acquire::Languages "none"']
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=essential", f"--include={_PACKAGES}", *options,
         SUITE, str(archive), _mirrors()[0]],
        stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip


def _mirrors() -> list[str]:
    """Those of apt that hold Debian itself, not its security updates or another's packages."""
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)",
         "Created-By: Packages", "Origin: Debian", "Label: Debian", "Component: main"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return list(dict.fromkeys(asked.stdout.split()))
