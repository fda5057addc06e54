"""Faults in publishing."""

from tests.simulation.mutants.fault import RELAY, PlantedFault

PLANTED = (
    PlantedFault(
        "tail not read",
        "a crash publishes no duplicate",
        600,
        34,
        ((RELAY, "published = tail.published_after(lane.published)", "published = 0"),),
    ),
    PlantedFault(
        "failed publication taken for done",
        "every verdict is published",
        400,
        11,
        (
            (
                RELAY,
                "        await append(self._producer, messages, smaller)\n",
                "        from contextlib import suppress\n\n"
                "        from worker.errors import PublishFailed\n\n"
                "        with suppress(PublishFailed):\n"
                "            await append(self._producer, messages, smaller)\n",
            ),
        ),
    ),
    PlantedFault(
        "dead letters marked before they are published",
        "nothing is lost",
        1000,
        100,
        (
            (
                "worker/outbox/dead_letters.py",
                "                await append(self._producer, [self._message(row) for row in rows], _smaller)\n",
                '                await self._mark([row["id"] for row in rows])\n'
                "                await append(self._producer, [self._message(row) for row in rows], _smaller)\n",
            ),
        ),
    ),
    PlantedFault(
        "the greatest sequence of the tail taken as published",
        "every verdict is published",
        100,
        13,
        (
            (
                "worker/outbox/tail.py",
                "        while mark + 1 in self.ids:\n            mark += 1\n        return mark\n",
                "        return max(mark, self.last)\n",
            ),
        ),
    ),
    PlantedFault(
        "the tail's ids not compared",
        "no sequence with two meanings",
        100,
        22,
        (
            (
                RELAY,
                "        if other is not None:\n",
                "        if False:\n",
            ),
        ),
    ),
    PlantedFault(
        "a decision that is too large holds the others",
        "every verdict is published",
        100,
        16,
        (
            (
                RELAY,
                "await append(self._producer, messages, smaller)",
                "await append(self._producer, messages)",
            ),
        ),
    ),
    PlantedFault(
        "decisions published 30 s later",
        "a verdict is late only while a guard holds it",
        100,
        0,
        (
            (
                RELAY,
                "            await self._committed.wait()\n",
                "            await self._committed.wait()\n            await self._clock.sleep(30.0)\n",
            ),
        ),
    ),
    PlantedFault(
        "each batch of decisions published twice",
        "only a fault of the lane itself excuses a repeat",
        100,
        3,
        (
            (
                RELAY,
                "        await append(self._producer, messages, smaller)\n",
                "        await append(self._producer, messages, smaller)\n"
                "        if lane.sequence % 3 == 2:\n"
                "            await append(self._producer, messages, smaller)\n",
            ),
        ),
    ),
)
