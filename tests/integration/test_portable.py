"""The SQL stays within what a Postgres that places schemas on several nodes takes, too.

Citus sends a statement to the node that holds its schema. It computes a stable function once,
before that. It refuses a volatile one in a write, where each node would compute its own, and any
that is not immutable in DO UPDATE. So a write has its instant from statement_timestamp(): still the
clock of Postgres, by which the brake, the outages and the shields are judged, and not a worker's.
"""

import re

import asyncpg
import pytest

from worker.storage.migrate import _statements
from worker.storage.migrations import STEPS
from worker.storage.statements import statement_files

# Statements that must have a volatile function in a write all the same, each with its reason.
EXEMPT: dict[str, str] = {}

_COMMENT = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_WRITE = re.compile(r"\b(?:INSERT\s+INTO|(?<!FOR )(?<!DO )UPDATE\s+\w|DELETE\s+FROM|MERGE\s+INTO)")
_CALL = re.compile(r"\b([a-z_]\w*)\s*\(")
_UPSERT = re.compile(r"\bDO UPDATE\b(.*?)(?:\bRETURNING\b|$)", re.DOTALL)
_VOLATILITY = """
    SELECT proname, max(provolatile::text) AS worst FROM pg_proc
    WHERE proname = ANY ($1::text[]) GROUP BY proname
"""


async def _bad(connection: asyncpg.Connection, text: str) -> set[str]:
    """The functions of a statement that a node must not compute by itself."""
    bare = _COMMENT.sub("", text)
    if not _WRITE.search(bare):
        return set()
    called = _CALL.findall(bare)
    rows = await connection.fetch(_VOLATILITY, called)
    # The letters are v(olatile), s(table) and i(mmutable), in the order of their risk.
    worst = {row["proname"]: row["worst"] for row in rows}
    upserted = {name for part in _UPSERT.findall(bare) for name in _CALL.findall(part)}
    return {
        name
        for name, letter in worst.items()
        if letter == "v" or (name in upserted and letter != "i")
    }


async def test_no_write_leaves_a_value_to_the_node_that_runs_it(
    connection: asyncpg.Connection,
) -> None:
    found = {
        name: bad
        for name, file in statement_files().items()
        if (bad := await _bad(connection, file.read_text()))
    }
    assert found.keys() == EXEMPT.keys(), found


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        ("UPDATE brake SET set_at = clock_timestamp()", {"clock_timestamp"}),
        ("WITH gone AS (DELETE FROM acts WHERE random() < 1) SELECT 1", {"random"}),
        ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = now()", {"now"}),
        ("INSERT INTO a VALUES (now()) ON CONFLICT (b) DO UPDATE SET c = EXCLUDED.c", set()),
        ("SELECT clock_timestamp() FROM brake FOR UPDATE", set()),
    ],
)
async def test_the_rule_finds_what_it_is_for(
    connection: asyncpg.Connection, statement: str, bad: set[str]
) -> None:
    assert await _bad(connection, statement) == bad


def test_a_step_is_run_statement_by_statement() -> None:
    """Several in one message are one prepared statement to Citus, which it refuses."""
    script = """
        -- One; with a semicolon in a comment.
        CREATE TABLE "a;b" (c text DEFAULT 'it''s; d');
        DO $body$ BEGIN PERFORM 1; END $body$;
        SELECT 1
    """
    first, second, third = _statements(script)
    assert "it''s; d" in first
    assert second.strip().endswith("$body$")
    assert third.strip() == "SELECT 1"
    for step in STEPS.values():
        script = step.read_text()
        assert "".join(_statements(script)).split() == script.replace(";\n", "\n").split()
