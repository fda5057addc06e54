"""Classifies the errors of the database, and makes our own of them.

The driver's errors may quote a row, and so personal data. Ours name the driver's class and the
SQLSTATE only.
"""

import asyncpg

from worker.errors import DatabaseFault, DatabaseUnavailable, RowRejected, SessionNotKept
from worker.observability.labels import FaultKind

# What the driver raises when the server, the connection or the driver itself fails.
FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that breaks at the wrong moment for the driver
    OSError,
    TimeoutError,
)

# The server, the connection or the moment is at fault: the same may work later.
_TRANSIENT = ("08", "25P", "40", "53", "55", "57", "58")
_READONLY = "25006"
# A prepared statement is missing, or was prepared by somebody else.
_OTHER_SESSION = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)


def fault_kind(error: Exception) -> FaultKind:
    """Classify an error by its SQLSTATE.

    Only an error that a value in a row can cause is ``data``. A breach of integrity (class 23) is
    not: it would mean a fault of ours, and must stop the lane rather than refuse the record.
    """
    state = _sqlstate(error)
    if state == _READONLY:
        return FaultKind.READONLY
    if state.startswith(("22", "54")) or isinstance(error, ValueError):
        return FaultKind.DATA
    if state == "-" or state.startswith(_TRANSIENT):
        return FaultKind.TRANSIENT
    return FaultKind.OTHER


def is_outage(fault: DatabaseFault) -> bool:
    """Whether the cause lies outside of this program, so that to wait may help."""
    state = fault.sqlstate
    return state in ("-", _READONLY) or state.startswith(_TRANSIENT)


def translated(error: Exception, kind: FaultKind) -> DatabaseFault:
    """Return the error of ours to raise instead."""
    if isinstance(error, _OTHER_SESSION):
        return SessionNotKept(
            "another session answers than the one that was asked, so a pooler pools by "
            "transaction: connect to Postgres itself, or let it pool by session"
        )
    fault = RowRejected if kind == FaultKind.DATA else DatabaseUnavailable
    return fault(type(error).__name__, _sqlstate(error))


def _sqlstate(error: Exception) -> str:
    return getattr(error, "sqlstate", None) or "-"
