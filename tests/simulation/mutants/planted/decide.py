"""Faults in deciding."""

from tests.simulation.mutants.fault import DEADLINES, JUDGE, SWEEP, PlantedFault

_UPDATE = (
    '            await tx.execute("update_lane", lane.number, sweep.sequence, open_deadlines)\n'
)

PLANTED = (
    PlantedFault(
        "sequence moved outside the transaction",
        "sequences are dense",
        200,
        34,
        (
            (
                SWEEP,
                _UPDATE,
                _UPDATE.replace("sweep.sequence", "sequence")
                + "        async with lane.database.session() as tx:\n"
                + _UPDATE,
            ),
        ),
    ),
    PlantedFault(
        "a reminder not put away",
        "each reminder comes once",
        200,
        9,
        (
            (
                "worker/decide/reminders.py",
                "                if due:\n",
                "                if False:\n",
            ),
        ),
    ),
    PlantedFault(
        "changed deadlines ignored by the sweep",
        "no verdict before the deadline in force, nor while it is held",
        300,
        4,
        (
            (
                JUDGE,
                "case, judgement = deadlines.settle(loaded, facts[order_id])\n                if",
                "case, judgement = loaded, None\n                if",
            ),
        ),
    ),
    PlantedFault(
        "a hold that expires cancels",
        "no false cancel",
        600,
        190,
        ((DEADLINES, "Settled(case._replace(hold_expired=True))", "Settled(case)"),),
    ),
    PlantedFault(
        "a hold never expires",
        "no missed deadline",
        600,
        47,
        (
            (
                DEADLINES,
                "        if planned.held_since + self.limits.hold > self.now:",
                "        if planned.held_since:",
            ),
        ),
    ),
)
