"""The policies in force: from the file or the settings, and kept in Postgres by version."""

from collections.abc import Iterable
from datetime import timedelta

from worker.domain.policy import Book, Policy
from worker.errors import PolicyConflict
from worker.policy.file import load
from worker.settings import Settings
from worker.storage.database import Store


def book_of(settings: Settings) -> Book:
    """The book of the policy file; without one, a single policy from the settings.

    Raises:
        PolicyInvalid: what the file says cannot be.
    """
    if settings.policy_file is None:
        return Book.of(Policy("default", settings.stock_window, settings.grace))
    return load(settings.policy_file, settings.grace)


async def keep(store: Store, book: Book) -> None:
    """Keep the terms before the first order is held to them: they are for ever those of a version.

    Raises:
        PolicyConflict: this version of a policy is kept already, with other terms.
        DatabaseUnavailable: try again later.
    """
    ours = [rule.policy for rule in book.rules if rule.policy.version]
    if not ours:
        return
    rows = [
        (p.name, p.version, p.dispute.type, p.dispute.text, p.source, _intervals(p.reminders))
        for p in ours
    ]
    async with store.transaction() as tx:
        await tx.execute("keep_policies", *(list(column) for column in zip(*rows, strict=True)))
        kept = await tx.rows("kept_policies", [p.name for p in ours], [p.version for p in ours])
    terms = {(row["name"], row["version"]): row["terms"] for row in kept}
    changed = [p.name for p in ours if terms[p.name, p.version] != p.source]
    if changed:
        raise PolicyConflict(
            f"version {ours[0].version} of {', '.join(changed)} was in force with other terms: "
            "give the file a higher version"
        )


def _intervals(spans: Iterable[timedelta]) -> str:
    """An array of intervals as Postgres writes it."""
    return "{" + ",".join(f"{span.total_seconds():f} s" for span in spans) + "}"
