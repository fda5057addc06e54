"""Why Postgres or Kafka does not serve us, in words, with one cure for each cause."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from worker.addresses import where
from worker.errors import DatabaseFault
from worker.settings import Settings

# Seconds for the question of one broker.
_PATIENCE = 3.0
_START = "start Postgres there, or correct host and port in PLAZO_DATABASE_URL"
_DATABASE: dict[str, tuple[str, str]] = {
    "28P01": (
        "the password is wrong, or none was given",
        "correct the password in PLAZO_DATABASE_URL, or set it by ALTER ROLE … PASSWORD",
    ),
    "28000": (
        "the server does not let the role in from here",
        "if it wants TLS, add ?sslmode=verify-full to PLAZO_DATABASE_URL; else create the role "
        "with LOGIN (roles.sql), or allow it in pg_hba.conf",
    ),
    "3D000": (
        "there is no such database",
        "create it (CREATE DATABASE), or correct the name in PLAZO_DATABASE_URL",
    ),
    "42501": (
        "the role lacks a right",
        "run roles.sql as a superuser and grants.sql as the tables' owner (`plazo assets DIR`)",
    ),
    "53300": (
        "all connections of the server are taken",
        "raise max_connections, or lower PLAZO_DATABASE_CONNECTIONS",
    ),
    "57P03": ("the server is starting or shutting down", "wait; see the server's log"),
    "25006": (
        "the server takes no writes: it is a standby, or read-only by a setting",
        "name all hosts in PLAZO_DATABASE_URL, or turn default_transaction_read_only off",
    ),
    "TargetServerAttributeNotMatched": (
        "none of the hosts that answer is a primary",
        "wait for the failover, or name the primary in PLAZO_DATABASE_URL too",
    ),
    "gaierror": ("the host is unknown", "correct the host in PLAZO_DATABASE_URL; see DNS"),
    "ConnectionRefusedError": ("nothing listens there", _START),
    "TimeoutError": (
        "it gives no answer",
        "see that a firewall or network policy lets us through, and that the server is not "
        "overloaded",
    ),
    "SSLCertVerificationError": (
        "its certificate is not trusted, or is of another name",
        "set sslrootcert in PLAZO_DATABASE_URL to the authority's certificate, and the host to "
        "the name in the server's",
    ),
    "ConnectionError": (
        "it does not speak TLS, or broke off",
        "turn on TLS in the server, or lower sslmode in PLAZO_DATABASE_URL",
    ),
    "OSError": ("no address of the host answers", _START),
}


@dataclass(frozen=True, slots=True)
class Outage:
    """Why a part does not serve us, and the cure."""

    finding: str
    cure: str


def database_outage(settings: Settings, fault: DatabaseFault) -> Outage:
    """The cause of a fault of Postgres: host, database and role, and the cure."""
    place = where(settings.database_url.get_secret_value())
    known = _DATABASE.get(fault.sqlstate) or _DATABASE.get(fault.name)
    if known is None:
        return Outage(f"{fault}: {place}", "see the server's log")
    return Outage(f"{known[0]}: {place}", known[1])


async def kafka_outage(settings: Settings, reason: str) -> Outage:
    """The cause of an outage of Kafka: what each broker of the settings does when it is asked.

    ``reason`` is the client's own, for the case that all of them take a connection.
    """
    servers = settings.kafka_bootstrap_servers.split(",")
    answers = await asyncio.gather(*(_ask(settings, server) for server in servers))
    told = dict(zip(servers, answers, strict=True))
    finding = "; ".join(f"{server}: {answer}" for server, answer in told.items())
    return Outage(f"{finding} ({reason})", "; ".join(_cures(set(answers))))


_REFUSED, _UNKNOWN, _SILENT = "nothing listens there", "the host is unknown", "no answer"
_TLS, _OPEN = "it speaks TLS", "it takes connections"
_NO_TLS = "it does not speak TLS that we trust"
_KAFKA_CURES = {
    _REFUSED: "start the brokers, or correct host and port in PLAZO_KAFKA_BOOTSTRAP_SERVERS",
    _UNKNOWN: "correct the host in PLAZO_KAFKA_BOOTSTRAP_SERVERS; see DNS",
    _SILENT: "see that a firewall or network policy lets us through",
    _TLS: "set PLAZO_KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL",
    _NO_TLS: "correct PLAZO_KAFKA_SECURITY_PROTOCOL or the port; set PLAZO_KAFKA_CA_FILE to the "
    "authority of the brokers",
    _OPEN: "see PLAZO_KAFKA_SECURITY_PROTOCOL, user and password, and that the brokers' advertised "
    "listeners can be reached from here",
}


def _cures(answers: set[str]) -> Iterator[str]:
    return (cure for answer, cure in _KAFKA_CURES.items() if answer in answers)


async def _ask(settings: Settings, server: str) -> str:
    host, _, port = server.rpartition(":")
    wants_tls = settings.kafka_security_protocol.endswith("SSL")
    try:
        await _connect(host, int(port))
    except socket.gaierror:
        return _UNKNOWN
    except ConnectionRefusedError:
        return _REFUSED
    except TimeoutError:
        return _SILENT
    except OSError:
        return _REFUSED
    # Whatever its certificate: that it speaks TLS is all that is asked, and nothing is sent.
    context = ssl.create_default_context(cafile=settings.kafka_ca_file if wants_tls else None)
    if not wants_tls:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        await _connect(host, int(port), context)
    except (OSError, TimeoutError):
        return _NO_TLS if wants_tls else _OPEN
    return _OPEN if wants_tls else _TLS


async def _connect(host: str, port: int, context: ssl.SSLContext | None = None) -> None:
    async with asyncio.timeout(_PATIENCE):
        _, writer = await asyncio.open_connection(host.strip("[]"), port, ssl=context)
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            await writer.wait_closed()
