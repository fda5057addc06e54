"""Hatch's build hook of the wheel with compiled code: for one platform, and CPython from 3.11 on.

It is off unless ``HATCH_BUILD_HOOK_ENABLE_CUSTOM`` is ``true``: without it the wheel is for any
platform, and holds Python alone. A variable with our prefix would be an unknown setting to workers.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging import tags

_MODULE = "worker/ingest/plain/native.abi3.so"
_CRATE = "worker/ingest/plain/native"
_BUILD = ("cargo", "build", "--release", "--locked", "--offline", "--target-dir", "target")
_GLIBC = re.compile(rb"(?<=\0)GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)")


class Compiled(BuildHookInterface[Any]):
    """Puts the compiled code into the wheel and names its platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds a wheel.

        Raises:
            RuntimeError: there is no compiled code, and no cargo to build it.
            subprocess.CalledProcessError: cargo failed, and has said why.
        """
        if version == "editable":
            return
        library = find(Path(self.root))
        platform = platform_tag(library.read_bytes(), [*tags.platform_tags()])
        build_data["force_include"][str(library)] = _MODULE
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform}"


def find(root: Path) -> Path:
    """The library of these sources; without cargo the one that `make native` has left."""
    if shutil.which("cargo"):
        crate = root / _CRATE
        subprocess.run(_BUILD, cwd=crate, stdin=subprocess.DEVNULL, check=True)
        return next(
            file
            for suffix in ("so", "dylib")
            if (file := crate / f"target/release/libnative.{suffix}").exists()
        )
    if not (library := root / _MODULE).exists():
        raise RuntimeError("the wheel with compiled code needs cargo (Debian: apt install cargo)")
    return library


def platform_tag(library: bytes, here: Sequence[str]) -> str:
    """The tag with the oldest glibc that has all that a library needs; ``here`` are this machine's.

    A library of another C library, or of another system, gets the plain tag: the first.
    """
    needed = [(int(major), int(minor)) for major, minor in _GLIBC.findall(library)]
    wanted = "manylinux_{}_{}_".format(*max(needed, default=("", "")))
    return next((name for name in here if name.startswith(wanted)), here[0])
