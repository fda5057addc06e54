"""Faults in reading."""

from tests.simulation.mutants.fault import ENTRY, INTAKE, LANE, READER, ROWS, PlantedFault

_RETRY = (
    INTAKE,
    "            except KeyTaken:\n",
    "            except (KeyTaken, __import__('worker.errors').errors.DatabaseUnavailable):\n",
)
_NO_COMPARE = (
    (LANE, 'if row["sequence"] != self.sequence:', "if False:"),
    (LANE, 'if row["kept"] != kept or (moved and row["moved"] != moved):', "if False:"),
)

PLANTED = (
    PlantedFault(
        "outcome unknown, retried blindly, positions not compared",
        "each record takes effect once",
        200,
        27,
        (_RETRY, *_NO_COMPARE),
    ),
    PlantedFault(
        "outcome unknown, retried blindly", "held by the compare-and-set", 0, 11, (_RETRY,)
    ),
    PlantedFault(
        "position committed before the effect",
        "each record takes effect once",
        200,
        0,
        (
            (
                INTAKE,
                "        async with self._lane.database.transaction() as tx:\n"
                "            sequence, open_deadlines = await self._begin(tx, batch)\n",
                "        async with self._lane.database.transaction() as first:\n"
                "            await self._begin(first, batch)\n"
                "        self._lane.positions.update(batch.after)\n"
                "        async with self._lane.database.transaction() as tx:\n"
                "            sequence, open_deadlines = await self._lane.fence(tx)\n",
            ),
        ),
    ),
    PlantedFault(
        "shield dropped",
        "a refused record shields its order",
        100,
        10,
        (("worker/ingest/rows.py", "list(refusal.order_ids),", "[],"),),
    ),
    PlantedFault(
        "an interrupted pull takes effect",
        "each record takes effect once",
        3000,
        613,
        (
            (
                READER,
                "                return Batch(), None\n            batch += more",
                "                more = Batch()\n            batch += more",
            ),
        ),
    ),
    PlantedFault(
        "a refused batch is not read again",
        "no record is lost",
        300,
        24,
        (
            (
                READER,
                "                self._consumer.seek(positions)\n                self._most = limit // 2",
                "                self._most = limit // 2",
            ),
        ),
    ),
    PlantedFault(
        "packed acts forgotten when a key is taken",
        "each record takes effect once",
        300,
        96,
        (
            (
                INTAKE,
                '            await tx.copy_packed("acts", binary_copy.ACT_COLUMNS, rows.packed_acts)\n        result',
                "            pass\n        result",
            ),
        ),
    ),
    PlantedFault(
        "hand-over forgotten",
        "an act in a foreign lane takes effect",
        100,
        1,
        (
            (
                INTAKE,
                "if to_notice := to_notice | rows.without_clock | rows.changed | retold:",
                "if False:",
            ),
        ),
    ),
    PlantedFault(
        "an order that waits not looked at when it enters",
        "a clock starts by what came before its order",
        300,
        1,
        ((INTAKE, "to_notice | rows.without_clock | rows.changed", "to_notice | rows.changed"),),
    ),
    PlantedFault(
        "statuses are compared to the letter",
        "no false cancel",
        300,
        3,
        ((ROWS, "    status = normalise(event.status)\n", "    status = event.status\n"),),
    ),
    PlantedFault(
        "a fact that no rule was told is no doubt",
        "no false cancel",
        600,
        54,
        ((ENTRY, "            if self._policies.lacks(facts):\n", "            if False:\n"),),
    ),
    PlantedFault(
        "an order whose order-created is refused is forgotten",
        "no missed deadline",
        600,
        93,
        ((ROWS, "    if event is None or rows.holds(event.order_id):\n", "    if True:\n"),),
    ),
    PlantedFault(
        "a cancelled line cancels its order",
        "no missed deadline",
        300,
        21,
        (
            (
                ROWS,
                "    if meaning is Meaning.CANCELED and event.cancels_in_part:\n",
                "    if False:\n",
            ),
        ),
    ),
    PlantedFault(
        "another version of an order is a repeat",
        "the rule",
        300,
        12,
        (
            (
                INTAKE,
                "            retold = await enter_versions(tx, rows, repeats)\n",
                "            retold = set[str]()\n",
            ),
        ),
    ),
    PlantedFault(
        "an order that is ready again leaves no notice",
        "no missed deadline",
        600,
        25,
        (
            (
                INTAKE,
                "            mentioned, ready = rows.mentioned - to_notice, rows.ready - to_notice\n",
                "            mentioned, ready = rows.mentioned - to_notice, set[str]()\n",
            ),
        ),
    ),
)
