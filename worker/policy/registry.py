"""The policies in force: from the file or the settings, and stored in Postgres by version."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from worker.domain.policy import Policies, Policy
from worker.errors import PolicyConflict
from worker.policy.file import load
from worker.settings import Settings
from worker.storage.database import Database


def load_policies(settings: Settings) -> Policies:
    """The policies of the policy file; without one, a single policy from the settings.

    Raises:
        PolicyInvalid: the file is unreadable or breaks a rule.
    """
    if settings.policy_file is None:
        policies = Policies.of(Policy("default", settings.stock_window, settings.grace))
    else:
        policies = load(settings.policy_file, settings.grace, settings.stock_window)
    ignore_unknown = settings.unknown_status == "ignore"
    return replace(policies, vocabulary=replace(policies.vocabulary, ignore_unknown=ignore_unknown))


async def store_policies(database: Database, policies: Policies) -> None:
    """Store the terms before they apply to any order: a version keeps its terms permanently.

    Raises:
        PolicyConflict: this version of a policy is stored already, with other terms.
        DatabaseUnavailable: try again later.
    """
    ours = [rule.policy for rule in policies.rules if rule.policy.version]
    if not ours:
        return
    rows = [
        (p.name, p.version, p.dispute.type, p.dispute.text, p.source, _intervals(p.reminders))
        for p in ours
    ]
    async with database.transaction() as tx:
        await tx.execute("insert_policies", *(list(column) for column in zip(*rows, strict=True)))
        kept = await tx.rows("stored_policies", [p.name for p in ours], [p.version for p in ours])
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
