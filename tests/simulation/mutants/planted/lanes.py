"""Faults in the care of lanes."""

from tests.simulation.mutants.fault import LANE, MODEL_OF_LANES, PlantedFault

_NO_COMPARE = (
    (LANE, 'if row["sequence"] != self.sequence:', "if False:"),
    (LANE, 'if row["kept"] != kept or (moved and row["moved"] != moved):', "if False:"),
)

PLANTED = (
    PlantedFault(
        "fence removed",
        "a transaction of an older epoch fails whole",
        100,
        5,
        (
            (
                MODEL_OF_LANES,
                """    row = tx.newest("lanes", lane)
    if (row["epoch"], row["owner"]) != (epoch, owner):
        return []
    return [row.only("sequence", "open_deadlines").but(kept=kept, told_at=tx.now())]""",
                """    row = tx.newest("lanes", lane)
    return [row.only("sequence", "open_deadlines").but(kept=kept, told_at=tx.now())]""",
            ),
            (
                MODEL_OF_LANES,
                """    row = tx.get("lanes", lane)
    if row is None or (row["epoch"], row["owner"]) != (epoch, owner):
        return []
    kept""",
                """    row = tx.get("lanes", lane)
    kept""",
            ),
            # The second line of defence.
            *_NO_COMPARE,
        ),
    ),
    PlantedFault("positions not compared", "held by the fence", 0, 11, _NO_COMPARE),
    PlantedFault(
        "no reminder planned",
        "a silent seller is reminded",
        600,
        2,
        (
            (
                "worker/lanes/timers.py",
                '        for order in await tx.rows("reminded_orders", order_ids, lane)',
                "        for order in ()",
            ),
        ),
    ),
    PlantedFault(
        "deadlines looked at every 40 s only",
        "a verdict is late only while a guard holds it",
        100,
        4,
        (
            (
                "worker/runtime/lane_tasks.py",
                "            wait = min(wait, (at - self._clock.now()).total_seconds())\n",
                "            wait = 40.0\n",
            ),
        ),
    ),
    PlantedFault(
        "notices of other workers looked at every 60 s only",
        "an act in a foreign lane takes effect soon",
        300,
        23,
        (("worker/runtime/membership.py", "_NOTICES = 1.0", "_NOTICES = 60.0"),),
    ),
    PlantedFault(
        "the sweep of reminders never runs",
        "a silent seller is reminded",
        200,
        9,
        (
            (
                "worker/runtime/lane_tasks.py",
                "            asyncio.create_task(self._remind()),\n",
                "",
            ),
        ),
    ),
    PlantedFault(
        "acts that retention removed unread are no loss",
        "no false cancel",
        2000,
        0,
        (
            (
                "worker/runtime/take_over.py",
                "            since = services.clocks.latest() if lost else None",
                "            since = None",
            ),
        ),
    ),
    PlantedFault(
        "a waiting order stays so under another policy file",
        "no missed deadline",
        2000,
        2449,
        (("worker/runtime/take_over.py", "    await notice_waiting(lane)\n", ""),),
    ),
)
