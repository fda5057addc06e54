"""The state of an order in one sentence and a person's next step, in the reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from worker.domain.case import Case, Kind, Outcome, Reason
from worker.domain.deadline import schedule
from worker.domain.decide import decide, find
from worker.operations.format import relative
from worker.operations.order_history import OrderHistory
from worker.operations.sentences import ENGLISH, has, say

# Of verdicts that end an order, the kind of the decision that says why.
_SAYS_WHY: Mapping[Outcome, Kind] = {
    Outcome.AUTO_CANCELLED: Kind.AUTO_CANCEL,
    Outcome.ESCALATED: Kind.ESCALATION,
}

# The next steps that ask for nothing.
_NOTHING_TO_DO = frozenset(
    {"nothing", "open", "no-clock", Reason.STOCK_NOT_VALIDATED, Outcome.CANCELLED_BY_SELLER}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """``said`` is a clause without a full stop; ``next_step`` is one or two whole sentences.

    Where ``said`` names a time, ``{when}`` stands for ``at``. ``waits``: a person has to act.
    """

    said: str
    next_step: str
    waits: bool
    at: datetime | None = None


def answer(history: OrderHistory, language: str = ENGLISH) -> Answer:
    """What is known of the order, and what a person has to do now."""
    order, case = history.order, history.case
    if order is not None and order["lane"] is not None and order["due"] is None:
        found = _answer(language, say(language, "state.no-clock"), "no-clock")
    elif order is None or case is None:
        found = _answer(language, say(language, "state.no-order"), "no-order")
    elif order["outcome"] is None:
        found = _undecided(order, case, history, language)
    else:
        found = _ended(Outcome(order["outcome"]), case, history, language)
    if not history.shadow:
        return found
    return replace(found, said=say(language, "in-shadow", what=found.said))


def summary(history: OrderHistory) -> str:
    """The answer in an English clause, its time as a distance from now."""
    found = answer(history)
    return found.said.replace("{when}", relative(found.at, history.now) if found.at else "")


def _ended(outcome: Outcome, case: Case, history: OrderHistory, language: str) -> Answer:
    said = say(language, f"ended.{outcome}")
    given = [one for one in case.standing if one.kind != Kind.REMINDER]
    first = next((one for one in given if one.kind == _SAYS_WHY.get(outcome)), None)
    if first is not None:
        said = say(language, "because", what=said, why=say(language, f"why.{first.reason}"))
    for other in given:
        if other is not first:
            said = say(language, "then", what=said, why=say(language, f"why.{other.reason}"))
    if any(row["kind"] == Kind.REVOKED for row in history.decisions):
        said = say(language, "was-revoked", what=said)
    steps = [*(one.reason for one in given[-1:]), outcome, "nothing"]
    return _answer(language, said, next(step for step in steps if has(f"next.{step}")))


def _undecided(
    order: Mapping[str, Any], case: Case, history: OrderHistory, language: str
) -> Answer:
    found = say(language, f"finding.{find(case)}")
    planned = schedule(order["first_due"] or order["due"], order["entered_at"], case.changes)
    at, verdict = order["fires_at"], ""
    if planned.held:
        state, step = "held", "held"
    elif at > case.order.due + case.order.grace:
        state, step = "put-off", "late"
    elif at > history.now:
        state, step, verdict = "open", "open", _prospect(case, history, language)
    else:
        state, step = "late" if order["owner"] else "no-worker", "late"
    said = say(language, f"state.{state}", found=found, verdict=verdict)
    return _answer(language, said, step, at)


def _answer(language: str, said: str, step: str, at: datetime | None = None) -> Answer:
    return Answer(said, say(language, f"next.{step}"), step not in _NOTHING_TO_DO, at)


def _prospect(case: Case, history: OrderHistory, language: str) -> str:
    """The verdict that would follow from what is known."""
    judgement = decide(case, history.limits)
    assert judgement.outcome is not None
    said = say(language, f"ended.{judgement.outcome}")
    reasons = [decision.reason for decision in judgement.decisions]
    if not reasons:
        return said
    return say(language, "because", what=said, why=say(language, f"why.{reasons[0]}"))
