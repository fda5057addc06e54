"""Runs `plazo` as the unit confines it, as far as the kernel lets a process confine itself.

``python -m tests.support.confined run``: no new privileges, no memory that is writable and
executable, and the system calls of ``SystemCallFilter=`` alone.
"""

import ctypes
import ctypes.util
import re
import runpy
import subprocess
import sys
from pathlib import Path

UNIT = Path(__file__).parents[2] / "deploy/systemd/plazo.service"

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_MDWE = 65  # since Linux 6.3
_ALLOW = 0x7FFF0000
_EPERM = 0x00050000 | 1


def system_calls(unit: str) -> set[str]:
    """The names that the lines of a unit leave."""
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        found = {name for group in line.lstrip("~").split() for name in _members(group)}
        allowed = allowed - found if line.startswith("~") else allowed | found
    return allowed


def _members(group: str) -> set[str]:
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True
    )
    names = {line.strip() for line in done.stdout.splitlines()[1:]}
    names = {name for name in names if name and not name.startswith("#")}
    return {
        inner for name in names for inner in (_members(name) if name.startswith("@") else {name})
    }


def confine(allowed: set[str]) -> None:
    """Confine this process and its children.

    Raises:
        OSError: the kernel or libseccomp does not know how.
    """
    libc, found = ctypes.CDLL(None, use_errno=True), ctypes.util.find_library("seccomp")
    if found is None:
        raise OSError("libseccomp is not installed")
    seccomp = ctypes.CDLL(found)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    for option in (_PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE):
        if libc.prctl(option, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option}")
    rules = ctypes.c_void_p(seccomp.seccomp_init(_EPERM))
    for name in allowed:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # the others are of another processor
            seccomp.seccomp_rule_add(rules, _ALLOW, number, 0)
    if seccomp.seccomp_load(rules) != 0:
        raise OSError("the filter was not loaded")


if __name__ == "__main__":
    confine(system_calls(UNIT.read_text("utf-8")))
    sys.argv[0] = "plazo"
    runpy.run_module("worker", run_name="__main__", alter_sys=False)
