"""The audit distinguishes a worker that keeps its promises from one that does not."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from worker.dev.audit import Audit, Finding
from worker.dev.ledger import UNREADABLE, Entry, Fact, Ledger, Message
from worker.settings import Settings

WINDOW, GRACE = timedelta(seconds=60), timedelta(seconds=2)
DUE = datetime.now(UTC) - timedelta(minutes=2)
BEFORE, AFTER = DUE - timedelta(seconds=30), DUE + timedelta(seconds=30)

CONFIRMED = Fact("start-handling", BEFORE, True)
CANCEL = ("auto-cancel", "stock-not-validated")


class Run:
    """A ledger, and an audit that is fed by hand."""

    def __init__(self) -> None:
        self.settings = Settings.model_construct(stock_window=WINDOW, grace=GRACE)
        self.ledger = Ledger()
        self.audit = Audit(self.settings, self.ledger)
        self.given = 0
        self.publish(Entry(DUE - WINDOW), at=DUE - WINDOW)

    def publish(self, meaning: Fact | Entry, at: datetime) -> None:
        self.ledger.enter(Message("t", b"o", b"", meanings=(("o", meaning),)), at)

    def decide(self, kind: str, reason: str, revokes: int | None = None, order: str = "o") -> None:
        self.given += 1
        self.repeat(self.given, kind, reason, revokes, order)

    def repeat(
        self, number: int, kind: str, reason: str, revokes: int | None = None, order: str = "o"
    ) -> None:
        body: dict[str, Any] = {"order_id": order, "reason": reason, "due": DUE.isoformat()}
        if revokes is not None:
            body["revokes"] = {"id": str(revokes)}
        headers = [
            ("ce_id", str(number).encode()),
            ("ce_type", f"marketplace.order.{kind}.v1".encode()),
        ]
        record = SimpleNamespace(headers=headers, value=json.dumps(body).encode())
        self.audit.take(record)

    def findings(self, *, everything: bool = True) -> Sequence[Finding]:
        return [finding for _, finding, _ in self.audit.check(everything=everything)]


@pytest.fixture
def run() -> Run:
    return Run()


def test_a_silent_order_that_is_cancelled_is_in_order(run: Run) -> None:
    run.decide(*CANCEL)
    assert run.findings() == []


def test_a_cancel_against_evidence_in_time_is_false(run: Run) -> None:
    run.publish(CONFIRMED, at=BEFORE)
    run.decide(*CANCEL)
    assert run.findings() == [Finding.FALSE_CANCEL]


def test_it_stays_false_when_it_is_revoked(run: Run) -> None:
    run.publish(CONFIRMED, at=BEFORE)
    run.decide(*CANCEL)
    run.decide("decision-revoked", "late-evidence", revokes=1)
    assert run.findings() == [Finding.FALSE_CANCEL]


def test_a_cancel_of_a_shielded_order_is_false(run: Run) -> None:
    run.publish(UNREADABLE, at=BEFORE)
    run.decide(*CANCEL)
    assert run.findings() == [Finding.FALSE_CANCEL]


def test_a_cancel_of_an_order_that_nobody_created_is_false(run: Run) -> None:
    run.decide(*CANCEL)
    run.decide(*CANCEL, order="stranger")
    assert run.findings() == [Finding.FALSE_CANCEL]


def test_no_verdict_is_a_missed_deadline(run: Run) -> None:
    assert run.findings() == [Finding.MISSED_DEADLINE]


def test_the_wrong_verdict_is_a_missed_deadline(run: Run) -> None:
    run.publish(Fact("start-handling", BEFORE, False), at=BEFORE)
    run.decide("escalation", "dispute-open")
    assert run.findings() == [Finding.MISSED_DEADLINE]


def test_late_evidence_has_to_revoke(run: Run) -> None:
    run.decide(*CANCEL)
    run.publish(CONFIRMED, at=AFTER)
    assert run.findings() == [Finding.MISSED_DEADLINE]
    run.decide("decision-revoked", "late-evidence", revokes=1)
    assert run.findings() == []


def test_what_stood_in_the_log_before_the_worker_started_is_known_to_it(run: Run) -> None:
    run.publish(CONFIRMED, at=AFTER)
    run.audit.worker_starts()
    run.decide(*CANCEL)
    run.decide("decision-revoked", "late-evidence", revokes=1)
    assert run.findings() == [Finding.FALSE_CANCEL]


def test_a_repeat_with_the_same_id_counts_once(run: Run) -> None:
    run.decide(*CANCEL)
    run.repeat(1, *CANCEL)
    assert run.findings() == []
    assert run.audit.verdicts["auto-cancel"] == 1


def test_news_of_a_settled_order_are_looked_at(run: Run) -> None:
    run.decide(*CANCEL)
    assert run.findings(everything=False) == []
    run.decide("escalation", "late-dispute")
    assert run.findings(everything=False) == [Finding.MISSED_DEADLINE]


def test_an_order_has_time_for_its_verdict() -> None:
    run = Run()
    run.publish(Fact("ready-for-handling", BEFORE), at=datetime.now(UTC))
    assert run.findings(everything=False) == []
    assert run.findings(everything=True) == [Finding.MISSED_DEADLINE]
