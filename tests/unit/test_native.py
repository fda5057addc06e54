"""The crate of the compiled reader: its own tests, and its absence."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.native import CRATE, needs_cargo


@needs_cargo
def test_the_tests_of_the_crate_pass() -> None:
    done = subprocess.run(
        ["cargo", "test", "--locked", "--offline", "--target-dir", "target"],
        cwd=CRATE, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout


def test_without_compiled_code_its_import_fails(tmp_path: Path) -> None:
    """Python takes a folder for a package, and in a checkout the crate is beside the module."""
    shutil.copy(CRATE.with_suffix(".py"), tmp_path)
    shutil.copytree(CRATE / "src", tmp_path / "native/src")
    done = subprocess.run(
        [sys.executable, "-c", "import native"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "ImportError: no compiled code" in done.stderr
