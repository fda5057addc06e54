"""`plazo check` names the rights that `plazo run` would miss."""

import uuid
from collections.abc import Callable

import asyncpg
import pytest

from tests.support.processes import ROOT
from worker.operations.checks.database import schema_checks
from worker.operations.checks.model import Check, Status
from worker.operations.facts import _database
from worker.settings import Settings
from worker.storage.migrate import migrate

GRANTS = (ROOT / "deploy" / "postgres" / "grants.sql").read_text()


async def rights(url: str, role: str) -> Check:
    facts = await _database(Settings(database_url=url.replace("postgres@", f"{role}@")))
    assert not isinstance(facts, str), facts
    return next(check for check in schema_checks(facts) if check.name == "rights")


@pytest.fixture
async def roles(database: str) -> tuple[str, Callable[[str], str]]:
    """A worker's role, and the statement with names of these roles instead of those of the file."""
    mark = uuid.uuid4().hex[:8]
    plain = ("worker", "reader", "auditor", "eraser", "keeper", "operator")
    names = {f"plazo_{name}": f"plazo_{name}_{mark}" for name in plain}

    def renamed(statement: str) -> str:
        for name, ours in names.items():
            statement = statement.replace(name, ours)
        return statement

    await migrate(database)
    connection = await asyncpg.connect(database)
    for role in names.values():
        await connection.execute(f"CREATE ROLE {role} LOGIN")
    await connection.execute(renamed(GRANTS))
    await connection.close()
    return names["plazo_worker"], renamed


async def test_the_grants_are_all_that_a_worker_needs(
    roles: tuple[str, Callable[[str], str]], database: str
) -> None:
    role, _ = roles
    assert (await rights(database, role)).status == Status.OK


@pytest.mark.parametrize(
    ("revoked", "named"),
    [
        ("INSERT ON acts", "INSERT on acts"),
        ("UPDATE ON lanes", "UPDATE on lanes"),
        ("DELETE ON notices", "DELETE on notices"),
        ("UPDATE (settled) ON dead_letters", "UPDATE (settled) on dead_letters"),
        ("SELECT ON positions", "SELECT on positions"),
    ],
)
async def test_each_that_is_missing_is_named(
    roles: tuple[str, Callable[[str], str]], database: str, revoked: str, named: str
) -> None:
    """As after an upgrade whose grants nobody ran."""
    role, _ = roles
    connection = await asyncpg.connect(database)
    await connection.execute(f"REVOKE {revoked} FROM {role}")
    await connection.close()
    found = await rights(database, role)
    assert found.status == Status.FAULT
    assert found.finding == f"role {role} lacks {named}"
    assert "grants.sql" in found.cure


async def test_a_role_that_only_reads_is_none_for_a_worker(
    roles: tuple[str, Callable[[str], str]], database: str
) -> None:
    _, renamed = roles
    found = await rights(database, renamed("plazo_reader"))
    assert found.status == Status.FAULT
    assert "INSERT, SELECT on acts" in found.finding  # it reads no body
