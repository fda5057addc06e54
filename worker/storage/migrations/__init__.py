"""Migrations of the schema, applied by ``plazo migrate``.

Each step is one SQL file in ``versions/`` beside a revision of the same number. The worker only
compares numbers, so it starts without loading the migration tool.
"""

from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"
HEAD = max(file.stem.split("_")[0] for file in VERSIONS.glob("*.sql"))


def serves(version: str) -> bool:
    """Whether this worker can use a schema of that version: its own, or a newer one.

    Each step keeps all that the worker before it needs, so that both versions can run side by side
    during an upgrade or its rollback.
    """
    return version.isdigit() and version >= HEAD
