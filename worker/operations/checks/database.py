"""Checks of the database's schema and of its contents."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from worker.operations.checks.model import Check, DatabaseFacts, Status
from worker.operations.format import count, shortened
from worker.storage.migrations import HEAD, serves

_LATE = timedelta(seconds=60)
# As in the alert PlazoEscalationsUnanswered.
_LONG_WAIT = timedelta(days=1)


def schema_checks(database: DatabaseFacts) -> Iterator[Check]:
    """Whether this version can work with the database."""
    yield _schema(database)
    yield _rights(database)
    yield _durability(database)
    if database.elsewhere is not None:
        yield Check(
            "one database", Status.FAULT,
            f"lanes {database.elsewhere} live in another one: workers do not start",
            "continue with the version before, or begin with a new database and new topics",
        )  # fmt: skip


def content_checks(database: DatabaseFacts) -> Iterator[Check]:
    """Whether the work that the database holds is getting done."""
    if database.adopted_at is not None:
        yield _adoption(database.adopted_at, database.before_adoption)
    yield _outbox(database)
    yield _deadlines(database)
    yield _dead_letters(database)
    yield _orphans(database)
    if database.held_long:
        yield Check(
            "holds", Status.WARNING,
            f"{count(database.held_long, 'order')} on hold for more than a day",
            "see `plazo deadlines held`; `plazo deadlines release` ends a hold",
        )  # fmt: skip
    if database.oldest_escalation is not None:
        yield _escalations(database, database.oldest_escalation)
    if database.unknown_statuses:
        yield Check(
            "unknown statuses", Status.WARNING,
            f"{count(database.unknown_statuses, 'word')} of the last day in no table",
            "see `plazo statuses --unknown`; give them a meaning in the policy file, or ask the "
            "publisher for a correction",
        )  # fmt: skip


def _schema(database: DatabaseFacts) -> Check:
    if serves(database.schema):
        return Check("schema", Status.OK, database.schema)
    return Check(
        "schema", Status.FAULT, f"it is {database.schema}, this version needs {HEAD}",
        "run `plazo migrate`",
    )  # fmt: skip


def _rights(database: DatabaseFacts) -> Check:
    if not database.missing_rights:
        return Check("rights", Status.OK, "the role may do all that a worker does")
    role = database.missing_rights[0][0]
    lacks = (f"{privileges} on {table}" for _, table, privileges in database.missing_rights)
    return Check(
        "rights", Status.FAULT, f"role {role} lacks {shortened([*lacks])}",
        "run grants.sql (`plazo assets DIR`) as the tables' owner, after each `plazo migrate`",
    )  # fmt: skip


def _durability(database: DatabaseFacts) -> Check:
    if not database.risky and not database.asynchronous:
        return Check("durability", Status.OK, "what is committed is on disk")
    if not database.risky:
        return Check(
            "durability", Status.WARNING,
            "commits do not wait for a standby: a failover may lose the last verdicts",
            "set synchronous_standby_names (Patroni: synchronous_mode), or accept that lanes halt "
            "after such a failover (Back up and restore)",
        )  # fmt: skip
    return Check(
        "durability", Status.WARNING, f"off: {', '.join(database.risky)}",
        "turn it on: a crash may lose verdicts that were published, and then their lanes halt",
    )  # fmt: skip


def _adoption(began: datetime, orders: int) -> Check:
    found = f"this installation began at {began:%F %T} UTC"
    if orders:
        were = "was" if orders == 1 else "were"
        found += f"; {count(orders, 'order')} {were} over before and got no verdict"
    return Check("adoption", Status.OK, found)


def _outbox(database: DatabaseFacts) -> Check:
    pending = sum(max(0, row["sequence"] - row["published"]) for row in database.lanes)
    since = min((r["unpublished_since"] for r in database.lanes if r["unpublished_since"]),
                default=None)  # fmt: skip
    if not pending or since is None:
        return Check("outbox", Status.OK, "every verdict is published")
    found = f"{count(pending, 'verdict')} not published, the oldest made at {since:%F %T} UTC"
    if database.now - since < _LATE:
        return Check("outbox", Status.OK, found)
    return Check("outbox", Status.WARNING, found, "see that workers run and may write decisions")


def _deadlines(database: DatabaseFacts) -> Check:
    opened = sum(row["open_deadlines"] for row in database.lanes)
    found = f"{count(opened, 'order')} undecided, {database.overdue} overdue"
    if database.waiting:
        found += f", {count(database.waiting, 'order')} waiting for their clock"
    if database.notices:
        found += f", {count(database.notices, 'order')} to be looked at again"
    oldest = database.oldest_overdue
    if oldest is None or database.now - oldest < _LATE:
        return Check("deadlines", Status.OK, found)
    return Check(
        "deadlines", Status.WARNING,
        f"{found}, the oldest since {oldest:%F %T} UTC",
        "see the metric plazo_guard_held_lanes: it names the guard that holds the verdicts",
    )  # fmt: skip


def _dead_letters(database: DatabaseFacts) -> Check:
    if not database.dead_letters:
        return Check("dead letters", Status.OK, "none that is not settled")
    total = sum(row["letters"] for row in database.dead_letters)
    kinds = ", ".join(f"{row['letters']} {row['error']}" for row in database.dead_letters)
    return Check(
        "dead letters", Status.WARNING, f"{total} not settled: {kinds}",
        "see `plazo dead-letters list`; mend the publisher or upgrade, then replay or discard",
    )  # fmt: skip


def _escalations(database: DatabaseFacts, oldest: datetime) -> Check:
    found = f"{count(database.escalations, 'order')} of the last week wait for a person"
    if database.now - oldest < _LONG_WAIT:
        return Check("escalations", Status.OK, found)
    return Check(
        "escalations", Status.WARNING, f"{found}, the oldest since {oldest:%F %T} UTC",
        "see `plazo decisions --waiting-for-person`: an act of the order answers it",
    )  # fmt: skip


def _orphans(database: DatabaseFacts) -> Check:
    if not database.orphans and not database.astray:
        return Check("orphans", Status.OK, "no act without an order for long")
    found = f"{count(database.orphans, 'order')} with acts and no order-created for an hour"
    if database.astray:
        found += f"; {count(database.astray, 'refused act')} of no known order"
    return Check(
        "orphans", Status.WARNING, found,
        "see `plazo orphans`; compare the ids that the two topics use",
    )  # fmt: skip
