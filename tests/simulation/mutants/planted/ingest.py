"""Faults in reading."""

from tests.simulation.mutants.fault import (
    ENTERING,
    ENTRY,
    LANE,
    READER,
    ROWS,
    WRITER,
    PlantedFault,
)

_RETRY = (
    WRITER,
    "            except KeyTaken:\n",
    "            except (KeyTaken, __import__('worker.errors').errors.DatabaseUnavailable):\n",
)
_NO_COMPARE = (
    (LANE, 'if row["sequence"] != self.sequence:', "if False:"),
    (LANE, 'if row["kept"] != kept or (moved and row["moved"] != moved):', "if False:"),
)

PLANTED = (
    PlantedFault(
        "a status that starts a clock, and says that an order is ready, makes no stub",
        "each order gets its deadline",
        42000,
        41893,
        (
            (
                ROWS,
                "    if status in entry.clocks:\n",
                "    if status in entry.clocks and meaning is not Meaning.READY:\n",
            ),
        ),
    ),
    PlantedFault(
        "outcome unknown, retried blindly, positions not compared",
        "each record takes effect once",
        200,
        98,
        (_RETRY, *_NO_COMPARE),
    ),
    PlantedFault(
        "outcome unknown, retried blindly", "held by the compare-and-set", 0, 11, (_RETRY,)
    ),
    PlantedFault(
        "position committed before the effect",
        "each record takes effect once",
        200,
        1,
        (
            (
                WRITER,
                "                await self._begin(tx, shares)\n",
                "                async with self._database.transaction() as first:\n"
                "                    await self._begin(first, shares)\n"
                "                for share in shares:\n"
                "                    share.lane.positions.update(share.batch.after)\n"
                "                    await share.lane.fence(tx)\n",
            ),
        ),
    ),
    PlantedFault(
        "shield dropped",
        "a refused record shields its order",
        100,
        9,
        (("worker/ingest/rows.py", "list(refusal.order_ids),", "[],"),),
    ),
    PlantedFault(
        "an interrupted pull takes effect",
        "each record takes effect once",
        3000,
        914,
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
        125,
        (
            (
                ENTERING,
                '            await tx.copy_packed("acts", binary_copy.ACT_COLUMNS, packed)\n',
                "            pass\n",
            ),
        ),
    ),
    PlantedFault(
        "hand-over forgotten",
        "an act in a foreign lane takes effect",
        100,
        3,
        (
            (
                WRITER,
                "        if to_notice := list(share.to_notice):\n",
                "        if False:\n",
            ),
        ),
    ),
    PlantedFault(
        "an order that waits not looked at when it enters",
        "a clock starts by what came before its order",
        300,
        37,
        ((WRITER, "*rows.without_clock, ", ""),),
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
                WRITER,
                "        retold = await enter_versions(tx, rows, share.repeats)\n",
                "        retold = set[str]()\n",
            ),
        ),
    ),
    PlantedFault(
        "an order that is ready again leaves no notice",
        "no missed deadline",
        600,
        270,
        (
            (
                WRITER,
                "        ready = [share.rows.ready - share.to_notice for share in shares]\n",
                "        ready = [set[str]() for _ in shares]\n",
            ),
        ),
    ),
    PlantedFault(
        "a commit of several lanes with an unknown outcome, tried again apart, positions not compared",
        "each record takes effect once",
        2000,
        1385,
        (
            (WRITER, "            if together and not written:\n", "            if together:\n"),
            *_NO_COMPARE,
        ),
    ),
)
