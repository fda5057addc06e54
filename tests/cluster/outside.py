"""What stands outside of the cluster: Kafka and Postgres, which pods reach over the bridge."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tests.support.apache_kafka import ApacheKafka, Member, new_cluster_id
from worker.dev.postgres import EmbeddedPostgres
from worker.dev.process import free_port

from .node import BRIDGE

SQL = Path(__file__).parents[2] / "deploy/postgres"
# Those whose secrets an installation has.
ROLES = ("plazo_owner", "plazo_worker", "plazo_keeper")


@dataclass
class Outside:
    """Both parts, running; roles log in with passwords, by SCRAM."""

    kafka: ApacheKafka
    pods_bootstrap: str
    postgres: EmbeddedPostgres
    passwords: dict[str, str] = field(
        default_factory=lambda: {role: secrets.token_urlsafe(16) for role in ROLES}
    )

    async def database(self, name: str) -> dict[str, str]:
        """Make an empty database with the roles; where each of them connects from a pod."""
        await execute(self.postgres.url, f"CREATE DATABASE {name}")
        await execute(self.postgres.url_of(name), (SQL / "roles.sql").read_text())
        for role, password in self.passwords.items():
            await execute(self.postgres.url, f"ALTER ROLE {role} PASSWORD '{password}'")
        port = urlsplit(self.postgres.url).port
        return {
            role: f"postgresql://{role}:{password}@{BRIDGE}:{port}/{name}"
            for role, password in self.passwords.items()
        }


async def execute(url: str, statement: str) -> None:
    """Run statements in a connection of their own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def outside() -> AsyncIterator[Outside]:
    """Start both; the bridge must be up."""
    controller, ours, pods = free_port(), free_port(), free_port()
    settings = {
        "listeners": f"PLAINTEXT://127.0.0.1:{ours},PODS://{BRIDGE}:{pods},"
        f"CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ours},PODS://{BRIDGE}:{pods}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PODS:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    kafka = ApacheKafka(settings, member=Member(1, {1: controller}, new_cluster_id()))
    kafka.port = ours
    postgres = EmbeddedPostgres(settings={"listen_addresses": f"127.0.0.1,{BRIDGE}"})
    async with kafka, postgres:
        connection = await asyncpg.connect(postgres.url)
        try:
            _let_pods_in(Path(await connection.fetchval("SHOW hba_file")))
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()
        yield Outside(kafka, f"{BRIDGE}:{pods}", postgres)


def _let_pods_in(rules: Path) -> None:
    with rules.open("a") as file:
        file.write(f"host all all {BRIDGE}/24 scram-sha-256\n")
