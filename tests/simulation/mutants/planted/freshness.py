"""Faults in the proof of freshness."""

from tests.simulation.mutants.fault import FRESHNESS, PlantedFault

_PROBE_BY_OURS = ("worker/clock.py", "return min(before, theirs)", "return before")

PLANTED = (
    PlantedFault(
        "proof replaced by a time-out",
        "no false cancel",
        600,
        429,
        (
            (
                FRESHNESS,
                "while queue and _reached(queue[0].ends, positions):",
                "while queue and self._clock.monotonic() - queue[0].started > 1.0:",
            ),
        ),
    ),
    PlantedFault(
        "proof without the other lanes",
        "no false cancel",
        600,
        11,
        (
            (
                FRESHNESS,
                "if key is None or p[1] == key}",
                "if p[1] in self._waiting}",
            ),
        ),
    ),
    PlantedFault(
        "the worker's clock alone",
        "no verdict before due + grace",
        100,
        8,
        (_PROBE_BY_OURS, (FRESHNESS, "self._clocks.earliest(), self", "self._clock.now(), self")),
    ),
    PlantedFault(
        "the worker's clock alone at the probe",
        "held by the clocks at the use of the proof",
        0,
        8,
        (_PROBE_BY_OURS,),
    ),
    PlantedFault(
        "positions of other workers looked at every 20 s only",
        "a guard holds verdicts no longer than what it names",
        300,
        93,
        ((FRESHNESS, "_POLL = 0.05", "_POLL = 20.0"),),
    ),
    PlantedFault(
        "a partition that is added needs no proof",
        "no false cancel",
        2000,
        1356,
        (
            (
                FRESHNESS,
                "    return all(positions.get(partition, -1) >= end for",
                "    return all(positions.get(partition, end) >= end for",
            ),
        ),
    ),
    PlantedFault(
        "a record that compaction removed is taken for another log",
        "no lane halts without a reason",
        2000,
        27,
        (
            (
                "worker/freshness/same_log.py",
                "    for partition, timestamp in found.items():\n"
                "        if timestamp != marks[partition].timestamp:\n",
                "    for partition in marks:\n"
                "        if found.get(partition) != marks[partition].timestamp:\n",
            ),
        ),
    ),
    PlantedFault(
        "records that stand where none was read are not looked for",
        "no auto-cancel against evidence, where a log lost no record that was read",
        23000,
        22837,
        (
            (
                "worker/freshness/same_log.py",
                "        if was.mark is not None or not was.cut:\n",
                "        if was.mark is None and not was.cut:\n",
            ),
        ),
    ),
    PlantedFault(
        "a log that was found to be cut is forgotten once compaction has removed the difference",
        "no auto-cancel against evidence that was known to be lost",
        45000,
        44907,
        (
            (
                "worker/runtime/take_over.py",
                "        if error.lasting:\n",
                "        if False:\n",
            ),
        ),
    ),
    PlantedFault(
        "a finding is kept, and nobody looks at it",
        "a lane that has to halt stays halted",
        80000,
        79491,
        (
            (
                "worker/freshness/same_log.py",
                "        if was.other is not None:\n            raise OtherLog(*partition, was.other)\n",
                "",
            ),
        ),
    ),
    PlantedFault(
        "a log of which no record was ever read is taken for the one that was passed",
        "no auto-cancel against evidence, where a log lost no record that was read",
        41000,
        40855,
        (
            (
                "worker/freshness/same_log.py",
                "        if was.mark is not None or not was.cut:\n",
                "        if was.mark is not None:\n",
            ),
        ),
    ),
    PlantedFault(
        "a marker at the offset of the last record read is taken for a hole of compaction",
        "a lane that has to halt stays halted",
        70000,
        69337,
        (
            (
                "worker/freshness/same_log.py",
                "        if timestamp != marks[partition].timestamp:\n",
                "        if timestamp not in (None, marks[partition].timestamp):\n",
            ),
        ),
    ),
    PlantedFault(
        "a log is recognised before the last records of the one before it are stored",
        "no auto-cancel against evidence, where a log was cut",
        100000,
        99584,
        (
            (
                "worker/freshness/prover.py",
                "                await self._settle(positions)\n",
                "                pass\n",
            ),
        ),
    ),
    PlantedFault(
        "a leader that came while a lane was taken over is taken for the one that was checked",
        "a lane whose log was cut halts",
        122000,
        121844,
        (
            (
                "worker/ingest/reader.py",
                "            p: (source, False) for p, source in sources.items()\n",
                "            p: now for p, now in self._sources_now().items()\n",
            ),
        ),
    ),
)
