"""`plazo check` finds sellers and orders that somebody has misspelt."""

from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from tests.unit.test_check_facts import judged
from worker.observability.metrics import Metrics
from worker.operations import facts
from worker.operations.checks.model import NameFacts, Status
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

FILE = """\
version: 1
policies:
  - {name: a, when: {seller: [S-1, s-9, typo]}, window: PT1H}
  - {name: b, window: PT1H}
"""
# The last four wait for their clock, or are acts without an order.
ORDERS = """
INSERT INTO orders (order_id, lane, seller_id, entered_at, due, fires_at, received_at)
SELECT id, 0, seller, now(), now(), now(), now() FROM (VALUES
    ('v1', 's-1'), ('v2', 'S-1'), ('V2', 's-1 '), ('Mixed', 's-2'), ('w1', 's-9')
) AS o (id, seller);
INSERT INTO deadlines SELECT lane, fires_at, order_id FROM orders;
INSERT INTO orders (order_id, received_at) SELECT id, now() FROM (VALUES
    ('V1'), ('mIXED'), ('other'), ('w1 ')
) AS o (id);
"""


async def found(database: str, tmp_path: Path, text: str = FILE) -> NameFacts:
    await migrate(database)
    path = tmp_path / "policies.yaml"
    path.write_text(text, encoding="utf-8")
    settings = Settings(_env_file=None, database_url=SecretStr(database), policy_file=path)
    store = Database(settings, Metrics(settings))
    await store.open()
    try:
        return await facts._names(settings, store)
    finally:
        await store.close()


async def test_names_that_differ_in_case_or_blanks(database: str, tmp_path: Path) -> None:
    await migrate(database)
    connection = await asyncpg.connect(database)
    await connection.execute(ORDERS)
    await connection.close()
    assert await found(database, tmp_path) == NameFacts(
        orders=5,
        unseen=["typo"],
        sellers_alike=["S-1 / s-1 / s-1 "],
        ids_alike=["Mixed / mIXED", "V1 / v1", "V2 / v2", "w1 / w1 "],
    )


@pytest.mark.parametrize(
    ("name", "status", "names"),
    [
        ("sellers of the policies", Status.WARNING, NameFacts(orders=5, unseen=["typo"])),
        ("names of sellers", Status.WARNING, NameFacts(sellers_alike=["S / s"])),
        ("order ids", Status.WARNING, NameFacts(ids_alike=["A / a"])),
    ],
)
def test_each_has_its_line(name: str, status: Status, names: NameFacts) -> None:
    (check,) = (one for one in judged(names=names) if one.name == name)
    assert check.status == status
    assert check.cure


def test_no_news_is_no_line() -> None:
    """Without any order, each seller of a new file would be a warning."""
    new = {one.name for one in judged(names=NameFacts(orders=0, unseen=["s"]))}
    assert not new & {"sellers of the policies", "names of sellers", "order ids", "policy file"}
