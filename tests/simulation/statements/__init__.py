"""The statements of ``worker/storage/sql``, by name, for the model of Postgres.

Each yields the key of a row before it changes it; what it looked at before may be stale by then,
as in Postgres.
"""

from . import brake, copies, decide, ingest, lanes, notices, outbox
from .common import COPIES as COPIES
from .common import REFUSED as REFUSED
from .common import REMINDERS as REMINDERS
from .common import STATEMENTS as STATEMENTS
from .common import Row as Row

# Each has registered its statements and copies.
MODULES = (brake, copies, decide, ingest, lanes, notices, outbox)
