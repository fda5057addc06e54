"""Migrations of the schema, applied by ``plazo migrate``.

Each step is one SQL file in ``versions/``, whose name begins with the version that it leads to.
"""

from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"
# Each step by its version, from the first on.
STEPS = {file.stem.split("_")[0]: file for file in sorted(VERSIONS.glob("*.sql"))}
HEAD = max(STEPS)


def serves(version: str) -> bool:
    """Whether this worker can use a schema of that version: its own, or a newer one.

    Each step keeps all that the worker before it needs, so that both versions can run side by side
    during an upgrade or its rollback.
    """
    return version.isdigit() and version >= HEAD
