"""The board's own way to Postgres: sessions that only look, apart from those of the lanes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.database import Database

# One for the pictures of the whole, one for questions about orders.
_CONNECTIONS = 2


class Reader:
    """Connects with the first question; connections that nobody uses are closed.

    However many people look at the board, the lanes keep all of theirs.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        few = settings.model_copy(update={"database_connections": _CONNECTIONS})
        self._database = Database(few, metrics, looking=True)
        self._opening = asyncio.Lock()
        self._open = False

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[Database]:
        """The database, for one question.

        Raises:
            PlazoError: there is no connection now, or none that would do.
        """
        async with self._opening:
            if not self._open:
                await self._database.open()
                self._open = True
        yield self._database
