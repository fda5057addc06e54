"""``plazo lanes``: shows the owner of each lane, its lag and its undecided orders."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from worker.cli.context import finish, open_database
from worker.cli.options import AsJson
from worker.cli.output import console, print_json, table
from worker.cli.settings import load_settings

if TYPE_CHECKING:
    from worker.records import Partition
    from worker.settings import Settings

_COLUMNS = (
    "lane", "owner", "taken_at", "epoch", "lag", "read_to", "open_deadlines", "next_verdict",
    "sequence", "published",
)  # fmt: skip


def lanes(as_json: AsJson = False) -> None:
    """Show the owner of each lane, its lag, and its undecided orders."""
    settings = load_settings()
    rows = finish(settings, _rows(settings))
    if as_json:
        print_json(rows)
    else:
        heads = [name.replace("_", " ") for name in _COLUMNS]
        console().print(table("Lanes", heads, ([row[name] for name in _COLUMNS] for row in rows)))


async def _rows(settings: "Settings") -> list[dict[str, Any]]:
    from worker.lanes import status

    ends = await _ends(settings)
    async with open_database(settings) as database, database.session() as session:
        rows = await status.read(session, ends)
    return [{name: row[name] for name in _COLUMNS} for row in rows]


async def _ends(settings: "Settings") -> "dict[Partition, int] | None":
    """The ends of the logs; nothing, and so no lag, where Kafka does not answer."""
    from worker.errors import KafkaUnavailable
    from worker.kafka.offsets import OffsetReader

    offsets = OffsetReader(settings)
    with suppress(KafkaUnavailable):
        try:
            return await offsets.ends()
        finally:
            await offsets.close()
    return None
