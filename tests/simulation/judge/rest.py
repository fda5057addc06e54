"""Whether a run has come to rest."""

from typing import TYPE_CHECKING

from tests.simulation.scenario.records import CREATED, STATUS

if TYPE_CHECKING:
    from tests.simulation.world import World


def unquiet(world: "World") -> str:
    """What is left to do; empty where nothing is."""
    tables = world.database.tables
    logs = world.broker.logs
    if world.loop.now < max((send.at for send in world.scenario.sends), default=0.0):
        return "not everything is published"
    for (topic, number), log in logs.items():
        if topic in (CREATED, STATUS):
            row = tables["positions"].get((topic, number))
            if row is None or row["next_offset"] < log.end:
                return f"{topic}/{number} is not read: {row}, its end is {log.end}"
    if tables["deadlines"]:
        return f"deadlines: {sorted(tables['deadlines'])}"
    if tables["reminders"]:
        return f"reminders: {sorted(tables['reminders'])}"
    if tables["notices"]:
        return f"notices: {list(tables['notices'].values())}"
    if lanes := untold(world):
        return f"lanes {lanes}: not everything is marked as published"
    if any(not row["published"] for row in tables["dead_letters"].values()):
        return "dead letters not published"
    return ""


def untold(world: "World") -> list[int]:
    """The lanes with decisions that are not marked as published."""
    tables = world.database.tables
    nothing = {"sequence": 0}
    return [
        lane
        for lane, row in tables["lanes"].items()
        if row["sequence"] > tables["published"].get(lane, nothing)["sequence"]
    ]
