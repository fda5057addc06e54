"""The charts: what was, and what comes."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from worker.board.access import Person
from worker.board.history import Lapses, Trend, Verdicts
from worker.board.reader import Reader
from worker.errors import DatabaseFault, PlazoError
from worker.operations.outlook import Outlook, look_ahead
from worker.runtime.services import Services

_SECONDS = 10.0
# While the week is not whole, the next answer counts further.
_COUNTING = 1.0
_FORESEEN = 60.0
# Of the clock: the first has begun.
_HOURS = 25
# Judging takes the loop of the lanes a tenth of a second for a thousand.
_JUDGED = 1_000
_PATIENCE = timedelta(seconds=2)


class Charts:
    """The data of all charts, counted at most once in a few seconds."""

    def __init__(self, services: Services, reader: Reader, trend: Trend) -> None:
        self._services = services
        self._clock = services.clock
        self._reader = reader
        self._trend = trend
        self._verdicts = Verdicts()
        self._lapses = Lapses(services.policies.longest)
        self._lock = asyncio.Lock()
        self._again = float("-inf")
        self._foresee = float("-inf")
        # The last answer of each part: one that takes too long now must not empty the page.
        self._parts: dict[str, Any] = {"verdicts": None, "lapses": None, "outlook": None}

    async def latest(self, _person: Person, _request: web.BaseRequest) -> dict[str, Any]:
        """Lapses and verdicts of a week by hour, the next hours, and the last day of the lag.

        A part is ``None`` before its first answer.

        Raises:
            PlazoError: there is no connection.
        """
        async with self._lock:
            if self._clock.monotonic() >= self._again:
                whole = await self._take(self._clock.now())
                self._again = self._clock.monotonic() + (_SECONDS if whole else _COUNTING)
        return {"at": self._clock.now(), **self._parts, "trend": self._trend.points()}

    async def _take(self, now: datetime) -> bool:
        """Count further; whether nothing is left to count."""
        async with self._reader.asked() as database:
            for name, history in (("verdicts", self._verdicts), ("lapses", self._lapses)):
                with suppress(DatabaseFault):
                    async with database.session() as tx:
                        self._parts[name] = await history.read(tx, now)
            if self._clock.monotonic() >= self._foresee:
                self._foresee = self._clock.monotonic() + _FORESEEN
                with suppress(PlazoError):
                    found = await look_ahead(
                        self._services.settings,
                        database,
                        hours=_HOURS,
                        most=_JUDGED,
                        patience=_PATIENCE,
                    )
                    self._parts["outlook"] = _plain(found)
        counted = (self._parts["verdicts"], self._parts["lapses"])
        return all(part is not None and part["whole"] for part in counted)


def _plain(outlook: Outlook) -> dict[str, Any]:
    trip = outlook.brake.trip
    return {
        "at": outlook.at,
        "complete": outlook.complete,
        "brake_trips_at": trip.at if trip else None,
        "hours": [
            {
                "hour": one.since,
                "silent": one.silent,
                "acted": one.judged - one.silent,
                "unseen": max(0, one.lapsing - one.judged),
            }
            for one in outlook.hours
            if not one.overdue
        ],
    }
