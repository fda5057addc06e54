"""Asks for known weaknesses of the locked dependencies: ``python -m deploy.audit FILE``.

It ends with 0 only if every dependency was looked up and none is known to be weak; with 1 if one
is; with 2 if the service was out of reach or left a dependency out. With ``--allow-unreachable`` a
machine without a network passes, and says that nothing was audited.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CLEAN, WEAK, NOT_AUDITED = 0, 1, 2
_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)
_SEPARATORS = re.compile(r"[-_.]+")

# What pip-audit prints for a file: its JSON, or nothing where it failed.
Ask = Callable[[Path], str]


def audit(file: Path, ask: Ask) -> tuple[int, list[str]]:
    """The status, and the lines that say why."""
    locked = {_plain(name) for name in _LOCKED.findall(file.read_text("utf-8"))}
    if not locked:
        return NOT_AUDITED, [f"NOT AUDITED: {file} locks no dependency"]
    try:
        found: list[dict[str, Any]] = json.loads(ask(file))["dependencies"]
    except (ValueError, KeyError, TypeError):
        return NOT_AUDITED, ["NOT AUDITED: the advisory service is out of reach, or gave no answer"]
    weak = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in "
        f"{', '.join(fault.get('fix_versions') or ['no version yet'])}"
        for one in found
        for fault in one.get("vulns", ())
    ]
    # A marker may leave a dependency out on this platform; then it is not what runs here either.
    left_out = sorted(_plain(one["name"]) for one in found if "skip_reason" in one)
    looked_at = {_plain(one["name"]) for one in found} - {*left_out}
    if weak:
        return WEAK, weak
    if left_out or not looked_at:
        return NOT_AUDITED, [f"NOT AUDITED: {', '.join(left_out) or 'nothing was looked up'}"]
    return CLEAN, [f"{len(looked_at)} of {len(locked)} locked dependencies, no known weakness"]


def main(arguments: Sequence[str]) -> int:
    """Print the result and return the status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.audit")
    parser.add_argument("file", type=Path)
    parser.add_argument("--allow-unreachable", action="store_true")
    chosen = parser.parse_args(arguments)
    status, lines = audit(chosen.file, _pip_audit)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    if status == NOT_AUDITED and chosen.allow_unreachable:
        sys.stdout.write("passed all the same, as --allow-unreachable asks\n")
        return CLEAN
    return status


def _pip_audit(file: Path) -> str:
    command = ["pip_audit", "--disable-pip", "--require-hashes", "--format=json", "-r", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, check=False
    )
    return done.stdout


def _plain(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
