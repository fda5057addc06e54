"""Forgets settled orders after a while, page by page, beside the workers.

A walk over the whole table and no index to find what is old: an index on the time of the decision
would make every decision dearer, for the sake of a walk that runs once a day.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from worker.storage.database import Store

_PAGE = 2_000


@dataclass
class Forgotten:
    """Rows that were removed, or would be; ``looked_at`` counts orders."""

    looked_at: int = 0
    orders: int = 0
    acts: int = 0
    decisions: int = 0
    dead_letters: int = 0


async def forget(
    store: Store,
    evidence_topic: str,
    before: datetime,
    *,
    pause: float,
    dry_run: bool = False,
    progress: Callable[[Forgotten], None] = lambda _: None,
) -> Forgotten:
    """Remove orders settled before an instant with all that belongs to them, and settled refusals.

    It may be stopped at any point and started again. ``pause`` is in seconds, after each page.

    Raises:
        DatabaseUnavailable: what was removed until then stays removed.
    """
    done = Forgotten()
    if not dry_run:
        # First of all. Whoever finds the acts gone must find this as well.
        async with store.transaction() as tx:
            await tx.execute("cover_since", evidence_topic, before)
    last: str | None = ""
    while last is not None:
        last = await _page(store, last, before, dry_run, done)
        progress(done)
        await asyncio.sleep(pause)
    await _dead_letters(store, before, dry_run, done)
    return done


async def _page(
    store: Store, after: str, before: datetime, dry_run: bool, done: Forgotten
) -> str | None:
    async with store.transaction() as tx:
        page = await tx.row("forgettable_orders", after, _PAGE, before)
        assert page is not None
        old = page["old"]
        done.looked_at += page["looked_at"]
        done.orders += len(old)
        if old and not dry_run:
            # An act that is being committed this instant stays behind without its order, which
            # harms nobody: should the order come back, the act counts.
            done.acts += await tx.execute("forget_acts", old)
            await tx.execute("forget_changes", old)
            done.decisions += await tx.execute("forget_decisions", old)
            await tx.execute("forget_traces", old)
            await tx.execute("forget_orders", old)
    found: str | None = page["last"]
    return found


async def _dead_letters(store: Store, before: datetime, dry_run: bool, done: Forgotten) -> None:
    if dry_run:
        async with store.session() as session:
            row = await session.row("forgettable_dead_letters", before)
        done.dead_letters = row["count"] if row else 0
        return
    while True:
        async with store.transaction() as tx:
            removed = await tx.execute("forget_dead_letters", before, _PAGE)
        done.dead_letters += removed
        if removed < _PAGE:
            return
