"""What else may happen in a run: lost records and commits, odd times, an older version."""

import os
from dataclasses import dataclass
from random import Random

from tests.simulation.scenario.records import CREATED, STATUS
from tests.simulation.scenario.rules import HEAL

# Words that break the worker as it is: see the README. Remove a word here once it is mended. Until
# then PLAZO_TEST_SIMULATE="odd-times lost-commits" switches words on.
SWITCHED_OFF: tuple[str, ...] = ()


@dataclass(frozen=True)
class Former:
    """What a worker of an older version left of a lane.

    It decided ``decided`` orders, knew that the first ``marked`` are published, and the topic
    holds those of ``published``: a hole may lie in between. ``others``: those that the topic has
    under another id than the database.
    """

    decided: int
    marked: int
    published: tuple[int, ...]
    others: tuple[int, ...]

    @property
    def whole(self) -> int:
        """The last sequence before the first hole."""
        return next(n for n in range(self.decided + 1) if n + 1 not in self.published)


@dataclass(frozen=True)
class Loss:
    """A log loses records.

    The first by retention, the last by an election, all with its topic, or by compaction those of
    the first that have a later one of the same key. ``share`` is that of its records.
    """

    at: float
    topic: str
    partition: int  # modulo the number of partitions
    kind: str  # "retention", "election", "topic" or "compaction"
    share: float  # 0 is the last record alone
    acts: int = 0  # of silent sellers that are written in its place

    @classmethod
    def compactions(cls, rng: Random) -> tuple["Loss", ...]:
        return tuple(
            cls(rng.uniform(2, HEAL), rng.choice([CREATED, STATUS]), number, "compaction", share)
            for number in range(rng.randint(2, 12))
            for share in [rng.choice([rng.random(), 1.0])]
        )

    @classmethod
    def some(cls, rng: Random) -> tuple["Loss", ...]:
        if rng.random() >= 0.15:
            return ()
        kind = rng.choice(["retention", "retention", "election", "election", "topic"])
        topic = STATUS if kind == "retention" else rng.choice([CREATED, STATUS, STATUS])
        share = rng.choice([rng.uniform(0, 0.4), rng.random(), 1.0])
        times = [rng.uniform(2, HEAL - 4) for _ in range(rng.choice([1, 1, 2]))]
        if kind == "election" and topic == STATUS and rng.random() < 0.6:
            # The log ends where it did, and holds another record below the position.
            return tuple(cls(at, topic, rng.randrange(12), kind, 0.0, 1) for at in times)
        return tuple(cls(at, topic, rng.randrange(12), kind, share) for at in times)


@dataclass(frozen=True)
class Words:
    """What else may happen. Drawn apart: the other draws of a seed stay what they were."""

    largest_decision: int | None
    formers: dict[int, Former]  # by lane
    odd_times: tuple[int, ...]  # timestamps that some records get, in milliseconds
    lost_commits: tuple[tuple[float, float], ...]  # when, and how many seconds are lost
    clocks_ahead: tuple[float, float, float] | None  # from, until, seconds
    losses: tuple["Loss", ...]  # what logs lose during the run
    widened: float | None = None  # when the topic of acts gets another partition

    @classmethod
    def of(cls, seed: int, lanes: int) -> "Words":
        rng = Random(seed ^ 0x5EED_0F_0DD5)
        switched_on = os.environ.get("PLAZO_TEST_SIMULATE", "").split()
        off = {word for word in SWITCHED_OFF if word not in switched_on}
        # Not smaller than the smallest form of a decision.
        largest = 160 + rng.randint(460, 900) if rng.random() < 0.15 else None
        formers = {}
        other = seed % 23 == 22
        if rng.random() < 0.15 or other:
            for lane in range(lanes):
                if rng.random() < 0.7:
                    formers[lane] = cls._former(rng, other=other)
        odd = rng.random() < 0.15
        times = tuple(rng.choice(_ODD_TIMES) for _ in range(4)) if odd else ()
        lost = (
            tuple((rng.uniform(4, 40), rng.uniform(0.05, 6)) for _ in range(rng.randint(1, 2)))
            if rng.random() < 0.1
            else ()
        )
        since = rng.uniform(2, 25)
        ahead = since, since + rng.uniform(1, 12), rng.uniform(3, 30)
        both = ahead if rng.random() < 0.1 else None
        return cls(
            largest,
            formers,
            () if "odd-times" in off else times,
            () if "lost-commits" in off else tuple(sorted(lost)),
            None if "clocks-ahead" in off else both,
            # Times and commits that are lost as well leave nothing to judge by.
            () if odd or lost or formers else cls._losses(seed),
            seed * 7 % (HEAL - 6) + 2 if seed % 13 == 4 else None,
        )

    @staticmethod
    def _losses(seed: int) -> tuple["Loss", ...]:
        losses = Loss.some(Random(seed ^ 0x1055))
        compacted = seed % 11 == 5
        return losses + Loss.compactions(Random(seed ^ 0xC0DE)) if compacted else losses

    @staticmethod
    def _former(rng: Random, *, other: bool) -> Former:
        decided = rng.randint(2, 8)
        marked = rng.randint(0, decided - 1)
        first = rng.randint(marked, decided - 1)  # the last before the hole
        behind = rng.randint(first + 2, decided + 1)
        published = *range(1, first + 1), *range(behind, decided + 1)
        others = (rng.choice(published),) if other and published else ()
        return Former(decided, marked, published, others)


# Before the epoch, at it, long ago, in ten years, in microseconds, the last instant of the year
# 9999, the one after it, and the greatest that a record can hold.
_ODD_TIMES = (
    -1, 0, 946_684_800_000, 2_100_000_000_000, 1_795_000_000_000_000, 253_402_300_799_999,
    253_402_300_800_000, 2**63 - 1,
)  # fmt: skip
