"""The policy file: its meaning, and the reports of its mistakes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from worker.domain.policy import AtLapse, Facts
from worker.errors import PolicyInvalid
from worker.policy.file import parse

GRACE = timedelta(seconds=30)
FILE = """\
version: 3
calendars:
  lima:
    zone: America/Lima
    hours:
      mon-fri: 09:00-18:00
      sat: [09:00-11:00, 12:00-13:00]
    holidays: PE
    closed: [2026-12-24]
policies:
  - name: prudent
    when: {seller: [s-1, s-2]}
    window: PT24H
    at_lapse: escalate
  - name: dear
    when:
      total: {at_least: 500, currency: PEN}
    window: PT9H
    calendar: lima
    grace: PT5M
    dispute: {type: XX, text: Sin stock}
  - name: courier
    when: {fulfilment: courier}
    clock: ready-for-handling
    cut_off: {until: 14:00, by: "19:00"}
    calendar: lima
  - name: others
    window: P1D
"""
POLICIES = parse(FILE, GRACE)
# 2026-12-08 and 9 are holidays in Peru, 2026-12-24 one of our own.
MONDAY = datetime(2026, 12, 7, 16, tzinfo=UTC)  # 11:00 in Lima


def facts(seller="s-9", fulfilment="dropshipping", total=None, currency=None) -> Facts:
    return Facts(seller, fulfilment, Decimal(total) if total else None, currency)


@pytest.mark.parametrize(
    ("order", "name"),
    [
        (facts("s-1", "courier", "900", "PEN"), "prudent"),  # the first that matches
        (facts(total="500", currency="PEN"), "dear"),
        (facts(total="499.99", currency="PEN"), "others"),
        (facts(total="900", currency="USD"), "others"),
        (facts(), "others"),  # no total
        (facts(fulfilment="courier"), "courier"),
    ],
)
def test_the_first_rule_that_matches_counts(order: Facts, name: str) -> None:
    assert POLICIES.choose(order).name == name


def test_terms() -> None:
    prudent, dear, courier, others = (rule.policy for rule in POLICIES.rules)
    assert prudent.at_lapse == AtLapse.ESCALATE
    assert (dear.grace, others.grace) == (timedelta(minutes=5), GRACE)
    assert (dear.dispute.type, dear.dispute.text) == ("XX", "Sin stock")
    assert {rule.policy.version for rule in POLICIES.rules} == {3}
    assert POLICIES.clocks == {"ready-for-handling"}
    # Monday 11:00 to 18:00, and two hours of Thursday.
    assert dear.due(MONDAY) == datetime(2026, 12, 10, 16, tzinfo=UTC)
    assert courier.due(MONDAY) == datetime(2026, 12, 8, 0, tzinfo=UTC)  # 19:00 in Lima
    assert courier.due(MONDAY + timedelta(hours=4)) == datetime(2026, 12, 11, 0, tzinfo=UTC)
    assert others.due(MONDAY) == MONDAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("change", "report"),
    [
        (("version: 3", "version: 0"), ":1: version: "),
        (("America/Lima", "America/Lma"), ":4: calendars.lima.zone: no time zone of this name"),
        (("09:00-18:00", "18:00-09:00"), ":6: calendars.lima.hours.mon-fri.0: closes before"),
        (("09:00-18:00", "09:00"), ":6: calendars.lima.hours.mon-fri.0: not hours such as"),
        (("mon-fri", "mon-fry"), "not weekdays such as mon-fri"),
        (("12:00-13:00", "10:00-13:00"), ":3: calendars.lima: hours overlap on sat"),
        (("holidays: PE", "holidays: ZZZ"), ":3: calendars.lima: no country or part of this code"),
        (("window: PT24H", "window: 24"), ":13: policies.0.window: "),
        (("window: PT24H", "window: P1M"), ":13: policies.0.window: years and months"),
        (("window: PT24H", "window: PT0S"), ":13: policies.0.window: "),
        (("    window: PT24H\n", ""), ":11: policies.0: needs either window or cut_off"),
        (("at_lapse: escalate", "at_lapse: ignore"), ":14: policies.0.at_lapse: "),
        (("at_lapse: escalate", "atlapse: escalate"), ":14: policies.0.atlapse: "),
        (("at_least: 500", "at_least: 500, below: 400"), ":17: policies.1.when.total: at_least"),
        (("at_least: 500", "at_least: 12.5"), ":17: policies.1.when.total.at_least: "),
        (("calendar: lima\n    grace", "calendar: cusco\n    grace"), "there is no calendar cusco"),
        (("clock: ready-for-handling", "clock: canceled"), "canceled settles an order"),
        (("name: dear", "name: prudent"), "two policies are called prudent"),
        (("    when: {fulfilment: courier}\n", ""), "courier has no `when`"),
        (("    window: P1D\n", "    window: P1D\n    when: {currency: PEN}\n"), "the last policy"),
        (("PT9H", "PT8760H"), "dear: impossible window: calendar lima has too little"),
        (("    at_lapse: escalate\n", "    window: PT1H\n"), ":14: window: given twice"),
        (("policies:", "policies: ["), "policy file"),
    ],
    ids=lambda change: str(change)[:50],
)
def test_mistakes_are_reported_with_their_line(change: tuple[str, str], report: str) -> None:
    text = FILE.replace(*change, 1)
    assert text != FILE
    with pytest.raises(PolicyInvalid) as caught:
        parse(text, GRACE)
    assert report in str(caught.value)


def test_all_mistakes_are_reported_at_once() -> None:
    text = FILE.replace("America/Lima", "Mars").replace("PT24H", "soon").replace("PT9H", "x")
    with pytest.raises(PolicyInvalid) as caught:
        parse(text, GRACE)
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("text", ["", "42", "[]", "version: 1", "\0", "a: b: c", "a: !!python/x y"])
def test_what_is_no_policy_file_is_refused(text: str) -> None:
    with pytest.raises(PolicyInvalid):
        parse(text, GRACE)


def test_the_example_of_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "docs/how-to/policies.md").read_text(encoding="utf-8")
    policies = parse(readme.split("```yaml\n")[1].split("```")[0], GRACE)
    dear = policies.choose(facts(total="700", currency="PEN"))
    assert dear.due(MONDAY) == datetime(2026, 12, 10, 16, tzinfo=UTC)
    assert policies.choose(facts("s-2", "courier")).at_lapse == AtLapse.ESCALATE
