"""Every SQL statement has a file that some code runs, and every name that code runs has a file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import worker
from worker.storage import statements

ROOT = Path(worker.__file__).parent
RUN = {"rows", "row", "execute", "execute_each", "sql"}


def _run_names() -> Iterator[str]:
    """The first argument of each call that runs a statement; it must be a literal."""
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            first = node.args[0]
            if name in RUN and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def test_each_statement_is_run_by_some_code_and_each_name_has_a_file() -> None:
    assert {*_run_names()} == statements.statement_files().keys()


def test_each_folder_is_a_package_or_a_subject() -> None:
    packages = {folder.name for folder in ROOT.iterdir() if folder.is_dir()}
    folders = {file.parent.name for file in statements.statement_files().values()}
    # Those of decide/brake.py, operations/retention.py and storage/installation.py.
    assert folders - packages == {"brake", "retention", "installation"}


def test_two_files_of_one_name_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "lock_lane.sql").write_text("SELECT 1")
    monkeypatch.setattr(statements, "_FOLDER", tmp_path)
    statements.statement_files.cache_clear()
    try:
        with pytest.raises(LookupError, match="lock_lane"):
            statements.statement_files()
    finally:
        statements.statement_files.cache_clear()
