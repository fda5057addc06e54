"""A refused record leaves a line in the log, and a flood leaves few."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.events import RefusalClass
from worker.clock import SystemClock
from worker.ingest import refusal_log
from worker.ingest.refusal_log import RefusalLog
from worker.ingest.rows import Rows, add_dead_letter
from worker.records import Record, Refusal


class _Clock(SystemClock):
    passed = 0.0

    def monotonic(self) -> float:
        return self.passed


def refused(number: int, offset: int = 7) -> Rows:
    rows = Rows(datetime(2026, 11, 27, tzinfo=UTC))
    for each in range(number):
        record = Record("acts", 2, offset + each, 0, b"o-1", b"Zoraida", ())
        refusal = Refusal(RefusalClass.NOT_JSON, "value: not JSON", ("o-1",))
        add_dead_letter(rows, record, refusal, 4)
    return rows


def test_refused_records_are_logged_with_their_place_at_a_bounded_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(refusal_log.log, "warning", lambda event, **said: lines.append(said))
    clock = _Clock()
    log = RefusalLog(4, clock)
    log.committed(Rows(datetime(2026, 11, 27, tzinfo=UTC)))
    assert lines == []
    for batch in range(50):
        log.committed(refused(20, offset=20 * batch))
        clock.passed += 0.1
    assert len(lines) == 5
    assert lines[0] == {
        "lane": 4, "refused": 20, "topic": "acts", "partition": 2, "offset": 0,
        "error": "not-json", "message": "value: not JSON",
    }  # fmt: skip
    assert sum(line["refused"] for line in lines) >= 800
    assert "Zoraida" not in str(lines)
    assert "o-1" not in str(lines)
