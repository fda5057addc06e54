"""Commands and the schema of their database."""

import json

from tests.support.commands import Plazo, found


async def test_commands_want_the_schema_first(new: Plazo) -> None:
    answer = await new("explain", "x")
    assert answer.code == 3
    assert "run `plazo migrate`" in answer.err
    assert (await new("dead-letters", "list")).code == 3
    answer = await new("explain", "x", database_url="postgresql://u@127.0.0.1:1/d")
    assert answer.code == 4
    assert answer.err.startswith("plazo: Postgres: ")


async def test_a_newer_schema_serves_and_an_older_one_does_not(plazo: Plazo) -> None:
    """An upgrade migrates first; whoever runs still, or again after a way back, must not stop."""
    await plazo.sql("UPDATE alembic_version SET version_num = '9999'")
    answer = await plazo("check", "--json")
    assert (answer.code, found(answer, "schema")["finding"]) == (0, "9999")
    await plazo.worker()
    await plazo.sql("UPDATE alembic_version SET version_num = '0000'")
    answer = await plazo("check", "--json")
    assert (answer.code, found(answer, "schema")["status"]) == (1, "fault")
    assert (await plazo("explain", "x")).code == 3


async def test_one_of_several_databases_is_refused_and_named(plazo: Plazo) -> None:
    """A version before this one kept lanes elsewhere: here they would be decided again."""
    await plazo.sql("INSERT INTO installation (mode, elsewhere) VALUES ('live', '{[6,12)}')")
    refused = await plazo("run", http_port="0")
    assert refused.code == 2
    told = json.loads(refused.err.splitlines()[-1])
    assert told["message"].startswith("lanes {[6,12)} live in another database")
    answer = await plazo("check", "--json")
    assert (answer.code, found(answer, "one database")["status"]) == (1, "fault")
    assert "{[6,12)}" in found(answer, "one database")["finding"]
    # What has been decided can still be looked at.
    assert (await plazo("lanes", "--json")).json == []
