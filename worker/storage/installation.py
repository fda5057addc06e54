"""What the database as a whole is for: the mode of its verdicts, and the lanes that it holds."""

from worker.errors import ModeConflict, SeveralDatabases
from worker.observability.logs import logger
from worker.storage.database import Database

log = logger(__name__)


async def claim_mode(database: Database, mode: str) -> None:
    """Reserve the database for verdicts of this mode, ``live`` or ``shadow``.

    The log tells when the installation began, and how many orders were over before and so got no
    verdict.

    Raises:
        ModeConflict: it holds verdicts of the other mode.
        SeveralDatabases: it holds some lanes only.
        DatabaseUnavailable: try again later.
    """
    async with database.transaction() as tx:
        await tx.execute("insert_mode", mode)
        row = await tx.row("mode")
        if row is None or row["mode"] != mode:
            raise ModeConflict(
                f"this database is not for mode {mode}: verdicts of a rehearsal would count as "
                "decided. Give each mode a database of its own"
            )
        if placed := await tx.row("lanes_elsewhere"):
            raise SeveralDatabases(
                f"lanes {placed['lanes']} live in another database than this one, and would be "
                "decided again. An installation has one database now: go back to the previous "
                "version, or begin with a new database and new topics"
            )
        adoption = await tx.row("adoption")
    assert adoption is not None
    log.info("installation_opened", **dict(adoption))
