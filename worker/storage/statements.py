"""Loads the SQL statements: one file for each, in a folder named after the package that runs it.

A statement is known by its name alone, so names are unique over all folders.
"""

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"


@cache
def sql(name: str) -> str:
    """Return the text of the statement in ``<name>.sql``.

    Raises:
        LookupError: no file, or more than one, has this name.
    """
    return statement_files()[name].read_text(encoding="utf-8")


@cache
def statement_files() -> dict[str, Path]:
    """Return the file of each statement, by the statement's name.

    Raises:
        LookupError: two files have the same name.
    """
    files: dict[str, Path] = {}
    for file in sorted(_FOLDER.rglob("*.sql")):
        if file.stem in files:
            raise LookupError(f"{file} and {files[file.stem]}: the same name of a statement")
        files[file.stem] = file
    return files
