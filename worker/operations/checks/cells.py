"""Checks of what this cell shares with others in the same database."""

from collections.abc import Iterator

from worker.operations.checks.model import Check, DatabaseFacts, Status
from worker.operations.format import count, shortened
from worker.storage.migrations import serves

_ONE = (
    "send the records of each order to one cell only; the other cell's verdict of it is not wanted"
)


def cell_checks(database: DatabaseFacts) -> Iterator[Check]:
    """Whether an order is told to two live cells, and so decided twice."""
    for cell in database.cells:
        name = f"cell {cell.name}"
        if not serves(cell.schema):
            yield Check(name, Status.NOT_MEASURED, f"its schema is {cell.schema}, older than ours")
        elif cell.orders:
            yield Check(
                name, Status.FAULT,
                f"{count(len(cell.orders), 'order')} of the {database.compared} looked at "
                f"{'is' if len(cell.orders) == 1 else 'are'} told to it, too: "
                f"{shortened(cell.orders)}",
                _ONE,
            )  # fmt: skip
        elif cell.topics:
            yield Check(
                name, Status.WARNING, f"it has read the same topics: {shortened(cell.topics)}",
                "give each cell its own topics; a topic that moved here from there needs no cure",
            )  # fmt: skip
        else:
            yield Check(
                name, Status.OK,
                f"none of the {count(database.compared, 'order')} looked at is told to it, too",
            )  # fmt: skip
