"""The start of the command line is quick, and the work behind it knows no command line."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"aiohttp", "aiokafka", "asyncpg", "prometheus_client", "pydantic", "rich", "structlog"}


def imported(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after this code."""
    printing = "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code + printing],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


def test_the_command_line_imports_nothing_heavy() -> None:
    assert not imported("import worker.__main__") & HEAVY


@pytest.mark.parametrize("package", ["operations", "board"])
def test_operations_and_board_know_no_command_line(package: str) -> None:
    found = pkgutil.walk_packages([str(ROOT / "worker" / package)], f"worker.{package}.")
    names = [module.name for module in found]
    assert len(names) > 1
    code = f"import sys, {', '.join(names)}; assert 'worker.cli' not in sys.modules"
    assert not imported(code) & {"typer", "rich"}
