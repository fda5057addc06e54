"""Tests that need the compiled reader of plain records, or what builds it."""

import os
import shutil
from pathlib import Path

import pytest

import worker.ingest.plain

CRATE = Path(worker.ingest.plain.__file__).parent / "native"
# In continuous integration their absence is a failure.
needs_compiled = pytest.mark.skipif(
    worker.ingest.plain.compiled() is None and not os.environ.get("CI"),
    reason="no compiled code; `make native`",
)
needs_cargo = pytest.mark.skipif(
    shutil.which("cargo") is None and not os.environ.get("CI"), reason="no cargo"
)
