"""Checks of the names of sellers and orders, which publishers and the policy file may misspell."""

from collections.abc import Iterator

from worker.operations.checks.model import Check, DatabaseFacts, Status
from worker.operations.format import count, shortened


def name_checks(database: DatabaseFacts) -> Iterator[Check]:
    """Whether the sellers of the policy file have orders, and whether names are told apart."""
    names = database.names
    if names.unseen and names.orders:
        yield Check(
            "sellers of the policies", Status.WARNING,
            f"none of the {count(names.orders, 'order')} looked at is of "
            f"{shortened(names.unseen)}, whom the policy file names",
            "correct the policy file; a seller that is new needs no cure",
        )  # fmt: skip
    if names.sellers_alike:
        yield Check(
            "names of sellers", Status.WARNING,
            f"they differ only in case or blanks: {shortened(names.sellers_alike)}",
            "let all publishers write them alike; policies take them for one seller, the "
            "scorecard does not",
        )  # fmt: skip
    if names.ids_alike:
        yield Check(
            "order ids", Status.WARNING,
            f"they differ only in case or blanks: {shortened(names.ids_alike)}",
            "let all publishers write them alike: an act under another id is not the order's",
        )  # fmt: skip
