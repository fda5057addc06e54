"""Erases persons from stored orders: bodies, names and free texts. No verdict changes by it.

What the rule reads stays: status, times, places, and the SKU and quantity of lines.
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from worker.decide.lines import lines_only
from worker.operations.actions import record
from worker.storage.database import Database

_PAGE, _LETTERS, _BODIES, _WITH_LINES = 500, 2_000, 5_000, 200


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose data: those of the orders named, or of a seller, or of one responsible person.

    The name of a person is searched as it is written, capitals included, in every stored record
    and in the authors and reasons of deadline changes.
    """

    orders: Sequence[str] = ()
    seller: str | None = None
    responsible: str | None = None

    @property
    def arguments(self) -> dict[str, object]:
        """For the record of actions, which must name no person."""
        if self.responsible is not None:
            return {"of": "a person"}
        return {"seller": self.seller} if self.seller is not None else {"orders": [*self.orders]}


@dataclass(slots=True)
class Erased:
    """Numbers of orders that were found, and of rows that lost personal data, or would."""

    orders: int = 0
    acts: int = 0
    deadline_changes: int = 0
    dead_letters: int = 0


async def erase(
    database: Database,
    subject: Subject,
    author: str,
    *,
    dry_run: bool = False,
    progress: Callable[[Erased], None] = lambda _: None,
) -> Erased:
    """Remove personal data; a repeat finds nothing left.

    Page by page, beside the workers. A dead letter that is being published while it is erased may
    still go out whole: run the command again, and remove it from Kafka as the guide says.

    Raises:
        DatabaseUnavailable: what was erased until then stays erased; run it again.
    """
    done = Erased()
    letters: set[int] = set()
    if not dry_run:
        async with database.transaction() as tx:
            await record(tx, author, "erase", **subject.arguments)
    async for ids in _orders(database, subject):
        done.orders += len(ids)
        await _erase_orders(database, ids, done, dry_run)
        await _erase_letters(database, "dead_letters_of_orders", (ids,), ids, letters, dry_run)
        done.dead_letters = len(letters)
        progress(done)
    if subject.responsible is not None:
        plain, escaped = _spellings(subject.responsible)
        await _erase_letters(
            database, "dead_letters_of_person", (plain, escaped), [], letters, dry_run
        )
        done.dead_letters = len(letters)
    return done


def _spellings(name: str) -> tuple[str, str]:
    """A name within a JSON text, as it is and with everything but ASCII escaped."""
    return json.dumps(name, ensure_ascii=False)[1:-1], json.dumps(name)[1:-1]


async def _orders(database: Database, subject: Subject) -> AsyncIterator[list[str]]:
    if subject.orders:
        for start in range(0, len(subject.orders), _PAGE):
            yield list(subject.orders[start : start + _PAGE])
        return
    last: str | None = ""
    while last is not None:
        async with database.session() as session:
            if subject.seller is not None:
                row = await session.row("orders_of_seller", last, subject.seller, _PAGE)
            else:
                assert subject.responsible is not None
                plain, escaped = _spellings(subject.responsible)
                row = await session.row(
                    "orders_of_person", last, plain, escaped, _PAGE, subject.responsible
                )
        assert row is not None
        last = row["last"]
        if row["ids"]:
            yield row["ids"]


async def _erase_orders(database: Database, ids: list[str], done: Erased, dry_run: bool) -> None:
    if dry_run:
        async with database.session() as session:
            row = await session.row("count_erasable", ids)
        assert row is not None
        done.acts += row["acts"]
        done.deadline_changes += row["changes"]
        return
    while True:
        async with database.transaction() as tx:
            erased = await tx.execute("erase_bodies", ids, _BODIES)
        done.acts += erased
        if erased < _BODIES:
            break
    for order_id in ids:
        done.acts += await _reduce_to_lines(database, order_id)
    async with database.transaction() as tx:
        done.deadline_changes += await tx.execute("erase_changes", ids)


async def _reduce_to_lines(database: Database, order_id: str) -> int:
    place: tuple[Any, ...] = ("", -1, -1, "")
    erased = 0
    while True:
        async with database.transaction() as tx:
            topic, partition, offset, status = place
            rows = await tx.rows(
                "bodies_with_lines", order_id, topic, partition, _WITH_LINES, offset, status
            )
            if rows:
                bodies = [lines_only(row["body"]) for row in rows]
                erased += await tx.execute("replace_bodies", [r["row"] for r in rows], bodies)
        if len(rows) < _WITH_LINES:
            return erased
        place = tuple(rows[-1][name] for name in ("topic", "partition", "offset", "status"))


async def _erase_letters(
    database: Database,
    statement: str,
    names: tuple[object, ...],
    keys: list[str],
    letters: set[int],
    dry_run: bool,
) -> None:
    last: int | None = 0
    while last is not None:
        async with database.transaction() as tx:
            if statement == "dead_letters_of_orders":
                row = await tx.row("dead_letters_of_orders", last, *names, _LETTERS)
            else:
                row = await tx.row("dead_letters_of_person", last, *names, _LETTERS)
            assert row is not None
            last = row["last"]
            letters.update(row["ids"])
            if row["ids"] and not dry_run:
                await tx.execute("erase_dead_letters", row["ids"], keys)
