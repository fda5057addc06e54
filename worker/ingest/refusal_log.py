"""Logs refused records, the first with its place and error, at a bounded rate."""

from worker.clock import Clock
from worker.ingest.rows import Rows
from worker.observability.logs import logger

log = logger(__name__)

# Seconds between two lines of a lane. What is refused in between counts in the next line.
_APART = 1.0


class RefusalLog:
    """The log lines of one lane."""

    def __init__(self, lane: int, clock: Clock) -> None:
        self._lane = lane
        self._clock = clock
        self._last = float("-inf")
        self._unlogged = 0

    def committed(self, rows: Rows) -> None:
        """Log the dead letters of a batch that was applied. No value of a record is logged."""
        if not rows.dead_letters:
            return
        self._unlogged += len(rows.dead_letters)
        now = self._clock.monotonic()
        if now - self._last < _APART:
            return
        # Its place leads to its orders by `plazo dead-letters`; a log outlives what it tells of.
        _, topic, partition, offset, _, _, error, message, *_ = rows.dead_letters[0]
        log.warning(
            "records_refused",
            lane=self._lane,
            refused=self._unlogged,
            topic=topic,
            partition=partition,
            offset=offset,
            error=error,
            message=message,
        )
        self._last, self._unlogged = now, 0
