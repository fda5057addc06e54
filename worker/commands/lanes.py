"""``plazo lanes``: who reads each lane, how far it is, and what it still has to decide."""

from collections import Counter
from contextlib import suppress
from typing import Any

from worker.commands.output import console, print_json, table
from worker.commands.parts import finish, open_store
from worker.errors import KafkaUnavailable
from worker.probe import KafkaProbe
from worker.settings import Settings

_COLUMNS = (
    "lane", "owner", "taken_at", "epoch", "lag", "open_deadlines", "next_verdict", "sequence",
    "published",
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
    async with open_store(settings) as store, store.session() as session:
        found = await session.rows("lanes")
        positions = {
            (row["topic"], row["partition"]): row["next_offset"]
            for row in await session.rows("positions")
        }
    lag = await _lag(settings, positions)
    return [
        {name: lag.get(row["lane"]) if name == "lag" else row[name] for name in _COLUMNS}
        for row in found
    ]


async def _lag(settings: Settings, positions: dict[tuple[str, int], int]) -> Counter[int]:
    """Records that each lane has still to read."""
    lag: Counter[int] = Counter()
    probe = KafkaProbe(settings)
    with suppress(KafkaUnavailable):
        try:
            for (topic, number), end in (await probe.ends()).items():
                lag[number] += max(0, end - positions.get((topic, number), 0))
        finally:
            await probe.close()
    return lag
