"""The charts: what was, and what comes."""

import asyncio
from datetime import timedelta
from typing import Any

from aiohttp import web

from worker.board.access import Person
from worker.board.history import Trend, Verdicts
from worker.board.reader import Reader
from worker.clock import Clock

_SECONDS = 10.0
# While the week is not whole, the next answer counts further.
_COUNTING = 1.0
_HOURS = 24
_IN_AN_HOUR = 20_000  # deadlines of one lane


class Charts:
    """The data of all charts, counted at most once in a few seconds."""

    def __init__(self, reader: Reader, clock: Clock, trend: Trend) -> None:
        self._reader = reader
        self._clock = clock
        self._trend = trend
        self._verdicts = Verdicts()
        self._lock = asyncio.Lock()
        self._again = float("-inf")
        self._charts: dict[str, Any] = {}

    async def latest(self, _person: Person, _request: web.BaseRequest) -> dict[str, Any]:
        """Verdicts of a week by hour, deadlines of the next hours, and the last day of the lag.

        Raises:
            DatabaseFault
        """
        async with self._lock:
            if self._clock.monotonic() >= self._again:
                self._charts = await self._take()
                pause = _SECONDS if self._charts["verdicts"]["whole"] else _COUNTING
                self._again = self._clock.monotonic() + pause
        return {**self._charts, "trend": self._trend.points()}

    async def _take(self) -> dict[str, Any]:
        now = self._clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        async with self._reader.asked() as database, database.session() as tx:
            verdicts = await self._verdicts.read(tx, now)
            coming = await tx.rows("board_outlook", hour, _HOURS, _IN_AN_HOUR)
        return {
            "at": now,
            "verdicts": verdicts,
            "outlook": [
                {
                    "hour": hour + timedelta(hours=row["hour"]),
                    "deadlines": row["deadlines"],
                    "more": row["more"],
                }
                for row in coming
            ],
        }
