"""Removes settled orders, and what belongs to no order, after a while: page by page.

It scans the whole table: an index on the time of the decision would make every decision slower,
for the sake of a scan that runs once a day.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from worker.storage.database import Database

_PAGE = 2_000


@dataclass
class RetentionResult:
    """Rows that were removed, or would be; ``looked_at`` counts orders."""

    looked_at: int = 0
    orders: int = 0
    acts: int = 0
    decisions: int = 0
    dead_letters: int = 0
    unknown_statuses: int = 0


async def forget(
    database: Database,
    evidence_topic: str,
    before: datetime,
    *,
    pause: float,
    dry_run: bool = False,
    progress: Callable[[RetentionResult], None] = lambda _: None,
) -> RetentionResult:
    """Remove orders settled before a time with all their rows, and settled refusals.

    Acts that no order took, and unknown statuses that were not met since, go by their age.

    It may be stopped at any point and started again. ``pause`` is in seconds, after each page.

    Raises:
        DatabaseUnavailable: the rows removed until then stay removed.
    """
    done = RetentionResult()
    if not dry_run:
        # First: a reader that finds the acts gone must find this as well.
        async with database.transaction() as tx:
            await tx.execute("raise_coverage", evidence_topic, before)
    last: str | None = ""
    while last is not None:
        last = await _page(database, last, before, dry_run, done)
        progress(done)
        await asyncio.sleep(pause)
    await _without_order(database, before, pause, dry_run, done)
    await _dead_letters(database, before, dry_run, done)
    async with database.transaction() as tx:
        if dry_run:
            row = await tx.row("count_unknown_statuses", before)
            done.unknown_statuses = row["statuses"] if row else 0
        else:
            done.unknown_statuses = await tx.execute("delete_unknown_statuses", before)
    return done


async def _without_order(
    database: Database, before: datetime, pause: float, dry_run: bool, done: RetentionResult
) -> None:
    """Acts without even a stub: of statuses that say nothing, of orders that nobody told."""
    last: str | None = ""
    while last is not None:
        async with database.transaction() as tx:
            if dry_run:
                row = await tx.row("count_acts_without_order", last, _PAGE, before)
            else:
                row = await tx.row("delete_acts_without_order", last, _PAGE, before)
        assert row is not None
        last = row["last"]
        done.acts += row["acts"]
        await asyncio.sleep(pause)


async def _page(
    database: Database, after: str, before: datetime, dry_run: bool, done: RetentionResult
) -> str | None:
    async with database.transaction() as tx:
        page = await tx.row("lock_expired_orders", after, _PAGE, before)
        assert page is not None
        old = page["old"]
        done.looked_at += page["looked_at"]
        done.orders += len(old)
        if old and not dry_run:
            # An act that is being committed right now stays without its order, which harms
            # nobody: should the order come back, the act counts.
            done.acts += await tx.execute("delete_acts", old)
            await tx.execute("delete_changes", old)
            await tx.execute("delete_versions", old)
            done.decisions += await tx.execute("delete_decisions", old)
            await tx.execute("delete_traces", old)
            await tx.execute("delete_orders", old)
    found: str | None = page["last"]
    return found


async def _dead_letters(
    database: Database, before: datetime, dry_run: bool, done: RetentionResult
) -> None:
    if dry_run:
        async with database.session() as session:
            row = await session.row("count_expired_dead_letters", before)
        done.dead_letters = row["count"] if row else 0
        return
    while True:
        async with database.transaction() as tx:
            removed = await tx.execute("delete_dead_letters", before, _PAGE)
        done.dead_letters += removed
        if removed < _PAGE:
            return
