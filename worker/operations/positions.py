"""Sets positions back: the cure for a lane that halted at a topic that was replaced or cut."""

from dataclasses import dataclass

from worker.errors import NotRewound
from worker.kafka.offsets import OffsetReader
from worker.operations.actions import record
from worker.settings import Settings
from worker.storage.database import Database


@dataclass(frozen=True, slots=True)
class Rewound:
    """One partition, and its position before and after."""

    partition: int
    before: int
    after: int


async def rewind(
    settings: Settings,
    database: Database,
    topic: str,
    partition: int | None,
    to: int | None,
    *,
    author: str,
    dry_run: bool,
) -> list[Rewound]:
    """Set positions of a topic back to an offset, or to the beginning of the log.

    From here on, evidence before now counts as incompletely known: undecided orders that entered
    earlier escalate. Owners of the lanes are fenced, and take them again at the new positions.

    Raises:
        NotRewound: no such position, or the offset lies outside of the log or ahead.
        KafkaUnavailable, DatabaseUnavailable: nothing was changed.
    """
    rows = await database.rows("positions")
    stored = {
        row["partition"]: row["next_offset"]
        for row in rows
        if row["topic"] == topic and partition in (None, row["partition"])
    }
    if not stored:
        where = topic if partition is None else f"{topic}/{partition}"
        raise NotRewound(f"no worker has read {where} yet")
    offsets = OffsetReader(settings)
    try:
        logs = await offsets.bounds([(topic, number) for number in stored])
    finally:
        await offsets.close()
    targets = {}
    for (_, number), (begin, end, *_) in sorted(logs.items()):
        target = begin if to is None else to
        if not begin <= target <= end:
            raise NotRewound(f"{topic}/{number} goes from {begin} to {end}, without {target}")
        targets[number] = target
    if dry_run:
        return [_checked(topic, number, stored[number], to) for number, to in targets.items()]
    async with database.transaction() as tx:
        # In this order, as the lanes themselves: first their rows, then their positions.
        for number in targets:
            await tx.execute("raise_epoch", number)
        rewound = []
        for number, target in targets.items():
            row = await tx.row("lock_position", topic, number)
            assert row is not None
            rewound.append(_checked(topic, number, row["next_offset"], target))
            await tx.execute("rewind_position", topic, number, target)
        await record(
            tx, author, "positions rewind", topic=topic,
            positions={one.partition: [one.before, one.after] for one in rewound},
        )  # fmt: skip
    return rewound


def _checked(topic: str, partition: int, before: int, after: int) -> Rewound:
    if after > before:
        raise NotRewound(
            f"{topic}/{partition} stands at {before}: to go on at {after} would skip records"
        )
    return Rewound(partition, before, after)
