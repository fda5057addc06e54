"""Postgres over TLS with a password, and what each role of deploy/postgres may not do."""

import json
import os
import pwd
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

import asyncpg
import pytest
import trustme

from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.decide.lines import lines_only
from worker.dev.postgres import EmbeddedPostgres
from worker.errors import DatabaseUnavailable, PlazoError
from worker.operations import assets
from worker.storage.migrate import grant, migrate
from worker.storage.statements import sql

SQL = Path(__file__).parents[2] / "deploy" / "postgres"
# The wheel's server is built without TLS; Debian's is not.
PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))), None)
PASSWORD = "pä$$/word"
SILENT = "auto-cancel stock-not-validated"
ROLES = (
    "plazo_owner", "plazo_worker", "plazo_reader", "plazo_auditor", "plazo_eraser", "plazo_keeper",
    "plazo_operator",
)  # fmt: skip
NewWorker = Callable[..., WorkerProcess]
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no Postgres with TLS here")


class SecurePostgres:
    """A server that lets nobody in but by TLS and password, except the superuser."""

    def __init__(self, server: EmbeddedPostgres, ca_file: Path) -> None:
        self.superuser = server.url
        self.ca_file = ca_file

    def url(self, role: str, password: str = PASSWORD, mode: str = "verify-full") -> str:
        """Where a role connects."""
        base = self.superuser.replace("postgres@", f"{role}:{quote(password, safe='')}@")
        return f"{base}?sslmode={mode}&sslrootcert={self.ca_file}"

    async def run(self, role: str, *statements: str) -> None:
        """Each by itself, until one fails."""
        url = self.superuser if role == "postgres" else self.url(role)
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="module")
async def secure() -> AsyncIterator[SecurePostgres]:
    assert PROGRAMS is not None
    ca = trustme.CA()
    directory = Path(mkdtemp(prefix="plazo-tls-"))  # the server's own account must read it
    directory.chmod(0o755)  # noqa: ASYNC240
    ca_file, key, hba = directory / "ca.pem", directory / "server.pem", directory / "hba"
    ca.cert_pem.write_to_path(str(ca_file))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(key))
    key.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(key, pwd.getpwnam("postgres").pw_uid, -1)
    hba.write_text("host all postgres 127.0.0.1/32 trust\nhostssl all all all scram-sha-256\n")
    settings = {"ssl": "on", "ssl_cert_file": key, "ssl_key_file": key, "hba_file": hba}
    async with EmbeddedPostgres(
        bin_dir=PROGRAMS.parent,
        fsync=False,
        settings={n: str(v) for n, v in settings.items()},
        trust=True,
    ) as server:
        postgres = SecurePostgres(server, ca_file)
        roles = (SQL / "roles.sql").read_text()
        await postgres.run("postgres", roles, roles)
        for role in ROLES:
            await postgres.run("postgres", f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
        await migrate(postgres.url("plazo_owner"))
        with pytest.raises(PlazoError, match=r"run roles\.sql"):
            await grant(postgres.url("plazo_owner"), "GRANT plazo_nobody TO plazo_reader")
        # By both ways that the guide names.
        await postgres.run("plazo_owner", (SQL / "grants.sql").read_text())
        await grant(postgres.url("plazo_owner"), assets.grants())
        yield postgres


async def test_a_worker_needs_no_more_than_its_role(
    new_worker: NewWorker, secure: SecurePostgres, kafka: Kafka, topics: Topics
) -> None:
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    worker = new_worker(
        topics, database_url=secure.url("plazo_worker"), stock_window="PT2S", grace="PT0S"
    )
    await worker.start().wait_ready()
    entered = now()
    await market.publish(market.order("a"), market.act("a", "start-handling"))
    await market.publish(market.order("b", entered))
    await market.publish((topics.order_created, "c", b"not JSON"), market.order("c"))
    await market.told(f"b {SILENT}", "c escalation unreadable-evidence")
    # A correction, by a notice.
    await market.publish(market.act("b", "start-handling", entered))
    await eventually(lambda: _decided(secure, 3), 30)
    await eventually(market.dead_letters)
    assert await worker.sigterm() == 0
    assert "InsufficientPrivilege" not in worker.output
    assert PASSWORD not in worker.output
    reader = new_worker(topics, database_url=secure.url("plazo_reader"))
    reader._arguments = ("explain", "c")
    assert await reader.start().wait() == 0
    assert "could not be read" in reader.output
    # Each other command with the role that the guide gives it. The owner grants the reader anew.
    await secure.run("plazo_owner", "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM plazo_reader")
    for role, arguments, said in (
        ("plazo_owner", ("migrate", "--grants", "--json"), '"grants": true'),
        ("plazo_reader", ("orders", "--json"), '"order_id": "b"'),
        ("plazo_reader", ("decisions", "--json"), '"kind": "decision-revoked"'),
        ("plazo_reader", ("outlook", "--json"), '"auto_cancels"'),
        ("plazo_auditor", ("explain", "a", "--with-personal-data", "--json"), "start-handling"),
        ("plazo_auditor", ("export", "a", "--by", "x"), '"plazo.order-export/1"'),
        ("plazo_eraser", ("erase", "c", "--by", "x", "--json"), '"dead_letters": 1'),
        ("plazo_eraser", ("erase", "--responsible", "y", "--by", "x", "--json"), '"orders": 0'),
    ):
        command = new_worker(topics, database_url=secure.url(role))
        command._arguments = arguments
        assert await command.start().wait() == 0, command.output
        assert said in command.output, arguments
    await secure.run(
        "plazo_owner",
        "UPDATE orders SET decided_at = decided_at - interval '100 days'",
        "UPDATE acts SET received_at = received_at - interval '100 days'",
    )
    keeper = new_worker(topics, database_url=secure.url("plazo_keeper"))
    keeper._arguments = ("forget", "--older-than", "90d", "--json")
    assert await keeper.start().wait() == 0, keeper.output
    told = json.loads(keeper.stdout_file.read_text())
    # That of the refused record is shielded still.
    assert (told["orders"], told["decisions"], told["acts"]) == (2, 2, 4)


FORBIDDEN = {
    "plazo_worker": [
        "UPDATE decisions SET reason = 'policy'",
        "DELETE FROM decisions",
        "UPDATE acts SET status = 'canceled'",
        "DELETE FROM acts",
        "DELETE FROM orders",
        "DELETE FROM positions",
        "DELETE FROM actions",
        "UPDATE actions SET author = 'x'",
        "DELETE FROM dead_letters",
        "UPDATE dead_letters SET value = NULL",
        "TRUNCATE deadlines",
        "DROP TABLE acts",
        "ALTER TABLE acts ADD COLUMN x int",
        "CREATE TABLE x (y int)",
        "UPDATE alembic_version SET version_num = '0'",
        "CREATE ROLE x",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY acts TO PROGRAM 'cat'",
    ],
    "plazo_keeper": [
        "INSERT INTO acts SELECT * FROM acts",
        "UPDATE orders SET outcome = 'kept'",
        "UPDATE acts SET status = 'canceled'",
        "UPDATE positions SET next_offset = 0",
        "DELETE FROM positions",
        "DELETE FROM deadlines",
        "DELETE FROM shields",
        "DELETE FROM actions",
        "SELECT value FROM dead_letters",
        "SELECT body FROM acts",
    ],
    "plazo_reader": [
        "INSERT INTO actions (author, command, arguments) VALUES ('x', 'y', '{}')",
        "INSERT INTO notices (lane, order_id) VALUES (0, 'a')",
        "UPDATE lanes SET epoch = epoch + 1",
        "SELECT epoch FROM lanes FOR UPDATE",
        "DELETE FROM shields",
        "UPDATE dead_letters SET settled = 'discarded'",
        "SELECT value FROM dead_letters",
        "SELECT header_values FROM dead_letters",
        "SELECT body FROM acts",
        "SELECT * FROM acts",
        "SELECT body FROM deadline_changes",
        "CREATE TABLE x (y int)",
    ],
    "plazo_auditor": [
        "UPDATE acts SET body = '{}'",
        "UPDATE dead_letters SET value = NULL",
        "DELETE FROM acts",
        "DELETE FROM actions",
        "UPDATE orders SET outcome = 'kept'",
    ],
    "plazo_eraser": [
        "UPDATE acts SET status = 'canceled'",
        "UPDATE acts SET occurred_at = now()",
        "UPDATE deadline_changes SET due = now()",
        "UPDATE dead_letters SET settled = 'discarded'",
        "UPDATE orders SET outcome = 'kept'",
        "UPDATE decisions SET value = '{}'",
        "DELETE FROM acts",
        "DELETE FROM shields",
        "DELETE FROM actions",
    ],
    "plazo_operator": [
        "INSERT INTO lanes SELECT * FROM lanes",
        "UPDATE lanes SET epoch = epoch + 1",
        "UPDATE orders SET outcome = 'kept'",
        "UPDATE acts SET status = 'canceled'",
        "DELETE FROM acts",
        "UPDATE decisions SET reason = 'policy'",
        "DELETE FROM decisions",
        "DELETE FROM deadlines",
        "UPDATE deadlines SET fires_at = now()",
        "DELETE FROM dead_letters",
        "UPDATE dead_letters SET value = NULL",
        "DELETE FROM actions",
        "UPDATE actions SET author = 'x'",
        "UPDATE positions SET next_offset = 0",
        "CREATE TABLE x (y int)",
        "SELECT body FROM acts",
        "SELECT * FROM acts",
        "SELECT body FROM deadline_changes",
        "SELECT * FROM traces",
        "SELECT * FROM seller_days",
        "SELECT * FROM reminders",
        "SELECT * FROM strays",
        "INSERT INTO decisions SELECT * FROM decisions",
        "INSERT INTO policies SELECT * FROM policies",
        "INSERT INTO shields VALUES ('a', 1)",
        "DELETE FROM orders",
        "UPDATE dead_letters SET key = NULL",
        "UPDATE dead_letters SET published = true",
        "UPDATE installation SET mode = 'live'",
        "DELETE FROM brake_counts",
    ],
    "plazo_owner": ["CREATE ROLE x", "CREATE DATABASE x", "COPY acts TO PROGRAM 'cat'"],
}


# Each right of the operator, and the command that needs it.
ALLOWED = {
    "brake": (
        "SELECT * FROM brake",
        "SELECT * FROM brake_counts",
        "UPDATE brake SET set_by = set_by",
    ),
    "dead-letters": (
        "SELECT * FROM dead_letters",
        "SELECT * FROM shields",
        "SELECT * FROM positions",
        "UPDATE dead_letters SET settled = settled, settled_by = settled_by, "
        "settled_at = settled_at, astray = astray",
        "DELETE FROM shields WHERE false",
        "INSERT INTO actions (author, command, arguments) VALUES ('x', 'y', '{}')",
    ),
    "deadlines": (
        "SELECT * FROM orders",
        "SELECT * FROM deadlines",
        "SELECT * FROM lanes",
        "SELECT occurred_at, author, reason, counted FROM deadline_changes",
    ),
    "policy": (
        "SELECT status, occurred_at, received_at, stock_ok, form_complete, unknown FROM acts",
        "SELECT * FROM decisions",
        "SELECT * FROM order_versions",
        "SELECT * FROM policies",
        "SELECT * FROM outages",
    ),
    "check": (
        "SELECT * FROM alembic_version",
        "SELECT * FROM published",
        "SELECT * FROM notices",
        "SELECT * FROM installation",
        "SELECT * FROM unknown_statuses",
    ),
    "actions": ("SELECT * FROM actions",),
}


@pytest.mark.parametrize("statement", [one for all_ in ALLOWED.values() for one in all_])
async def test_what_an_operator_may_do(secure: SecurePostgres, statement: str) -> None:
    await secure.run("plazo_operator", f"BEGIN; {statement}; ROLLBACK")


@pytest.mark.parametrize(
    ("role", "statement"), [(role, one) for role, all_ in FORBIDDEN.items() for one in all_]
)
async def test_what_a_role_may_not_do(secure: SecurePostgres, role: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await secure.run(role, statement)


async def test_an_operator_settles_what_waits_for_a_person(
    new_worker: NewWorker, secure: SecurePostgres, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text("version: 1\npolicies:\n  - {name: others, window: 48h}\n")
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    worker = new_worker(topics, database_url=secure.url("plazo_worker"), stock_window="PT1H")
    await worker.start().wait_ready()
    await market.publish((topics.order_created, "refused", b"not JSON"))
    await eventually(market.dead_letters)
    assert await worker.sigterm() == 0
    for words in (
        ("dead-letters", "list", "--json"),
        ("dead-letters", "sources", "--json"),
        ("dead-letters", "discard", "--all", "--yes", "--by", "operator"),
        ("brake", "escalate", "--for", "1h", "--by", "operator"),
        ("brake", "reset", "--by", "operator"),
        ("deadlines", "held", "--json"),
        ("deadlines", "held", "--with-personal-data", "--json"),
        ("policy", "show", "--seller", "s-1", "--json"),
        ("policy", "simulate", str(policies), "--since", "1h", "--json"),
        ("lanes", "--json"),
        ("orders", "--json"),
        ("decisions", "--json"),
        ("orphans", "--json"),
        ("statuses", "--unknown", "--json"),
        ("brake", "status", "--json"),
        ("explain", "refused", "--json"),
        ("actions", "--json"),
    ):
        command = new_worker(topics, database_url=secure.url("plazo_operator"), arguments=words)
        # The order of the refused record has not arrived: `explain` says so.
        assert await command.start().wait() == 0, (words, command.output)
    assert "operator" in command.stdout_file.read_text()
    # It may look at all that `plazo check` looks at, and is no worker.
    check = new_worker(
        topics, database_url=secure.url("plazo_operator"), arguments=("check", "--json"),
        http_port="0",
    )  # fmt: skip
    assert await check.start().wait() == 1, check.output
    found = {one["name"]: one for one in json.loads(check.stdout_file.read_text())["checks"]}
    assert {"deadlines", "dead letters", "outbox"} <= found.keys()
    assert [name for name, one in found.items() if one["status"] == "fault"] == ["rights"]


BODIES = [
    '{"lines": [{"sku": "a", "quantity": 2, "note": "secret"}, {"sku": "b"}]}',
    '{"data": {"lines": [{"sku": 7, "quantity": "1.50"}]}, "lines": [{"sku": "other"}]}',
    '{"lines": [{"quantity": 2}]}', '{"lines": 3}', '{"lines": []}', '{"data": null}', "[1]", "{",
    '{"lines": [{"sku": "a", "quantity": -1}]}', '{"lines": [7]}', '{"lines": [{"sku": null}]}',
    '{"lines": [{"sku": "a", "quantity": NaN}]}',
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
async def test_lines_without_bodies_lead_to_the_same_verdict(
    secure: SecurePostgres, body: str
) -> None:
    connection = await asyncpg.connect(secure.url("plazo_owner"))
    try:
        shown = await connection.fetchval("SELECT plazo_line_items($1)", body)
    finally:
        await connection.close()
    assert "secret" not in shown
    assert lines_only(shown) == lines_only(body)


async def test_people_without_bodies_see_which_lines_were_cancelled(
    new_worker: NewWorker, secure: SecurePostgres, kafka: Kafka, topics: Topics
) -> None:
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    worker = new_worker(topics, database_url=secure.url("plazo_worker"), stock_window="PT1H")
    await worker.start().wait_ready()
    lines = [{"sku": "a", "quantity": 2}, {"sku": "b"}]
    topic, key, order = market.order("part")
    part = market.act("part", "partially-canceled")[2]
    await market.publish((topic, key, {**order, "lines": lines}))
    await market.publish(*(
        (topics.order_status_changed, "part", {**part, "lines": [line]}) for line in lines
    ))  # fmt: skip
    await eventually(lambda: _acts(secure, "part", 3), 30)
    assert await worker.sigterm() == 0
    for role in ("plazo_reader", "plazo_operator", "plazo_auditor"):
        command = new_worker(
            topics, database_url=secure.url(role), arguments=("explain", "part", "--json")
        )
        assert await command.start().wait() == 0, command.output
        told = json.loads(command.stdout_file.read_text())
        assert told["summary"].startswith("not decided yet: it was cancelled in time"), role
    outlook = new_worker(topics, database_url=secure.url("plazo_reader"), arguments=("outlook",))
    assert await outlook.start().wait() == 0, outlook.output


async def _acts(secure: SecurePostgres, order: str, number: int) -> bool:
    connection = await asyncpg.connect(secure.url("plazo_reader"))
    try:
        count = "SELECT count(order_id) FROM acts WHERE order_id = $1"
        return bool(await connection.fetchval(count, order) == number)
    finally:
        await connection.close()


async def test_a_keeper_deletes_only_what_is_over(secure: SecurePostgres) -> None:
    """Whatever a wrong statement or a wrong clock asks for."""
    order = "INSERT INTO orders (order_id, lane, received_at, due) VALUES ('{}', 0, now(), now())"
    letter = (
        'INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, '
        "error, message, header_names, header_values, settled, settled_at) "
        "VALUES (0, 't', 0, {}, now(), now(), 'time', 'x', '{{}}', '{{}}', {})"
    )
    act = (
        'INSERT INTO acts (topic, partition, "offset", order_id, status, occurred_at, '
        "received_at, body) VALUES ('t', 0, 1, 'open', 'x', now(), now(), '{}')"
    )
    await secure.run(
        "plazo_owner", order.format("open"), order.format("over"), act,
        "UPDATE orders SET decided_at = now() WHERE order_id = 'over'",
        letter.format(1, "NULL, NULL"), letter.format(2, "'discarded', now()"),
    )  # fmt: skip
    for statement in (
        "DELETE FROM orders WHERE order_id = 'open'",
        "DELETE FROM acts WHERE order_id = 'open'",
        "DELETE FROM dead_letters WHERE settled_at IS NULL",
        "DELETE FROM dead_letters",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="stays"):
            await secure.run("plazo_keeper", statement)
    await secure.run(
        "plazo_keeper", "DELETE FROM orders WHERE order_id = 'over'",
        "DELETE FROM dead_letters WHERE settled_at IS NOT NULL",
    )  # fmt: skip
    # The owner may: as when a test or a person clears up.
    await secure.run("plazo_owner", "DELETE FROM acts", "DELETE FROM orders")


async def test_a_reader_cannot_hold_up_the_others(secure: SecurePostgres) -> None:
    connection = await asyncpg.connect(secure.url("plazo_reader"))
    try:
        assert await connection.fetchval("SHOW statement_timeout") == "1min"
        assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "1min"
        limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'plazo_reader'"
        assert await connection.fetchval(limit) == 20
    finally:
        await connection.close()


async def test_nobody_comes_in_without_tls_the_password_or_the_right_authority(
    secure: SecurePostgres, tmp_path: Path
) -> None:
    for url in (
        secure.url("plazo_worker", mode="disable"),
        secure.url("plazo_worker", password="another"),
        secure.url("plazo_worker").replace("127.0.0.1", "localhost"),  # not the certificate's name
    ):
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await asyncpg.connect(url)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    other = secure.url("plazo_owner").replace(str(secure.ca_file), str(tmp_path / "other.pem"))
    with pytest.raises(DatabaseUnavailable):
        await migrate(other)


async def _decided(secure: SecurePostgres, least: int) -> bool:
    connection = await asyncpg.connect(secure.url("plazo_reader"))
    try:
        return bool(await connection.fetchval("SELECT count(*) >= $1 FROM decisions", least))
    finally:
        await connection.close()


async def test_a_cell_has_the_same_rights_in_its_own_schema(secure: SecurePostgres) -> None:
    """A function that runs with its owner's rights reads the cell that it was made in."""
    owner = secure.url("plazo_owner")
    with pytest.raises(PlazoError, match="CREATE SCHEMA cell_a AUTHORIZATION"):
        await migrate(owner, cell="cell_a")
    await secure.run("postgres", "CREATE SCHEMA cell_a AUTHORIZATION plazo_owner")
    await migrate(owner, cell="cell_a")
    await grant(owner, assets.grants(), cell="cell_a")
    await grant(owner, assets.grants(), cell="cell_a")
    body = """{"order_id": "x", "lines": [{"sku": "of-cell-a", "quantity": 1}]}"""
    await secure.run(
        "postgres",
        "INSERT INTO cell_a.acts (order_id, status, occurred_at, received_at, topic, partition, "
        f"\"offset\", body) VALUES ('x', 'canceled', now(), now(), 't', 0, 0, '{body}')",
    )

    async def asked(role: str, query: str) -> object:
        connection = await asyncpg.connect(
            secure.url(role), server_settings={"search_path": "cell_a"}
        )
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    for role in ("plazo_worker", "plazo_keeper", "plazo_auditor", "plazo_eraser", "plazo_operator"):
        assert await asked(role, "SELECT count(*) FROM orders") == 0
    lines = "SELECT body FROM plazo_lines(ARRAY['x'], ARRAY['canceled'])"
    assert "of-cell-a" in str(await asked("plazo_reader", lines))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asked("plazo_reader", "SELECT body FROM acts")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asked("plazo_keeper", "DELETE FROM lanes")
    worker = await asyncpg.connect(
        secure.url("plazo_worker"), server_settings={"search_path": "cell_a"}
    )
    try:
        assert await worker.fetch(sql("missing_rights")) == []
    finally:
        await worker.close()
