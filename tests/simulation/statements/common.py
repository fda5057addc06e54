"""What the statements share: rows, their register, and the changes of a row."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from worker.domain.acts import EXTENDED, HELD, RELEASED

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx

# A body that holds this stands for a value that Postgres refuses.
REFUSED = "refused-by-postgres"

# What the table of policies holds, by name and version: it never changes.
REMINDERS = timedelta(seconds=6), timedelta(seconds=2)

POLICIES = {
    ("default", 1): {"dispute_type": "CS", "dispute_text": "late", "reminders": [*REMINDERS]}
}

# A person looks at a tripped brake and resets it.
RESET_AFTER = timedelta(seconds=4)

CHANGES = EXTENDED, HELD, RELEASED

STATEMENTS: dict[str, "Callable[..., Statement]"] = {}

COPIES: dict[str, "Callable[..., Statement]"] = {}

ORDER = (
    "order_id", "lane", "seller_id", "fulfilment", "entered_at", "due", "fires_at", "policy",
    "policy_version", "at_lapse", "doubt", "labels", "told_due", "total", "currency", "topic",
    "partition", "offset", "received_at",
)  # fmt: skip

ACT = (
    "order_id", "status", "occurred_at", "received_at", "topic", "partition", "offset",
    "stock_ok", "form_complete", "unknown", "body",
)  # fmt: skip

# What an order has beside the columns that it enters with.
NEW = {
    "finding": None, "outcome": None, "decided_at": None, "decisions": 0, "first_due": None,
    "grace": None, "held": False, "started_at": None,
}  # fmt: skip


class Row(dict[Any, Any]):
    """A row: by name, or by number as asyncpg allows."""

    def __missing__(self, number: int) -> Any:
        return list(self.values())[number]

    def only(self, *names: str) -> "Row":
        return Row((name, self[name]) for name in names)

    def but(self, **changes: Any) -> "Row":
        return Row(self, **changes)


def texts(array: str) -> list[str]:
    """What :func:`worker.storage.transaction.text_array` wrote."""
    texts: list[str] = json.loads(f"[{array[1:-1]}]", strict=False)
    return texts


def statement(made: "Callable[..., Statement]") -> "Callable[..., Statement]":
    STATEMENTS[made.__name__] = made
    return made


def reading(made: Callable[..., Any]) -> Callable[..., Any]:
    """A statement that locks nothing."""

    def run(tx: "Tx", *arguments: Any) -> "Statement":
        return made(tx, *arguments)
        yield

    STATEMENTS[made.__name__] = run
    return made


def fault(sqlstate: str) -> Exception:
    from tests.simulation.database import Fault

    return Fault(sqlstate)


def all_rows(tx: "Tx", table: str) -> Iterator[Any]:
    own = tx.writes.get(table, {})
    yield from (row for row in own.values() if row is not None)
    yield from (row for key, row in tx.database.tables[table].items() if key not in own)


def insert(tx: "Tx", table: str, key: Any, row: Row) -> "Statement":
    """Whoever only locks the row that is there does not hold it up either."""

    def is_taken() -> bool:
        own = tx.writes.get(table, {})
        there = own[key] if key in own else tx.database.tables[table].get(key)
        return there is not None

    if is_taken() and not tx.changes_elsewhere(table, key):
        raise fault("23505")
    yield table, key
    if is_taken():
        raise fault("23505")
    tx.put(table, key, row)


def insert_missing(tx: "Tx", table: str, key: Any, row: Row) -> "Statement":
    """``ON CONFLICT DO NOTHING``. Whoever only locks the row there is does not hold it up."""
    place = table, key
    if tx.newest(*place) is not None and not tx.changes_elsewhere(*place):
        return 0
    held = place in tx.locks
    yield place
    if tx.newest(*place) is None:
        tx.put(table, key, row)
        return 1
    if not held:
        tx.database.unlock(tx, place)
    return 0


def update(tx: "Tx", table: str, keys: Iterable[Any], **changes: Any) -> "Statement":
    changed = 0
    for key in keys:
        if tx.get(table, key) is not None:
            yield table, key
            row = tx.newest(table, key)
            if row is not None:
                tx.put(table, key, row.but(**changes))
                changed += 1
    return changed


def delete(tx: "Tx", table: str, keys: Iterable[Any]) -> "Statement":
    deleted = 0
    for key in dict.fromkeys(keys):
        if tx.get(table, key) is not None:
            yield table, key
            if tx.newest(table, key) is not None:
                tx.put(table, key, None)
                deleted += 1
    return deleted
