"""Each record took effect once: as an act, or as a dead letter with the bytes as they came."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.simulation.scenario.records import CREATED, LETTERS, STATUS

if TYPE_CHECKING:
    from tests.simulation.world import World


def dead_letters(world: "World") -> Iterator[str]:
    found: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for (topic, _), log in world.broker.logs.items():
        if topic != LETTERS:
            continue
        for record in log.records():
            headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
            place = (
                headers["plazo-source-topic"],
                int(headers["plazo-source-partition"]),
                int(headers["plazo-source-offset"]),
            )
            found[place].append(log.entries[record.offset].stored_at)
            if place in world.changes:
                continue  # one that came too late
            if place not in world.refused:
                yield f"dead letter for {place}, which can be read"
                continue
            came = world.refused[place].record
            assert came is not None
            too_large = len(came.value or b"") > world.largest_letter
            if (record.key, record.value) != (came.key, None if too_large else came.value):
                yield f"dead letter for {place}: not the bytes as they came"
    for place in world.refused:
        if place not in found:
            yield f"LOST: no dead letter for {place}"
    for place, (_, *again) in found.items():
        # Commits that the database loses are made again, with their dead letters.
        if not world.words.lost_commits and not all(
            world.processes.is_excused(place[1], stored_at) for stored_at in again
        ):
            yield f"{1 + len(again)} dead letters for {place}, without an excuse"


def effects(world: "World") -> Iterator[str]:
    """Each record took effect once."""
    tables = world.database.tables
    rows = Counter((r["topic"], r["partition"], r["offset"]) for r in tables["acts"].values())
    kept = Counter(
        (r["topic"], r["partition"], r["offset"]) for r in tables["dead_letters"].values()
    )
    for (topic, number), log in world.broker.logs.items():
        if topic not in (CREATED, STATUS):
            continue
        for record in [*log.records(), *log.retained, *log.compacted]:
            place = (topic, number, record.offset)
            here, other = (kept, rows) if place in world.refused else (rows, kept)
            refused, times = other.pop(place, 0), here.pop(place, 0)
            if times == 0 and (record in log.retained or record in log.compacted):
                continue
            if times != 1 or (refused and place not in world.changes):
                yield f"{place} took effect {times} times"
    for place in (rows + kept).keys() - world.losses.lost:
        yield f"{place} took effect, and was never committed"
    for lane, row in tables["lanes"].items():
        if row["open_deadlines"]:
            yield f"lane {lane}: counts {row['open_deadlines']} open deadlines"
