"""The sentences about an order: one source for `plazo explain` and the board."""

import re
from pathlib import Path

import pytest

from worker.domain.case import Finding, Kind, Outcome, Reason
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
