"""Which publisher sent what could not be read."""

import json
from collections.abc import Callable

import asyncpg

from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from worker.storage.migrate import migrate

HEADERS = {b"content-type": b"application/json", b"ce_source": b"/portal"}


async def refuse(
    connection: asyncpg.Connection, offset: int, headers: dict[bytes, bytes | None],
    error: str = "invalid", settled: str | None = None,
) -> None:  # fmt: skip
    await connection.execute(
        'INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, '
        "error, message, header_names, header_values, settled) "
        "VALUES (0, 't', 0, $1, now(), now(), $2, 'x', $3, $4, $5)",
        offset, error, [*headers], [*headers.values()], settled,
    )  # fmt: skip


async def test_refusals_by_publisher(
    new_worker: Callable[..., WorkerProcess], topics: Topics, database: str
) -> None:
    await migrate(database)
    connection = await asyncpg.connect(database)
    for offset in range(3):
        await refuse(connection, offset, HEADERS)
    await refuse(connection, 3, HEADERS, "time")
    await refuse(connection, 4, {})
    await refuse(connection, 5, {b"ce_source": b"\xff[red]\x1b"})
    await refuse(connection, 6, {b"ce_source": None})
    await refuse(connection, 7, HEADERS, settled="discarded")
    await connection.close()
    command = new_worker(topics, arguments=("dead-letters", "sources", "--json"))
    assert await command.start().wait() == 0, command.output
    found = [
        (one["source"], one["topic"], one["error"], one["records"])
        for one in json.loads(command.stdout_file.read_text())
    ]
    assert found[0] == ("/portal", "t", "invalid", 3)
    assert set(found[1:]) == {
        ("/portal", "t", "time", 1), (None, "t", "invalid", 2),
        ("\\377[red]\x1b", "t", "invalid", 1),
    }  # fmt: skip
    screen = new_worker(topics, arguments=("dead-letters", "sources"))
    assert await screen.start().wait() == 0, screen.output
    shown = screen.stdout_file.read_text()
    assert "/portal" in shown
    assert "[red]" in shown
    assert "\x1b" not in shown
