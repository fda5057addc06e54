"""Tables."""

from datetime import UTC, datetime
from pathlib import Path

LATEST = Path(__file__).parent / "latest.json"


def today():
    return datetime.now(UTC).date().isoformat()


def tables(found):
    return [str(found)]
