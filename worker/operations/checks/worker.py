"""Checks of that which only `plazo run` needs: its rule, mode, reader and port."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress

from worker.errors import PolicyInvalid
from worker.ingest.plain import compiled
from worker.operations.checks.model import Check, DatabaseFacts, Status
from worker.operations.format import count, span
from worker.operations.outages import Outage
from worker.policy.registry import load_policies
from worker.settings import Settings

# Seconds for the answer of whoever has the port.
_PATIENCE = 2.0


def rule_checks(settings: Settings, database: DatabaseFacts | Outage) -> Iterator[Check]:
    """Whether a worker starts with this policy file, in this mode, with these versions."""
    try:
        policies = load_policies(settings)
    except PolicyInvalid as error:
        yield Check(
            "policy file", Status.FAULT, f"no worker starts with it: {error}",
            "correct it; `plazo policy check` shows every fault with its line",
        )  # fmt: skip
        return
    known = {} if isinstance(database, Outage) else database.terms
    changed = [
        rule.policy.name
        for rule in policies.rules
        if known.get((rule.policy.name, rule.policy.version or 0), rule.policy.source)
        != rule.policy.source
    ]
    if changed:
        yield Check(
            "policy file", Status.FAULT,
            f"no worker starts with it: this version of {', '.join(changed)} was in force with "
            "other terms",
            "give the file a higher version",
        )  # fmt: skip
    found = f"{settings.mode}, window {span(settings.stock_window)}, grace {span(settings.grace)}"
    if settings.policy_file is not None:
        found += f", {count(len(policies.rules), 'rule')} in {settings.policy_file}"
    yield Check("rule", Status.OK, found)
    if isinstance(database, Outage) or database.mode in (None, settings.mode):
        return
    yield Check(
        "mode", Status.FAULT, f"the database is of mode {database.mode}: no worker starts",
        f"set PLAZO_MODE={database.mode}, or give mode {settings.mode} a database of its own",
    )  # fmt: skip


def reader_check(settings: Settings) -> Check:
    """Whether a worker of this installation reads plain records with compiled code."""
    if not settings.compiled:
        found = "Python reads all records: PLAZO_COMPILED is off"
    elif compiled() is None:
        found = "Python reads all records: this installation has no compiled code"
    else:
        found = "compiled code reads plain records"
    return Check("reader", Status.OK, found)


async def port_check(settings: Settings) -> Check:
    """Whether a worker can listen, or does already."""
    host, port = settings.http_host, settings.http_port
    name, place = "http port", f"{host} port {port}"
    try:
        # A family as asyncio chooses it; SO_REUSEADDR, as it sets it.
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
            # Two may bind with SO_REUSEADDR, and one of them listens.
            tried.listen()
        return Check(name, Status.OK, f"{place} is free")
    except OSError as error:
        if await _serves_plazo(host, port):
            return Check(name, Status.OK, f"a worker listens on {place}")
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        return Check(
            name, Status.FAULT, f"no worker can listen on {place}: {why}",
            "set PLAZO_HTTP_HOST and PLAZO_HTTP_PORT, or stop the program that has the port",
        )  # fmt: skip


async def _serves_plazo(host: str, port: int) -> bool:
    """Whether the program that has the port answers /livez as a worker does."""
    asked = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(asked, port)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: plazo\r\nConnection: close\r\n\r\n")
            answer = await reader.read(4096)
            while more := await reader.read(4096):
                answer = (answer + more)[:65_536]
            writer.close()
        return b'{"live":' in answer
    return False
