"""The container engine of this machine: Docker or Podman, whose commands are nearly the same."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class NoEngine(RuntimeError):
    """No engine answers here; the message says what was tried."""


@dataclass(frozen=True)
class Engine:
    """``command`` with ``options`` before each of its subcommands."""

    command: tuple[str, ...]
    options: tuple[str, ...] = ()
    build_options: tuple[str, ...] = ()

    def words(self, *arguments: str) -> list[str]:
        """What to start for a subcommand."""
        return [*self.command, *self.options, *arguments]

    def build(
        self,
        directory: Path,
        file: Path,
        tag: str,
        arguments: Mapping[str, str],
        secrets: Mapping[str, Path],
        more: Sequence[str] = (),
    ) -> list[str]:
        """What to start to build ``file``; ``secrets`` are files by their id."""
        words = self.words("build", *self.build_options, "--file", str(file), "--tag", tag)
        for name, value in arguments.items():
            words += ["--build-arg", f"{name}={value}"]
        for name, source in secrets.items():
            words += ["--secret", f"id={name},src={source}"]
        return [*words, *more, str(directory)]


# The legacy builder of an old Docker knows no secrets; a newer one ignores the variable.
# Podman builds in a chroot: nested in a container or a small machine nothing else works.
ENGINES = {
    "docker": Engine(("env", "DOCKER_BUILDKIT=1", "docker")),
    "podman": Engine(("podman",), build_options=("--isolation", "chroot")),
}


def find(wanted: str = "") -> Engine:
    """The first engine that answers, or the one that is ``wanted``.

    Raises:
        NoEngine: none does.
    """
    tried = []
    for name in (wanted,) if wanted else ENGINES:
        if shutil.which(name) is None:
            tried.append(f"{name} is not installed")
            continue
        # Of Docker this asks the server, which may be away though its client is installed.
        asked = subprocess.run(
            [name, "info"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if asked.returncode == 0:
            return ENGINES[name]
        tried.append(f"{name} does not answer")
    raise NoEngine("; ".join(tried))
