"""Why an order stands where it stands: all that is stored of it, and the answer in a sentence."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.decide import cases
from worker.domain.acts import DECISIVE
from worker.domain.case import Case, Finding, Kind, Outcome, Reason
from worker.domain.deadline import schedule
from worker.domain.decide import decide, find
from worker.operations.format import from_now, span
from worker.settings import Settings
from worker.storage.database import Store

# More acts than this tell support nothing, and no screen holds them.
MOST = 500

SO_FAR = {
    Finding.VALIDATED: "it was put in start handling in time, with nothing reported wrong",
    Finding.CANCELLED: "it was cancelled in time",
    Finding.CANCELLED_INCOMPLETE: "it was cancelled in time, with fields of the form missing",
    Finding.WITHOUT_STOCK: "it was put in start handling in time, but its validation reports "
    "products missing, defective or incomplete",
    Finding.DISPUTED: "a dispute was opened in time and is still open",
    Finding.SILENT: "nobody has validated its stock, cancelled it or opened a dispute in time",
}

ENDED = {
    Outcome.KEPT: "kept because it was put in start handling in time, with nothing reported wrong",
    Outcome.CANCELLED: "closed because it was cancelled in time",
    Outcome.CANCELLED_INCOMPLETE: "closed because it was cancelled in time; the form had fields "
    "missing",
    Outcome.CANCELLED_LATE: "closed because it was cancelled, though only after the deadline",
    Outcome.AUTO_CANCELLED: "auto-cancelled",
    Outcome.ESCALATED: "escalated to a person",
}

BECAUSE = {
    Reason.STOCK_NOT_VALIDATED: "nobody had validated its stock, cancelled it or opened a dispute "
    "by the deadline",
    Reason.HANDLING_WITHOUT_STOCK: "it is in start handling although its validation reports "
    "products missing, defective or incomplete, so it can no longer be cancelled",
    Reason.DISPUTE_OPEN: "a dispute was opened in time and not resolved by the deadline",
    Reason.UNREADABLE_EVIDENCE: "a record of this order could not be read (a dead letter), and it "
    "may say that the seller acted",
    Reason.EVIDENCE_INCOMPLETE: "the log of status changes no longer reaches back to when the "
    "order entered, so an act of the seller may be lost",
    Reason.POLICY: "its policy leaves the decision to a person",
    Reason.MASS_CANCEL: "the brake held it: there were too many auto-cancels at once, and a person "
    "chose to decide (see `plazo brake status`)",
    Reason.HANDLED_AFTER_DEADLINE: "it was put in start handling only after the deadline",
    Reason.LATE_DISPUTE: "a dispute was opened after the deadline",
    Reason.CANCEL_UNCONFIRMED: "nobody confirmed in time that the auto-cancel was carried out",
    Reason.DEADLINE_APPROACHES: "the deadline came near and nothing had been done",
    Reason.LATE_EVIDENCE: "an act in time arrived only after the verdict",
}


@dataclass(frozen=True, slots=True)
class Known:
    """All rows about one order, of one moment."""

    now: datetime
    order: Mapping[str, Any] | None
    acts: Sequence[Any]
    refusals: Sequence[Any]
    changes: Sequence[Any]
    decisions: Sequence[Any]
    case: Case | None
    evidence_since: datetime | None
    shadow: bool

    @property
    def nothing(self) -> bool:
        """Whether no record that names the order has been read."""
        return self.order is None and not self.acts and not self.refusals


async def load(settings: Settings, store: Store, order_id: str) -> Known:
    """Read everything known of an order.

    Raises:
        DatabaseUnavailable: try again later.
    """
    async with store.transaction(one_snapshot=True) as tx:
        order = await tx.row("explain_order", order_id)
        acts = await tx.rows("explain_acts", order_id, MOST)
        refusals = await tx.rows("explain_refusals", order_id, MOST)
        changes = await tx.rows("explain_changes", order_id, MOST)
        decisions = await tx.rows("explain_decisions", order_id)
        mode = await tx.row("mode")
        entered = order is not None and order["lane"] is not None
        found = await cases.load(tx, order["lane"], [order_id]) if order and entered else []
        since = [
            row["covered_since"]
            for row in await tx.rows("positions")
            if row["topic"] == settings.order_status_changed_topic and row["covered_since"]
        ]
    now = await store.now()
    case = found[0] if found else None
    return Known(
        now,
        order,
        acts,
        refusals,
        changes,
        decisions,
        case,
        max(since, default=None),
        mode is not None and mode["mode"] == "shadow",
    )


def summary(known: Known) -> str:
    """The answer in a sentence."""
    rehearsed = "in shadow mode, where nothing is told in earnest: " if known.shadow else ""
    return rehearsed + _answer(known)


def _answer(known: Known) -> str:
    order, case = known.order, known.case
    if order is not None and order["lane"] is not None and order["due"] is None:
        return "its clock has not started: the status that its policy waits for has not been read"
    if order is None or case is None:
        return (
            "its order-created has not been read: what came before it is kept, and counts once "
            "the order comes"
        )
    if order["outcome"] is None:
        return _undecided(order, case, known)
    outcome = Outcome(order["outcome"])
    said = ENDED[outcome]
    standing = [given.reason for given in case.standing]
    kind = Kind.AUTO_CANCEL if outcome == Outcome.AUTO_CANCELLED else Kind.ESCALATION
    reasons = [given.reason for given in case.standing if given.kind == kind]
    if outcome in (Outcome.AUTO_CANCELLED, Outcome.ESCALATED) and reasons:
        said += f" because {BECAUSE[reasons[0]]}"
        standing.remove(reasons[0])
    for reason in standing:
        said += f"; then escalated to a person because {BECAUSE[reason]}"
    if any(row["kind"] == Kind.REVOKED for row in known.decisions):
        said += "; an earlier verdict was revoked because an act in time arrived only after it"
    return said


def _undecided(order: Mapping[str, Any], case: Case, known: Known) -> str:
    said = f"not decided yet: {SO_FAR[find(case)]}"
    planned = schedule(order["first_due"] or order["due"], order["entered_at"], case.changes)
    if planned.held:
        return f"{said}; its verdict is held by an event until another one releases it"
    if order["fires_at"] > case.order.due + case.order.grace:
        again = from_now(order["fires_at"], known.now)
        return (
            f"{said}; its verdict was put off and is tried again {again}: "
            "the brake holds it (see `plazo brake status`), or judging it failed (see the log)"
        )
    if order["fires_at"] > known.now:
        left = span(order["fires_at"] - known.now)
        return f"{said}; the verdict falls in {left}, and would be: {_prospect(case, known)}"
    owner = "its lane has no worker" if order["owner"] is None else "a guard holds it"
    return (
        f"{said}; the verdict is {span(known.now - order['fires_at'])} late: either it is falling "
        f"just now, or {owner} (see `plazo check`)"
    )


def _prospect(case: Case, known: Known) -> str:
    judgement = decide(case, known.evidence_since)
    told = [decision.reason for decision in judgement.decisions]
    because = f" because {BECAUSE[told[0]]}" if told else ""
    return ENDED[judgement.outcome] + because if told else ENDED[judgement.outcome]


def in_time(act: Mapping[str, Any], order: Mapping[str, Any] | None) -> bool | None:
    if order is None or order["due"] is None or act["status"] not in DECISIVE:
        return None
    return bool(act["occurred_at"] <= order["due"])


def explained(order_id: str, known: Known, personal: bool) -> dict[str, Any]:
    """The same for JSON; what may name a person only where ``personal`` is set."""
    order = known.order
    entered = order is not None and order["lane"] is not None
    return {
        "order_id": order_id,
        "summary": summary(known),
        "order": {
            name: order[name]
            for name in (
                "seller_id", "fulfilment", "entered_at", "first_due", "due", "fires_at", "policy",
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
                "decisive": act["status"] in DECISIVE,
                **({"body": act["body"]} if personal else {}),
            }
            for act in map(dict, known.acts)
        ],
        "refusals": [dict(row) for row in known.refusals],
        "deadline_changes": [
            {
                name: change[name]
                for name in change
                if personal or name not in ("author", "reason")
            }
            for change in map(dict, known.changes)
        ],
        "verdicts": [
            {
                **{name: row[name] for name in row if name != "value"},
                "evidence": json.loads(row["value"])["evidence"],
            }
            for row in map(dict, known.decisions)
        ],
    }  # fmt: skip
