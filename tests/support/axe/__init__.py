"""axe-core, the rules of accessibility, from npm at a locked version."""

import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).parent
_SCRIPT = _HERE / "node_modules" / "axe-core" / "axe.min.js"


def missing() -> str | None:
    """What has to be installed before it can run."""
    return None if _SCRIPT.exists() or shutil.which("npm") else "npm is not installed"


def script() -> str:
    """The source of axe-core; installs it first."""
    installed, lock = _SCRIPT.parents[1] / ".package-lock.json", _HERE / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-progress"], cwd=_HERE, check=True, timeout=150)
    return _SCRIPT.read_text("utf-8")
