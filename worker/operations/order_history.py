"""All that is stored of an order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.decide.cases import load_cases
from worker.decide.deadlines import ChangeLimits, Deadlines
from worker.domain.case import Case, Limits
from worker.freshness.evidence import EvidenceScope
from worker.operations.lines import read_lines
from worker.policy.registry import load_policies
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.transaction import Transaction

# More acts than this help nobody, and fit no screen.
MOST = 500


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """All rows about one order, from one snapshot."""

    now: datetime
    order: Mapping[str, Any] | None
    acts: Sequence[Any]
    refusals: Sequence[Any]
    changes: Sequence[Any]
    versions: Sequence[Any]
    decisions: Sequence[Any]
    case: Case | None
    limits: Limits
    shadow: bool

    @property
    def nothing(self) -> bool:
        """Whether no record that names the order has been read."""
        return self.order is None and not self.acts and not self.refusals


async def load(
    settings: Settings, database: Database, order_id: str, *, bodies: bool = False
) -> OrderHistory:
    """Read everything known of an order; the bodies of its acts only where they are shown.

    Without ``bodies`` the acts have none: 500 of a megabyte would not fit the worker's memory.

    Raises:
        DatabaseUnavailable: try again later.
    """
    now = await database.now()
    async with database.transaction(one_snapshot=True) as tx:
        order = await tx.row("explain_order", order_id)
        if bodies:
            acts = await tx.rows("explain_bodies", order_id, MOST)
        else:
            acts = await tx.rows("explain_acts", order_id, MOST)
        refusals = await tx.rows("explain_refusals", order_id, MOST)
        changes = await tx.rows("explain_changes", order_id, MOST)
        versions = await tx.rows("explain_versions", order_id, MOST)
        decisions = await tx.rows("explain_decisions", order_id)
        mode = await tx.row("mode")
        entered = order is not None and order["lane"] is not None
        case = await _settled(tx, settings, order, now) if order and entered else None
        lane = order["lane"] if order is not None and entered else 0
        reading = await EvidenceScope.of(settings).reading(tx, lane)
    return OrderHistory(
        now,
        order,
        acts,
        refusals,
        changes,
        versions,
        decisions,
        case,
        Limits(
            reading.evidence_since,
            reading.adopted_at,
            settings.before_adoption == "escalate",
            reading.astray_at,
        ),
        mode is not None and mode["mode"] == "shadow",
    )


async def _settled(
    tx: Transaction, settings: Settings, order: Mapping[str, Any], now: datetime
) -> Case | None:
    """The case of the order's cycle in force, as the next sweep would find it."""
    policies = load_policies(settings)
    cases, _, facts = await load_cases(tx, order["lane"], [order["order_id"]], policies, read_lines)
    if not cases:
        return None
    deadlines = await Deadlines.load(tx, policies, ChangeLimits.of(settings), now)
    return deadlines.settle(cases[0], facts[order["order_id"]]).case
