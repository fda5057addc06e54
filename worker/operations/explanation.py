"""All that is stored of an order."""

import difflib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.statuses import STATUSES, Meaning
from worker.decide.cases import load_cases
from worker.decide.deadlines import ChangeLimits, Deadlines
from worker.domain.case import Case, Limits
from worker.freshness.evidence import EvidenceScope
from worker.operations.answer import summary
from worker.operations.lines import read_lines
from worker.policy.registry import load_policies
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.transaction import Transaction

# More acts than this help nobody, and fit no screen.
MOST = 500
# 1,024 spellings: as many look-ups by the key.
_MOST_LETTERS = 10


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


async def nearest(database: Database, order_id: str) -> list[str]:
    """Known ids that are spelt almost like this one: capitals and blanks first, then neighbours.

    Raises:
        DatabaseUnavailable: try again later.
    """
    rows = await database.rows("nearest_orders", _spellings(order_id), order_id)
    known = [row["order_id"] for row in rows if row["order_id"] != order_id]
    plain = order_id.strip().casefold()
    alike = [one for one in known if one.strip().casefold() == plain]
    close = difflib.get_close_matches(order_id, [o for o in known if o not in alike], 3, 0.85)
    return [*alike, *close][:5]


def _spellings(order_id: str) -> list[str]:
    """The id with each letter in either case, if there are few letters."""
    plain = order_id.strip()
    both = [sorted({one.lower(), one.upper()}) for one in plain]
    if sum(len(one) > 1 for one in both) > _MOST_LETTERS:
        return [plain, plain.lower(), plain.upper()]
    return [plain, *map("".join, itertools.product(*both))]


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


def tells(status: str) -> bool:
    """Whether a status can affect a verdict, by the table of statuses."""
    return STATUSES.get(status, Meaning.UNKNOWN) != Meaning.NOTHING


def in_time(act: Mapping[str, Any], order: Mapping[str, Any] | None) -> bool | None:
    if order is None or order["due"] is None or not tells(act["status"]):
        return None
    return bool(act["occurred_at"] <= order["due"])


def document(order_id: str, history: OrderHistory, personal: bool) -> dict[str, Any]:
    """The same for JSON; personal data only where ``personal`` is set, with the bodies loaded."""
    order = history.order
    entered = order is not None and order["lane"] is not None
    return {
        "order_id": order_id,
        "summary": summary(history),
        "order": {
            name: order[name]
            for name in (
                "seller_id", "fulfilment", "entered_at", "started_at", "first_due", "due",
                "fires_at", "policy",
                "policy_version", "at_lapse",
                "total", "currency", "lane", "owner", "topic", "partition", "offset",
                "received_at", "finding", "outcome", "decided_at",
            )
        }
        if order is not None and entered
        else None,
        "acts": [
            {
                **{name: act[name] for name in act if name != "body"},
                "in_time": in_time(act, order),
                "decisive": tells(act["status"]),
                **({"body": act["body"]} if personal else {}),
            }
            for act in map(dict, history.acts)
        ],
        "refusals": [dict(row) for row in history.refusals],
        "deadline_changes": [
            {
                name: change[name]
                for name in change
                if personal or name not in ("author", "reason")
            }
            for change in map(dict, history.changes)
        ],
        "told_differently": [dict(row) for row in history.versions],
        "verdicts": [
            {
                **{name: row[name] for name in row if name != "value"},
                "evidence": json.loads(row["value"])["evidence"],
            }
            for row in map(dict, history.decisions)
        ],
    }  # fmt: skip
