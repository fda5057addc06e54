"""The statements of the outbox, as in ``worker/storage/sql/outbox``."""

from typing import TYPE_CHECKING

from tests.simulation.statements.common import Row, reading, statement, update
from worker.outbox.events import Event

if TYPE_CHECKING:
    from tests.simulation.database import Statement, Tx


@statement
def mark_published(tx: "Tx", lane: int, sequence: int) -> "Statement":
    yield "published", lane
    row = tx.newest("published", lane)
    if row is not None:
        sequence = max(sequence, row["sequence"])
    tx.put("published", lane, Row(lane=lane, sequence=sequence))
    return 1


@reading
def decision_ids(tx: "Tx", lane: int, sequences: list[int]) -> list[Row]:
    asked = set(sequences)
    found = [r for r in tx.scan("decisions") if r["lane"] == lane and r["sequence"] in asked]
    return [row.only("sequence", "id") for row in found]


@reading
def unpublished_decisions(tx: "Tx", lane: int, after: int, limit: int) -> list[Row]:
    found = [row for row in tx.scan("decisions") if row["lane"] == lane and row["sequence"] > after]
    return [row.only("sequence", *Event._fields) for row in found[:limit]]


@reading
def unpublished_dead_letters(tx: "Tx", lane: int, limit: int) -> list[Row]:
    found = [row for row in tx.scan("dead_letters") if row["lane"] == lane and not row["published"]]
    names = ("id", "topic", "partition", "offset", "timestamp", "error", "message", "key", "value",
             "header_names", "header_values")  # fmt: skip
    return [row.only(*names) for row in found[:limit]]


@statement
def mark_dead_letters_published(tx: "Tx", ids: list[int]) -> "Statement":
    return (yield from update(tx, "dead_letters", ids, published=True))
