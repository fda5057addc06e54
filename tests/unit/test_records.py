"""The time of a record: a publisher may write any number, and none may stop a lane."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import worker
from worker.records import timestamp_of

LAST = datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)


@pytest.mark.parametrize(
    ("milliseconds", "time"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_763_841_600_123, datetime(2025, 11, 22, 20, 0, 0, 123_000, UTC)),
        (-1, datetime(1970, 1, 1, tzinfo=UTC)),
        (-(2**63), datetime(1970, 1, 1, tzinfo=UTC)),
        (253_402_300_799_999, LAST),
        (253_402_300_800_000, LAST),
        (1_763_841_600_123_456, LAST),  # microseconds
        (2**62, LAST),
        (2**63 - 1, LAST),
    ],
)
def test_any_number_is_a_time(milliseconds: int, time: datetime) -> None:
    assert timestamp_of(milliseconds) == time


# The invented marketplace computes with seconds of its own.
OWN_SECONDS = Path("dev", "marketplace.py")


def conversions() -> Iterator[str]:
    root = Path(worker.__file__).parent
    for path in root.rglob("*.py"):
        name = path.relative_to(root)
        if name == OWN_SECONDS:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in (
                "fromtimestamp", "utcfromtimestamp"
            ):  # fmt: skip
                yield f"{name}:{node.lineno}"


def test_nothing_else_turns_a_number_into_a_time() -> None:
    assert [*conversions()] == []
