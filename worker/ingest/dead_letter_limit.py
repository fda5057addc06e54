"""The limit on dead letters: a lane halts when too many of its records are refused.

When everything suddenly fails, the fault is hardly in the records: a bad deployment, ours or a
publisher's, would turn a whole topic into dead letters. Refusals are counted in Postgres, so that
restarts and take-overs do not reset the count.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from worker.errors import Halted
from worker.records import Partition
from worker.settings import Settings
from worker.storage.transaction import Transaction


class DeadLetterLimit:
    """At most ``share`` of any ``window`` successive records of a partition may be refused.

    ``share`` is from 0 to 1; 1 switches the limit off. ``window`` is in records.
    """

    def __init__(self, share: float, window: int) -> None:
        self._allowed = int(share * window)
        self._window = window
        self._off = share >= 1

    @classmethod
    def of(cls, settings: Settings) -> "DeadLetterLimit":
        """Return the limit of these settings."""
        return cls(settings.dead_letter_limit, settings.dead_letter_window)

    async def check(self, tx: Transaction, refused: Iterable[tuple[Partition, int]]) -> None:
        """Check that the records at these partitions and offsets may become dead letters.

        Raises:
            Halted: they exceed the limit; nothing of the batch may be written.
            DatabaseUnavailable
        """
        if self._off:
            return
        for partition, places in groupby(sorted(refused), key=lambda place: place[0]):
            new = [offset for _, offset in places]
            row = await tx.row("recent_dead_letters", *partition, new[0] - self._window, new[0])
            assert row is not None
            if crowded(row["offsets"] + new, self._window, self._allowed):
                topic, number = partition
                raise Halted(
                    f"more than {self._allowed} of {self._window} records of {topic}/{number} "
                    f"would be refused, the next at offset {new[0]}: nothing was written. Fix "
                    "the publisher or this worker; or, if the records should be refused, raise "
                    "PLAZO_DEAD_LETTER_LIMIT"
                )


def crowded(offsets: Sequence[int], window: int, allowed: int) -> bool:
    """Whether more than ``allowed`` of these ascending offsets lie within one ``window``."""
    return any(
        last - first < window for first, last in zip(offsets, offsets[allowed:], strict=False)
    )
