"""Tests that need the compiled reader of plain records."""

import os

import pytest

from worker.ingest.plain import compiled

# In continuous integration its absence is a failure.
needs_compiled = pytest.mark.skipif(
    compiled() is None and not os.environ.get("CI"), reason="no compiled code; `make native`"
)
