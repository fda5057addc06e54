"""The stored state of the lanes: owner, progress, and open deadlines of each."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from worker.records import Partition, timestamp_of
from worker.storage.transaction import Transaction


async def read(session: Transaction, ends: Mapping[Partition, int] | None) -> list[dict[str, Any]]:
    """A row for each lane. ``ends`` are the ends of the logs; ``None`` if Kafka does not answer.

    ``lag`` is in records. ``offsets`` is the sum of the positions; it grows as records are applied.
    ``read_to`` is the time of the last applied record, in the partition furthest behind; ``None``
    means that the lane is up to date.

    Raises:
        DatabaseUnavailable
    """
    rows = await session.rows("lanes")
    positions = {(r["topic"], r["partition"]): r for r in await session.rows("positions")}
    lag: dict[int, int] = defaultdict(int)
    offsets: dict[int, int] = defaultdict(int)
    for (_, number), position in positions.items():
        offsets[number] += position["next_offset"]
    read_to: dict[int, datetime] = {}
    for partition, end in (ends or {}).items():
        row = positions.get(partition)
        missing = max(0, end - (row["next_offset"] if row else 0))
        number = partition[1]
        lag[number] += missing
        if missing and row and row["last_timestamp"] is not None:
            at = timestamp_of(row["last_timestamp"])
            read_to[number] = min(at, read_to.get(number, at))
    return [
        {
            **dict(row),
            "lag": lag[row["lane"]] if ends is not None else None,
            "offsets": offsets[row["lane"]],
            "read_to": read_to.get(row["lane"]),
        }
        for row in rows
    ]
