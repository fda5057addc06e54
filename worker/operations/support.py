"""What support needs of an order: the next step for a person, and what happened when."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.domain.acts import ORDER_CREATED
from worker.domain.case import Kind, Outcome, Reason
from worker.operations.explanation import OrderHistory, in_time, tells
from worker.operations.phrases import BECAUSE

# By the reason of the last decision in force.
NEXT_STEP: Mapping[str, str] = {
    Reason.STOCK_NOT_VALIDATED: "Nothing to do: the order is being cancelled. If the seller acted "
    "in time, have the missing message published; the cancellation is then taken back by itself.",
    Reason.HANDLING_WITHOUT_STOCK: "Ask the seller to open a dispute: the order can no longer be "
    "cancelled. Tell the customer.",
    Reason.DISPUTE_OPEN: "Settle the dispute with the seller.",
    Reason.UNREADABLE_EVIDENCE: "Ask the seller whether the stock was confirmed, and decide. Ask "
    "the operators to settle the unreadable message.",
    Reason.EVIDENCE_INCOMPLETE: "Look the order up in the seller portal, and decide: some messages "
    "of its time are gone.",
    Reason.UNKNOWN_STATUS: "Ask the seller what the status means, and decide. Tell the operators "
    "the word, so that it is understood the next time.",
    Reason.ENTERED_LATE: "Give the seller time, or cancel: the order came too late for an answer.",
    Reason.FACTS_MISSING: "Decide by hand: the order lacks a fact that its policy asks for.",
    Reason.CONFLICTING_ORDERS: "Find out which message about the order is right, and decide.",
    Reason.CONTRADICTORY_ACTS: "Ask the seller whether the order is cancelled or handled.",
    Reason.HOLD_EXPIRED: "Decide now: the order was on hold for as long as a hold may last.",
    Reason.BEFORE_ADOPTION: "Decide by hand: the deadline was over before Plazo began.",
    Reason.POLICY: "Decide by hand: the policy of this order wants a person.",
    Reason.MASS_CANCEL: "Decide by hand: there were too many cancellations at once.",
    Reason.HANDLED_AFTER_DEADLINE: "Ask the seller to stop, or undo the cancellation: the seller "
    "handled the order too late.",
    Reason.LATE_DISPUTE: "Settle the dispute with the seller; it came after the deadline.",
    Reason.CANCEL_UNCONFIRMED: "Cancel the order in the order management system: nobody confirmed "
    "that it was done.",
}  # fmt: skip
_NOTHING = "Nothing to do."

_KINDS = {
    Kind.AUTO_CANCEL: "cancellation issued",
    Kind.ESCALATION: "handed to a person",
    Kind.REMINDER: "seller reminded",
}
_CHANGES = {
    "order.deadline-extended": "deadline extended",
    "order.deadline-held": "put on hold",
    "order.deadline-released": "hold ended",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened: its time (UTC), and a phrase."""

    at: datetime
    said: str


def next_step(history: OrderHistory) -> str:
    """What a person has to do now, in one or two sentences."""
    order, case = history.order, history.case
    if order is None or case is None:
        if order is not None and order["lane"] is not None:
            return "Nothing to do yet: the seller cannot start before the order is released to it."
        return (
            "Ask order management for the order itself: only messages about it have arrived. Check "
            "the spelling of its id; capitals count."
        )
    if order["outcome"] is None:
        if order["held"]:
            return "The hold has to be ended by the one who set it, once its reason is gone."
        if order["fires_at"] > history.now:
            return "Nothing to do yet: the seller can still act until the deadline."
        return "Ask the operators: the decision is late, and `plazo check` says why."
    reasons = [given.reason for given in case.standing]
    if reasons and reasons[-1] in NEXT_STEP:
        return NEXT_STEP[reasons[-1]]
    if order["outcome"] == Outcome.CANCELLED_BY_SELLER:
        return "Nothing to do: the order is cancelled, and the seller had cancelled it in time."
    return _NOTHING


def moments(history: OrderHistory) -> list[Moment]:
    """What happened to the order, in the order of time: acts by event time, ours by the clock."""
    return sorted(_moments(history), key=lambda one: one.at)


def _moments(history: OrderHistory) -> Iterator[Moment]:
    order = history.order
    for act in history.acts:
        yield Moment(act["occurred_at"], _act(act, order))
    for row in history.refusals:
        settled = f", settled since ({row['settled']})" if row["settled"] else ""
        yield Moment(row["received_at"], f"a message that nobody could read{settled}")
    for change in history.changes:
        if change["counted"] is not False:
            yield Moment(change["occurred_at"], _CHANGES[change["kind"]])
    for row in history.decisions:
        yield Moment(row["decided_at"], _decision(row))
    if order is not None and order["due"] is not None:
        yield Moment(order["due"], "the deadline")


def _act(act: Mapping[str, Any], order: Mapping[str, Any] | None) -> str:
    if act["status"] == ORDER_CREATED:
        return "the order entered"
    if act["status"] in _CHANGES:
        return f"message: {_CHANGES[act['status']]}"
    notes = []
    if not tells(act["status"]):
        notes.append("decides nothing")
    elif (early := in_time(act, order)) is not None:
        notes.append("in time" if early else "too late")
    if act["stock_ok"] is not None:
        notes.append("stock confirmed" if act["stock_ok"] else "stock reported wrong")
    if act["form_complete"] is False:
        notes.append("form incomplete")
    return f"status {act['status']}" + (f" ({', '.join(notes)})" if notes else "")


def _decision(row: Mapping[str, Any]) -> str:
    sent = "" if row["published"] else " (not published yet)"
    if row["kind"] == Kind.REVOKED:
        return f"decision {row['revokes']} taken back: a message in time arrived after it{sent}"
    because = BECAUSE.get(row["reason"], row["reason"])
    said = _KINDS.get(row["kind"], row["kind"])
    return f"decision {row['ordinal']}: {said}{sent}, because {because}"
