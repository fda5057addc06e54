"""The watchdog over progress: restarts a consumer that is alive but fetches no records."""

from collections.abc import Mapping
from contextlib import suppress

from worker.clock import Clock
from worker.errors import KafkaUnavailable
from worker.records import Partition
from worker.runtime.membership import Membership

# The log holds records, the lane waits for them, and none has come for this long: the client may
# be stuck after a broker restart.
_STANDSTILL = 30.0


class Watchdog:
    """Watches the partitions of one worker's lanes."""

    def __init__(self, membership: Membership, clock: Clock) -> None:
        self._membership = membership
        self._clock = clock
        self._stood: dict[Partition, tuple[int, float]] = {}

    def reset(self) -> None:
        """Start to watch again."""
        self._stood.clear()

    async def look(self, waiting: Mapping[Partition, int]) -> None:
        """Check the partitions that have a lag, given with their positions."""
        now = self._clock.monotonic()
        self._stood = standing(self._stood, waiting, now)
        still = [p for p in waiting if now - self._stood[p][1] > _STANDSTILL]
        consumer = self._membership.consumer
        if not still or consumer is None:
            return
        with suppress(KafkaUnavailable):
            # An open transaction holds every reader back: only the readable records count.
            ends = await consumer.stable_ends(still)
            if stuck := [p for p in still if ends[p] > self._stood[p][0]]:
                self._stood.clear()
                self._membership.restart_consumer(f"nothing fetched from {stuck[:5]}")


def standing(
    before: Mapping[Partition, tuple[int, float]], waiting: Mapping[Partition, int], now: float
) -> dict[Partition, tuple[int, float]]:
    """The position of each waiting partition, and the time since which it is unchanged."""
    return {
        partition: seen if (seen := before.get(partition)) and seen[0] == position
        else (position, now)
        for partition, position in waiting.items()
    }  # fmt: skip
