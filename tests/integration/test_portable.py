"""The SQL stays within what a Postgres that places schemas on several nodes takes, too.

Citus sends a statement to the node that holds its schema. It computes a stable function once,
before that, and so refuses in a write

- a volatile function: each node would compute its own;
- one that is not immutable in DO UPDATE, CASE or COALESCE: it may not be computed;
- a subquery in INSERT … VALUES or in its RETURNING.

So a write has its instant from statement_timestamp(): still the clock of Postgres, by which the
brake, the outages and the shields are judged, and not a worker's.
"""

import re
from collections.abc import Iterator

import asyncpg
import pytest

from worker.storage.migrate import _statements
from worker.storage.migrations import STEPS
from worker.storage.statements import statement_files

# Statements that must have one of these all the same, each with its reason.
EXEMPT = {"erase_dead_letters": "convert_to() is in a subquery of the CASE, which Citus takes"}

_COMMENT = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_WRITE = re.compile(r"\b(?:INSERT\s+INTO|(?<!FOR )(?<!DO )UPDATE\s+\w|DELETE\s+FROM|MERGE\s+INTO)")
_CALL = re.compile(r"\b([a-z_]\w*)\s*\(")
# Where a function must be immutable; each ends with its clause or its brackets.
_FIXED = re.compile(r"\bDO UPDATE\b|\bCASE\b|\bcoalesce\s*\(")
_VALUES = re.compile(r"\bINSERT INTO\s[^()]+\([^()]*\)\s*VALUES\b")
_VOLATILITY = """
    SELECT proname, max(provolatile::text) AS worst FROM pg_proc
    WHERE proname = ANY ($1::text[]) GROUP BY proname
"""


def _rest(text: str) -> str:
    """The text to the end of the brackets that it begins in."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return text[:place]
    return text


def _fixed(bare: str) -> Iterator[str]:
    for found in _FIXED.finditer(bare):
        rest = _rest(bare[found.end() :])
        end = {"DO UPDATE": r"\bRETURNING\b", "CASE": r"\bEND\b"}.get(found[0])
        yield re.split(end, rest)[0] if end else rest


async def _bad(connection: asyncpg.Connection, text: str) -> set[str]:
    """The functions that a node must not compute by itself, and subqueries where none may be."""
    bare = _COMMENT.sub("", text)
    if not _WRITE.search(bare):
        return set()
    rows = await connection.fetch(_VOLATILITY, _CALL.findall(bare))
    # The letters are v(olatile), s(table) and i(mmutable), in the order of their risk.
    worst = {row["proname"]: row["worst"] for row in rows}
    fixed = {name for part in _fixed(bare) for name in _CALL.findall(part)}
    inserted = [_rest(bare[found.end() :]) for found in _VALUES.finditer(bare)]
    return {
        name for name, letter in worst.items() if letter == "v" or (name in fixed and letter != "i")
    } | ({"SELECT"} if any("SELECT" in part for part in inserted) else set())


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
        ("UPDATE brake SET set_at = CASE WHEN $1 THEN now() END", {"now"}),
        ("UPDATE brake SET set_at = coalesce(set_at, now())", {"now"}),
        ("UPDATE brake SET set_at = now() + CASE WHEN $1 THEN $2::interval END", set()),
        ("INSERT INTO a (b) VALUES ((SELECT max(b) FROM a))", {"SELECT"}),
        ("INSERT INTO a (b) VALUES ($1) RETURNING (SELECT max(b) FROM a)", {"SELECT"}),
        ("WITH c AS (INSERT INTO a (b) VALUES ($1) RETURNING b) SELECT b FROM c", set()),
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
