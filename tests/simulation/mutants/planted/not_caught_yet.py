"""Faults whose moment is too short for the seeds that were run.

Nothing shows them yet. They stay to be caught, by smaller worlds or longer runs, and are not tried
by default.
"""

from tests.simulation.mutants.fault import (
    CYCLE,
    DEADLINES,
    DECIDE,
    ENTERING,
    FRESHNESS,
    JUDGE,
    LAPSE,
    MODEL_OF_BRAKE,
    MODEL_OF_INGEST,
    MODEL_OF_NOTICES,
    READER,
    RELAY,
    SWEEP,
    WRITER,
    PlantedFault,
)

_DISARM = """\
                if due:
                    # First of all: later steps may arm others, and before the last of these.
                    last = due[-1]["fires_at"], due[-1]["order_id"]
                    sweep.open_deadlines -= await tx.execute("disarm_deadlines", lane.number, *last)
"""
_NEXT = '                next_deadline = await tx.row("next_deadline", lane.number)\n'

NOT_CAUGHT_YET = (
    PlantedFault(
        "a log with another leader is the one that was read",
        "no false cancel",
        2000,
        None,
        (
            (
                FRESHNESS,
                "        await self._recognise({p: stored[p] for p in counted}, tips)\n",
                "",
            ),
        ),
    ),
    PlantedFault(
        "neither prover nor idle lane look at the log",
        "no false cancel",
        2000,
        None,
        (
            (
                READER,
                "            if self._sources_now() != self._sources:",
                "            if False:",
            ),
            (
                FRESHNESS,
                "        await self._recognise({p: stored[p] for p in counted}, tips)\n",
                "",
            ),
        ),
    ),
    PlantedFault(
        "no look at an order whose deadline was changed",
        "a released verdict falls",
        300,
        None,
        ((WRITER, "lane, list(rows.changed)", "lane, []"),),
    ),
    PlantedFault(
        "a readable order-created is another version of what was salvaged",
        "the rule",
        2000,
        None,
        (
            (
                ENTERING,
                'return row["lane"] is None or (row["lane"] == lane and bool(row["salvaged"]))',
                'return row["lane"] is None',
            ),
        ),
    ),
    PlantedFault(
        "ends probed before the clock is read",
        "no false cancel",
        600,
        None,
        (
            (
                FRESHNESS,
                "        at = await self._clocks.measure(self._database.now)\n",
                "        tips = await self._probe.tips()\n"
                "        at = await self._clocks.measure(self._database.now)\n",
            ),
            (
                FRESHNESS,
                "        tips = await self._probe.tips()\n        ends = {",
                "        ends = {",
            ),
        ),
    ),
    PlantedFault(
        "stub left out",
        "an act that races its order takes effect",
        2000,
        None,
        (
            (
                "worker/ingest/rows.py",
                "        return [o for o in self.touched if not self.holds(o) and o not in known]\n",
                "        return []\n",
            ),
        ),
    ),
    PlantedFault(
        "a cancelled order that lives on is not watched again",
        "no missed deadline",
        300,
        None,
        (
            (
                CYCLE,
                "        elif self._opens(act) and act.occurred_at > self._cancelled_at:\n",
                "        elif False:\n",
            ),
        ),
    ),
    PlantedFault(
        "notices of one order are taken one by one",
        "a late verdict has a guard",
        100,
        None,
        ((MODEL_OF_NOTICES, "    first = ripe[: 10 * limit]\n", "    first = ripe[:limit]\n"),),
    ),
    PlantedFault(
        "decisions that a failover lost are looked for in vain",
        "a lane finds out by itself that its state was lost",
        600,
        None,
        ((RELAY, "        if not events:\n", "        if False:\n"),),
    ),
    PlantedFault(
        "late evidence does not undo the end of a cycle",
        "no false cancel",
        600,
        None,
        (
            (
                CYCLE,
                "        if not self._handled and self._cancelled_at is None:\n",
                "        if self._cancelled_at is None:\n",
            ),
        ),
    ),
    PlantedFault(
        "deadlines disarmed after the verdicts",
        "a deadline that a sweep arms is not lost with those it found",
        1000,
        None,
        ((LAPSE, _DISARM, ""), (LAPSE, _NEXT, _DISARM + _NEXT)),
    ),
    PlantedFault(
        "an auto-cancel that a correction brings is not watched",
        "an auto-cancel that nobody carries out escalates",
        2000,
        None,
        (
            (
                JUDGE,
                "        await self._await_confirmation(sweep, published)\n",
                "        if hearing.proof is not None:\n"
                "            await self._await_confirmation(sweep, published)\n",
            ),
        ),
    ),
    PlantedFault(
        "what was read told from another snapshot",
        "an auto-cancel tells truly what it had read",
        4000,
        None,
        ((SWEEP, "transaction(one_snapshot=True)", "transaction()"),),
    ),
    PlantedFault(
        "two sweeps at the brake at once",
        "the limits hold over all workers",
        4000,
        None,
        (
            (
                MODEL_OF_BRAKE,
                'yield "brake", True\n    second = tx.now()',
                'yield "brake", tx\n    second = tx.now()',
            ),
        ),
    ),
    PlantedFault(
        "what our auto-cancel knew makes the order alive again",
        "the order is alive again after the auto-cancel",
        2000,
        None,
        ((CYCLE, "if self._ours is not None and self._ours.knew(act.place):", "if False:"),),
    ),
    PlantedFault(
        "unknown status after our auto-cancel ignored",
        "a word that nobody understands goes to a person",
        300,
        None,
        (
            (
                DECIDE,
                "        if Reason.UNKNOWN_STATUS not in issued and any(",
                "        if False and any(",
            ),
        ),
    ),
    PlantedFault(
        "a word that nobody understands revokes",
        "what downstream was told rests on what is understood",
        300,
        None,
        (
            (
                DECIDE,
                "return act.meaning not in OBSCURE or not _after_auto_cancel(case, act.place)",
                "return True",
            ),
        ),
    ),
    PlantedFault(
        "a cancellation from before the order counts",
        "a cancellation from before the order entered is none of it",
        300,
        None,
        ((DECIDE, "return act.occurred_at >= case.order.entered_at", "return True"),),
    ),
    PlantedFault(
        "a late extension is refused",
        "an extension that was issued in time counts",
        600,
        None,
        (
            (
                DEADLINES,
                "if change.occurred_at <= order.due and self._fault",
                "if False and self._fault",
            ),
        ),
    ),
    PlantedFault(
        "the last extension counts, not the latest due",
        "no extension takes time away",
        600,
        None,
        (
            (
                "worker/domain/deadline.py",
                "            due = max(due, change.due)",
                "            due = change.due",
            ),
        ),
    ),
    PlantedFault(
        "an order of another lane that is ready again leaves no notice",
        "a clock starts by what comes after its order",
        2000,
        None,
        ((MODEL_OF_INGEST, " or elsewhere or ", " or "),),
    ),
    PlantedFault(
        "an earlier deadline waits for the proof of a later one, though the clock was set back",
        "a verdict is late only while a guard holds it",
        2000,
        None,
        (
            (
                "worker/runtime/lane_tasks.py",
                "                if earliest is not None and earliest < at:\n",
                "                if earliest is None:\n",
            ),
        ),
    ),
    PlantedFault(
        "a proof whose time lay ahead counts once that time has come",
        "no false cancel",
        3000,
        None,
        (
            (
                "worker/freshness/evidence.py",
                "return min(self.at, now - timedelta(seconds=monotonic - self.probed))",
                "return min(self.at, now)",
            ),
        ),
    ),
    PlantedFault(
        "an order that was over before the worker began is cancelled once its deadline has moved",
        "the rule",
        3000,
        None,
        (
            (
                DECIDE,
                "    corrects = case.decided and case.finding is not None\n",
                "    corrects = bool(case.decided)\n",
            ),
        ),
    ),
    PlantedFault(
        "an order that was handled is kept while its clock stands otherwise",
        "the rule",
        4000,
        None,
        (
            (
                "worker/decide/alike.py",
                "            if _clock_is_right(row, policies):\n",
                "            if True:\n",
            ),
        ),
    ),
    PlantedFault(
        "the brake not asked for a correction that cancels",
        "what the limits leave no room for waits",
        4000,
        None,  # tests/integration/test_brake.py catches it
        (
            (
                JUDGE,
                "        if hearing.proof is None and not silent:\n",
                "        if hearing.proof is None:\n",
            ),
        ),
    ),
    PlantedFault(
        "a proof held against our clock alone",
        "no false cancel",
        4000,
        None,  # tests/unit/test_prover.py catches it
        (
            (
                SWEEP,
                "return self._clocks.earliest(), self.clock.monotonic()",
                "return self.clock.now(), self.clock.monotonic()",
            ),
        ),
    ),
)
