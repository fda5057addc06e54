"""The start of the command line is quick, and the work behind it knows no command line."""

import ast
import subprocess
import sys
from collections.abc import Iterator
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


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, at its top or in a body."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("package", ["operations", "board"])
def test_operations_and_board_know_no_command_line(package: str) -> None:
    found = {name for file in (ROOT / "worker" / package).rglob("*.py") for name in imports(file)}
    assert "worker.operations.format" in found
    forbidden = ("rich", "typer", "worker.__main__", "worker.cli", "worker.dev")
    assert not [name for name in found if f"{name}.".startswith(tuple(f"{f}." for f in forbidden))]
