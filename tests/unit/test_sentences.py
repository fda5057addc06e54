"""The sentences about an order: one source for `plazo explain` and the board."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.domain.words import an_order
from worker.domain.case import Case, Finding, Kind, Limits, Outcome, PriorDecision, Reason
from worker.operations.answer import answer, summary
from worker.operations.order_history import OrderHistory
from worker.operations.sentences import SENTENCES, say

OPERATIONS = Path(__file__).parents[2] / "worker/operations"


def test_each_code_has_a_sentence() -> None:
    wanted = {f"kind.{one}" for one in Kind} | {f"why.{one}" for one in Reason}
    wanted |= {f"ended.{one}" for one in Outcome} | {f"finding.{one}" for one in Finding}
    assert wanted - SENTENCES["en"].keys() == set()


def test_every_reason_that_rests_with_a_person_has_a_next_step() -> None:
    missing = {one for one in Reason if f"next.{one}" not in SENTENCES["en"]}
    assert missing == {Reason.LATE_EVIDENCE, Reason.DEADLINE_APPROACHES}


def test_each_sentence_is_used() -> None:
    code = "".join(file.read_text() for file in OPERATIONS.glob("*.py"))
    code += (OPERATIONS.parent / "board/assets/order.js").read_text()
    families = ("kind.", "why.", "ended.", "finding.", "next.", "state.", "line.")
    for key in SENTENCES["en"]:
        last = key.partition(".")[2] if key.startswith(families) else key
        if key.startswith(("line.", "state.")) or not key.startswith(families):
            assert re.search(rf'["\'.]{re.escape(last)}["\']', code), key


@pytest.mark.parametrize("text", ["{when}", "{what}", "{}", "{0", "\\1"])
def test_a_value_is_never_a_place(text: str) -> None:
    assert say("en", "line.status", what=text) == f"status {text}"


def test_a_place_without_a_value_stays() -> None:
    assert "{when}" in say("en", "state.late", found="x")


NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def history(
    outcome: Outcome | None, *given: tuple[Kind, Reason], shadow: bool = False
) -> OrderHistory:
    order = {"lane": 0, "due": NOW, "outcome": outcome} if outcome else None
    standing = tuple(
        PriorDecision(n, "id", kind, reason, n, NOW, NOW, {})
        for n, (kind, reason) in enumerate(given, 1)
    )
    case = Case(an_order(), standing=standing) if outcome else None
    return OrderHistory(NOW, order, [], [], [], [], [], case, Limits(None), shadow)


CANCEL = Kind.AUTO_CANCEL, Reason.STOCK_NOT_VALIDATED
LATER = Kind.ESCALATION, Reason.HANDLED_AFTER_DEADLINE
REMINDED = Kind.REMINDER, Reason.DEADLINE_APPROACHES


@pytest.mark.parametrize(
    ("given", "begins", "waits"),
    [
        ((None,), "the order itself has not arrived", True),
        ((Outcome.KEPT,), "kept because it was put in start handling in time", False),
        ((Outcome.KEPT, REMINDED), "kept because it was put in start handling in time", False),
        ((Outcome.AUTO_CANCELLED, CANCEL), "auto-cancelled because nobody had validated", False),
        ((Outcome.AUTO_CANCELLED, CANCEL, LATER), "auto-cancelled because nobody had", True),
        ((Outcome.ESCALATED, LATER), "escalated to a person because it was put in", True),
    ],
)
def test_the_answer_and_whether_it_asks_for_a_person(given: Any, begins: str, waits: bool) -> None:
    found = answer(history(*given))
    assert found.said.startswith(begins)
    assert found.waits == waits
    assert ("; then escalated to a person because" in found.said) == (LATER in given[2:])
    assert "near" not in found.said  # a reminder is no verdict


def test_shadow_mode_and_another_language() -> None:
    rehearsed = history(Outcome.ESCALATED, LATER, shadow=True)
    assert summary(rehearsed).startswith("in shadow mode, without consequences: escalated")
    assert answer(rehearsed, "es").said.startswith("en modo de prueba, sin consecuencias: decide")
