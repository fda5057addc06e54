"""``plazo lanes``: who reads each lane, how far it is, and what it still has to decide."""

from contextlib import suppress
from typing import Any

from worker.cli.context import finish, open_store
from worker.cli.output import console, print_json, table
from worker.errors import KafkaUnavailable
from worker.kafka.offsets import KafkaProbe
from worker.lanes import status as stored
from worker.proof import Partition
from worker.settings import Settings

_COLUMNS = (
    "lane", "owner", "taken_at", "epoch", "lag", "read_to", "open_deadlines", "next_verdict",
    "sequence", "published",
)  # fmt: skip


def lanes(settings: Settings, *, as_json: bool) -> None:
    """Show the lanes; ``lag`` in records, nothing where Kafka does not answer.

    Raises:
        DatabaseUnavailable, SchemaNotCurrent
    """
    rows = finish(settings, _rows(settings))
    if as_json:
        print_json(rows)
    else:
        heads = [name.replace("_", " ") for name in _COLUMNS]
        console().print(table("Lanes", heads, ([row[name] for name in _COLUMNS] for row in rows)))


async def _rows(settings: Settings) -> list[dict[str, Any]]:
    ends = await _ends(settings)
    async with open_store(settings) as store, store.session() as session:
        rows = await stored.read(session, ends)
    return [{name: row[name] for name in _COLUMNS} for row in rows]


async def _ends(settings: Settings) -> dict[Partition, int] | None:
    probe = KafkaProbe(settings)
    with suppress(KafkaUnavailable):
        try:
            return await probe.ends()
        finally:
            await probe.close()
    return None
