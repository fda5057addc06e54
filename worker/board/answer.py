"""The state of one order in codes, from which the board makes a sentence in the reader's language.

The cases are those of :mod:`worker.operations.explanation`, which says them in English.
"""

from typing import Any

from worker.domain.case import Case, Kind
from worker.domain.deadline import schedule
from worker.domain.decide import decide, find
from worker.operations.explanation import OrderHistory


def answer(history: OrderHistory) -> dict[str, Any]:
    """``state`` is one of the keys ``state.…`` of the texts; the other codes depend on it.

    ``because`` are reasons of decisions that stand, ``revoked`` says whether one was taken back.
    For an open order ``finding`` is what is known so far, ``outcome`` and ``because`` the verdict
    that would follow from it.
    """
    order, case = history.order, history.case
    shadow = {"shadow": history.shadow}
    if order is not None and order["lane"] is not None and order["due"] is None:
        return {"state": "no-clock", **shadow}
    if order is None or case is None:
        return {"state": "no-order", **shadow}
    if order["outcome"] is None:
        return {**_open(order, case, history), **shadow}
    return {
        "state": "ended",
        "outcome": order["outcome"],
        "because": [given.reason for given in case.standing if given.kind != Kind.REMINDER],
        "revoked": any(row["kind"] == Kind.REVOKED for row in history.decisions),
        **shadow,
    }


def _open(order: Any, case: Case, history: OrderHistory) -> dict[str, Any]:
    found = {"finding": find(case)}
    planned = schedule(order["first_due"] or order["due"], order["entered_at"], case.changes)
    if planned.held:
        return {"state": "held", **found}
    judgement = decide(case, history.limits)
    verdict = {
        **found,
        "outcome": judgement.outcome,
        "because": [decision.reason for decision in judgement.decisions],
        "fires_at": order["fires_at"],
    }
    if order["fires_at"] > case.order.due + case.order.grace:
        return {"state": "put-off", **verdict}
    if order["fires_at"] > history.now:
        return {"state": "open", **verdict}
    return {"state": "late" if order["owner"] else "no-worker", **verdict}
