"""The phrases of an explanation: one for each finding, outcome and reason."""

from worker.decide.brake import Limits
from worker.domain.case import Finding, Outcome, Reason
from worker.durations import written

SO_FAR = {
    Finding.VALIDATED: "it was put in start handling in time, with nothing reported wrong",
    Finding.CANCELLED: "it was cancelled in time",
    Finding.CANCELLED_INCOMPLETE: "it was cancelled in time, with fields of the form missing",
    Finding.WITHOUT_STOCK: "it was put in start handling in time, but its validation reports "
    "products missing, defective or incomplete",
    Finding.DISPUTED: "a dispute was opened in time and is still open",
    Finding.CONTRADICTORY: "it was cancelled in time, and put in start handling after that",
    Finding.CONFLICTING: "the messages that announce it name several sellers",
    Finding.OBSCURE: "statuses came in time that nobody can tell the meaning of, and nothing else",
    Finding.SILENT: "nobody has validated its stock, cancelled it or opened a dispute in time",
}

ENDED = {
    Outcome.KEPT: "kept because it was put in start handling in time, with nothing reported wrong",
    Outcome.CANCELLED: "closed because it was cancelled in time",
    Outcome.CANCELLED_INCOMPLETE: "closed because it was cancelled in time; the form had fields "
    "missing",
    Outcome.CANCELLED_LATE: "closed because it was cancelled, though only after the deadline",
    Outcome.CANCELLED_BY_SELLER: "auto-cancelled; a cancellation by the seller in time "
    "became known only after that",
    Outcome.AUTO_CANCELLED: "auto-cancelled",
    Outcome.LAPSED: "left alone at its deadline, as its policy wants",
    Outcome.BEFORE_ADOPTION: "kept without a verdict because its deadline was before this "
    "installation began",
    Outcome.ESCALATED: "escalated to a person",
}

BECAUSE = {
    Reason.STOCK_NOT_VALIDATED: "nobody had validated its stock, cancelled it or opened a dispute "
    "by the deadline",
    Reason.HANDLING_WITHOUT_STOCK: "it is in start handling although its validation reports "
    "products missing, defective or incomplete, so it can no longer be cancelled",
    Reason.DISPUTE_OPEN: "a dispute was opened in time and not resolved by the deadline",
    Reason.UNREADABLE_EVIDENCE: "a message about this order could not be read, and it may say "
    "that the seller acted",
    Reason.EVIDENCE_INCOMPLETE: "the messages kept no longer reach back to when the order "
    "entered, so an act of the seller may be lost",
    Reason.UNKNOWN_STATUS: "a status came in time that nobody can tell the meaning of, and nothing "
    "else",
    Reason.ENTERED_LATE: "the order arrived too late for the seller to act in time",
    Reason.FACTS_MISSING: "a rule of the policy file needs a fact that the order does not tell",
    Reason.CONFLICTING_ORDERS: "the messages that announce it disagree, and would be judged "
    "differently",
    Reason.CONTRADICTORY_ACTS: "it was cancelled, and put in start handling after that",
    Reason.HOLD_EXPIRED: "it was on hold for longer than a hold may last",
    Reason.BEFORE_ADOPTION: "its deadline was before this installation began",
    Reason.POLICY: "its policy leaves the decision to a person",
    Reason.MASS_CANCEL: "the brake held it: there were too many auto-cancels at once, and a person "
    "chose to decide (see `plazo brake status`)",
    Reason.HANDLED_AFTER_DEADLINE: "it was put in start handling only after the deadline",
    Reason.LATE_DISPUTE: "a dispute was opened after the deadline",
    Reason.CANCEL_UNCONFIRMED: "nobody confirmed in time that the auto-cancel was carried out",
    Reason.DEADLINE_APPROACHES: "the deadline came near and nothing had been done",
    Reason.LATE_EVIDENCE: "an act in time arrived only after the verdict",
}


def limits_in_words(limits: Limits) -> str:
    """The limits of the brake, for people."""
    parts = [f"in {written(limits.window)}"]
    if limits.cancels is not None:
        parts.append(f"{limits.cancels} auto-cancels")
    if limits.seller_cancels is not None:
        parts.append(f"{limits.seller_cancels} of each seller")
    if limits.share < 1:
        parts.append(f"{limits.share:.0%} of what lapses, from {limits.least} orders on")
    if limits.silent_feed is not None:
        parts.append(f"none while the status feed is silent for {written(limits.silent_feed)}")
    return ", ".join(parts)
