"""`plazo policy`: policies in words, with worked dates."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from worker.__main__ import app
from worker.operations.policies import (
    Example,
    deadline_in_words,
    duration_in_words,
    examples,
    orders_in_words,
)
from worker.policy.file import parse

FILE = """\
version: 3
statuses: {aceptado: start-handling}
calendars:
  lima: {zone: America/Lima, hours: {mon-fri: 09:00-18:00}, holidays: PE}
policies:
  - {name: tests, when: {labels: {test: "true"}}, window: P1D, at_lapse: none}
  - name: dear
    when: {total: {at_least: 500, currency: PEN}, seller: [a, b]}
    window: 2 working days
    calendar: lima
    reminders: [PT1H]
    at_lapse: escalate
  - {name: hours, when: {seller: c}, window: P2D, calendar: lima, stops: payment-pending}
  - name: cut
    when: {currency: USD}
    cut_off: {until: 14:00, by: 19:00}
    clock: ready-for-handling
    calendar: lima
    facts_missing: ignore
  - {name: others, due_from: order}
"""
RULES = parse(FILE, timedelta(seconds=30)).rules
LIMA = ZoneInfo("America/Lima")


def lima(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LIMA)


def test_policies_in_words() -> None:
    assert [orders_in_words(rule) for rule in RULES] == [
        "orders with test=true",
        "orders of 2 sellers, of at least 500, in PEN",
        "orders of seller c",
        "orders in USD; without doubt about orders that do not tell it",
        "all other orders",
    ]
    assert [deadline_in_words(rule.policy) for rule in RULES] == [
        "24 hours from the entry of the order",
        "2 working days (lima) from the entry of the order",
        "48 hours of working time (lima) from the entry of the order; payment-pending stops the "
        "clock until a status that gives it to the seller",
        "until 14:00 of a working day by 19:00 (lima), from ready-for-handling",
        "the due that the order tells, or else 24 hours from the entry of the order",
    ]


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(hours=1), "1 hour"),
        (timedelta(days=2, minutes=1), "48 hours 1 minute"),
        (timedelta(seconds=90.5), "1 minute 30.5 seconds"),
        (timedelta(0), "0 seconds"),
    ],
)
def test_durations_in_words(duration: timedelta, text: str) -> None:
    assert duration_in_words(duration) == text


def test_three_worked_dates() -> None:
    """Peru has holidays on 8 and 9 December, and none before."""
    dear = RULES[1].policy
    grace = timedelta(seconds=30)
    found = examples(dear, lima("2026-11-26T13:09:59"))
    pairs = [
        ("2026-11-26T13:09", "2026-11-30T13:09"),
        ("2026-11-27T17:30", "2026-12-01T17:30"),
        ("2026-12-07T17:30", "2026-12-11T17:30"),
    ]
    assert found == [Example(lima(a), lima(b), lima(b) + grace) for a, b in pairs]
    # On a Friday evening, the next one.
    assert examples(dear, lima("2026-11-27T17:30"))[1].start == lima("2026-12-04T17:30")
    # Without a holiday, a Saturday.
    assert examples(RULES[0].policy, lima("2026-11-26T13:09"))[2].start.isoformat() == (
        "2026-11-28T10:00:00+00:00"
    )


def run(tmp_path: Path, *arguments: str) -> str:
    file = tmp_path / "policies.yaml"
    file.write_text(FILE, encoding="utf-8")
    result = CliRunner().invoke(
        app, ["policy", *arguments], env={"PLAZO_POLICY_FILE": str(file), "COLUMNS": "200"}
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_policy_check_prints_them(tmp_path: Path) -> None:
    shown = run(tmp_path, "check")
    assert "2 working days (lima) from the entry of the order" in shown
    assert "1 hour of working time before" in shown
    assert shown.count("verdict if silent") == len(RULES)
    assert "start (America/Lima)" in shown
    assert "no verdict" in shown
    assert "aceptado" in shown
    told = json.loads(run(tmp_path, "check", "--json"))
    assert [len(policy["examples"]) for policy in told] == [3] * len(RULES)


def test_policy_show_knows_labels_and_doubt(tmp_path: Path) -> None:
    shown = run(tmp_path, "show", "--seller", "a", "--label", "TEST=True")
    assert "tests, version 3" in shown
    told = json.loads(run(tmp_path, "show", "--seller", "A", "--json"))["now"]
    assert (told["policy"], told["doubt"]) == ("others", "facts-missing")
    assert "escalates" in run(tmp_path, "show", "--seller", "A")
