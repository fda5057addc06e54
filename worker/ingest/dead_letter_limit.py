"""The limit on dead letters: when everything suddenly fails, the fault is hardly in the records.

A bad deployment, ours or a publisher's, would empty a topic into dead letters. What was refused
before is counted in Postgres, so that no restart and no take-over forgets it.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from worker.errors import Halted
from worker.records import Partition
from worker.settings import Settings
from worker.storage.transaction import Transaction


class DeadLetterLimit:
    """At most ``share`` of any ``window`` records in a row of a partition may be refused."""

    def __init__(self, share: float, window: int) -> None:
        self._allowed = int(share * window)
        self._window = window
        self._off = share >= 1

    @classmethod
    def of(cls, settings: Settings) -> "DeadLetterLimit":
        """The limit that the operator has set."""
        return cls(settings.dead_letter_limit, settings.dead_letter_window)

    async def check(self, tx: Transaction, refused: Iterable[tuple[Partition, int]]) -> None:
        """Look whether these too may become dead letters: partitions and offsets.

        Raises:
            Halted: no; nothing of the batch may be written.
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
                    f"would be refused, the next at offset {new[0]}: nothing was written. Mend "
                    "what publishes or reads them; or, if they are to be refused, raise "
                    "PLAZO_DEAD_LETTER_LIMIT"
                )


def crowded(offsets: Sequence[int], window: int, allowed: int) -> bool:
    """Whether more than ``allowed`` of these ascending offsets lie within ``window`` in a row."""
    return any(
        last - first < window for first, last in zip(offsets, offsets[allowed:], strict=False)
    )
