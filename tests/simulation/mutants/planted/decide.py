"""Faults in deciding."""

from tests.simulation.mutants.fault import (
    DEADLINES,
    HEARING,
    JUDGE,
    SWEEP,
    VERDICTS,
    PlantedFault,
)

_UPDATE = (
    '            await tx.execute("update_lane", lane.number, sweep.sequence, open_deadlines)\n'
)

PLANTED = (
    PlantedFault(
        "sequence moved outside the transaction",
        "sequences are dense",
        200,
        2,
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
        "a late reminder moves the deadline of a decided order, and its verdict stands",
        "an extension in time takes the auto-cancel back",
        10000,
        9102,
        (
            (
                "worker/decide/reminders.py",
                "                    if loaded.finding is not None:\n",
                "                    if False:\n",
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
                HEARING,
                "case, judgement = self.deadlines.settle(loaded, facts)",
                "case, judgement = loaded, None",
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
    PlantedFault(
        "the brake asked, and not heeded",
        "what the limits leave no room for waits",
        600,
        93,
        (
            (
                JUDGE,
                "permitted, refused = verdict.parted(permit.orders)",
                "permitted, refused = verdict, None",
            ),
        ),
    ),
    PlantedFault(
        "alike orders cancelled for which there is no room",
        "what the limits leave no room for waits",
        2000,
        158,
        (
            (
                VERDICTS,
                'let = [row for row in self.alike if row["order_id"] in permitted]',
                "let = [*self.alike]",
            ),
        ),
    ),
    PlantedFault(
        "an order that a status opens again is told by its first order-created alone",
        "no false cancel",
        33000,
        32673,
        (
            (
                DEADLINES,
                "    if all(version.place != opened.place for version in versions):\n        return tuple(versions)\n",
                "",
            ),
        ),
    ),
)
