"""What operators asked of policies: labels, told deadlines, working days, words, missing facts."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from schemas.statuses import Meaning
from worker.domain.policy import AtLapse, Facts, Policies, told_due
from worker.errors import PolicyInvalid
from worker.policy.file import parse

GRACE = timedelta(seconds=30)
LIMA = ZoneInfo("America/Lima")
ENTERED = datetime(2026, 11, 26, 13, 9, tzinfo=LIMA)  # a Thursday
CALENDAR = "calendars: {lima: {zone: America/Lima, hours: {mon-fri: 09:00-18:00}}}\n"


def policies(text: str, head: str = "", window: timedelta = timedelta(hours=24)) -> Policies:
    return parse(f"version: 1\n{head}policies:\n{text}", GRACE, window)


def refusal(text: str, head: str = "") -> str:
    with pytest.raises(PolicyInvalid) as caught:
        policies(text, head)
    return str(caught.value)


def facts(
    seller: str = "s-9",
    total: str | None = None,
    currency: str | None = None,
    labels: Mapping[str, str] | None = None,
    due: datetime | None = None,
) -> Facts:
    amount = None if total is None else Decimal(total)
    return Facts(seller, "courier", amount, currency, labels or {}, due)


# Labels, sellers, and no verdict.

LABELLED = policies(
    """\
  - {name: tests, when: {labels: {test: "true", Channel: App}}, window: PT1H, at_lapse: none}
  - {name: others, window: PT2H}
"""
)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"test": "true", "channel": "app"}, "tests"),
        ({" TEST ": " True", "channel": "APP ", "gift": "no"}, "tests"),
        ({"test": "true"}, "others"),  # all must match
        ({"test": "false", "channel": "app"}, "others"),
        ({}, "others"),
    ],
)
def test_labels_match_without_blanks_and_case(labels: dict[str, str], name: str) -> None:
    assert LABELLED.choose(facts(labels=labels)).name == name
    assert not LABELLED.lacks(facts(labels=labels))  # a label that is missing is no match


def test_at_lapse_none_is_a_term() -> None:
    assert LABELLED.rules[0].policy.at_lapse == AtLapse.NONE
    assert LABELLED.rules[0].policy.terms(ENTERED)[-1] == "none"


def test_a_label_is_a_text_in_quotes() -> None:
    text = "  - {name: a, when: {labels: {test: true}}, window: PT1H}\n"
    assert 'write it in quotes, such as "true"' in refusal(text)


@pytest.mark.parametrize("seller", ["s-9", "S-9", " s-9 "])
def test_sellers_match_without_blanks_and_case(seller: str) -> None:
    found = policies(
        "  - {name: a, when: {seller: ' S-9'}, window: PT1H}\n  - {name: b, window: PT1H}\n"
    )
    assert found.choose(facts(seller)).name == "a"


def test_an_unknown_fulfilment_matches_as_text() -> None:
    found = policies(
        "  - {name: a, when: {fulfilment: Pickup}, window: PT1H}\n  - {name: b, window: PT1H}\n"
    )
    assert found.choose(Facts("s", "pickup ", None, None)).name == "a"


# Facts that are missing.

AMOUNTS = """\
  - {name: trusted, when: {seller: s-1, total: {at_least: 500, currency: PEN}}, window: PT1H}
  - {name: dear, when: {total: {at_least: 500, currency: PEN}}, window: PT1H, at_lapse: escalate}
  - {name: others, window: PT1H}
"""


@pytest.mark.parametrize(
    ("order", "lacks"),
    [
        (facts(), True),
        (facts(total="900"), True),  # no currency
        (facts(currency="PEN"), True),  # no total
        (facts(total="100"), False),  # too little, whatever the currency
        (facts(currency="USD"), False),
        (facts(total="100", currency="PEN"), False),
        (facts(total="900", currency="PEN"), False),  # of another seller than trusted
    ],
)
def test_a_rule_that_needs_a_missing_fact_is_in_doubt(order: Facts, lacks: bool) -> None:
    assert policies(AMOUNTS).lacks(order) == lacks


def test_a_rule_behind_that_of_the_order_needs_nothing() -> None:
    found = policies("  - {name: s, when: {seller: s-9}, window: PT1H}\n" + AMOUNTS)
    assert not found.lacks(facts())


def test_the_file_or_a_policy_may_ignore_missing_facts() -> None:
    assert not policies(AMOUNTS, "facts_missing: ignore\n").lacks(facts())
    one = AMOUNTS.replace("at_lapse: escalate", "at_lapse: escalate, facts_missing: ignore")
    assert not policies(one).lacks(facts())
    assert policies(one).lacks(facts("s-1"))  # the other rule still asks
    both = one.replace("{name: trusted", "{name: trusted, facts_missing: escalate")
    assert policies(both, "facts_missing: ignore\n").lacks(facts("s-1"))


# A deadline that the order tells.

TOLD = "  - {name: told, due_from: order}\n"


def test_the_due_of_the_order() -> None:
    found = policies(TOLD)
    told = ENTERED + timedelta(days=20)
    assert found.only is None  # each order has another deadline
    policy = found.choose(facts(due=told))
    assert policy.terms(ENTERED, told)[:2] == (told, told + GRACE)
    assert not found.lacks(facts(due=told))
    assert found.longest == timedelta(days=365) + GRACE


def test_an_order_without_due_gets_the_window_of_the_settings_and_a_doubt() -> None:
    found = policies(TOLD, window=timedelta(hours=6))
    assert found.lacks(facts())
    assert found.choose(facts()).due(ENTERED) == ENTERED + timedelta(hours=6)
    assert json.loads(found.rules[0].policy.source)["window"] == "PT6H"


@pytest.mark.parametrize("more", ["window: PT3H", "facts_missing: ignore"])
def test_the_file_says_what_holds_without_due(more: str) -> None:
    assert not policies(TOLD.replace("due_from", f"{more}, due_from")).lacks(facts())


@pytest.mark.parametrize(
    ("after", "plausible"),
    [
        (timedelta(seconds=-1), False),
        (timedelta(0), False),
        (timedelta(microseconds=1), True),
        (timedelta(days=365), True),
        (timedelta(days=365, microseconds=1), False),
    ],
)
def test_a_due_must_be_one(after: timedelta, plausible: bool) -> None:
    due = ENTERED + after
    assert told_due(ENTERED, due) == (due if plausible else None)
    assert told_due(ENTERED, None) is None


def test_a_clock_that_starts_behind_the_told_due_gets_the_window() -> None:
    policy = policies(TOLD.replace("due_from", "window: PT3H, due_from")).rules[0].policy
    assert policy.due(ENTERED, ENTERED) == ENTERED + timedelta(hours=3)


@pytest.mark.parametrize("more", ["clock: ready-for-handling", "stops: payment-pending"])
def test_a_told_due_has_no_clock(more: str) -> None:
    assert "the order tells its due" in refusal(TOLD.replace("due_from", f"{more}, due_from"))


# Working days and reminders.


def test_two_working_days() -> None:
    found = policies("  - {name: a, window: 2 working days, calendar: lima}\n", CALENDAR)
    due = datetime(2026, 11, 30, 13, 9, tzinfo=LIMA)
    assert found.rules[0].policy.due(ENTERED) == due
    terms = json.loads(found.rules[0].policy.source)
    assert terms["working_days"] == 2
    assert "window" not in terms


@pytest.mark.parametrize(
    ("text", "report"),
    [
        ("window: 2 working days", "working days need a calendar"),
        ("window: 0 working days, calendar: lima", "not a duration"),
        ("window: 366 working days, calendar: lima", "less than or equal to 365"),
        ("working_days: 2, calendar: lima", "such as window: 2 working days"),
        ("window: 1 working day, cut_off: {until: 14:00, by: 19:00}, calendar: lima", "either"),
    ],
)
def test_working_days_that_cannot_be(text: str, report: str) -> None:
    assert report in refusal(f"  - {{name: a, {text}}}\n", CALENDAR)


def test_reminders_in_working_time() -> None:
    due = datetime(2026, 11, 30, 9, 30, tzinfo=LIMA)
    spans = (timedelta(hours=1), timedelta(minutes=15), timedelta(days=300))
    text = "  - {name: a, window: PT9H, calendar: lima, reminders: [PT1H, PT15M]}\n"
    found = policies(text, CALENDAR)
    friday = datetime(2026, 11, 27, 17, 30, tzinfo=LIMA)
    clock = {due - span for span in spans}
    # The third lies further back than any clock can start.
    assert found.reminds_at("a", 1, due, spans) == {friday, due - timedelta(minutes=15)}
    assert found.reminds_at("a", 2, due, spans) == clock  # of a version that is gone
    assert policies(text.replace("calendar: lima, ", "")).reminds_at("a", 1, due, spans) == clock


# Words.


def test_words_of_the_file() -> None:
    head = "statuses: {Aceptado: start-handling, EnProceso: nothing, completed: handling}\n"
    known = policies("  - {name: a, window: PT1H}\n", head).vocabulary
    assert known.meaning("aceptado") == Meaning.HANDLING
    assert known.meaning("en-proceso") == Meaning.NOTHING
    assert known.meaning("completed") == Meaning.HANDLING  # mapped otherwise than the table
    assert known.meaning("foo") == Meaning.UNKNOWN


@pytest.mark.parametrize(
    ("statuses", "report"),
    [
        ("{foo: bar}", "bar is neither a known status nor one of canceled, canceled-in-part"),
        ("{foo: unknown}", "unknown is neither"),
        ("{StartHandling: nothing}", "StartHandling has its meaning by the contract"),
        ("{foo_bar: nothing, FooBar: handling}", "FooBar is given twice, with two meanings"),
    ],
)
def test_words_that_cannot_be(statuses: str, report: str) -> None:
    found = refusal("  - {name: a, window: PT1H}\n", f"statuses: {statuses}\n")
    assert report in found
    assert found.startswith("policy file:2: statuses")


def test_words_that_start_and_stop_a_clock() -> None:
    found = policies("  - {name: a, window: PT1H, clock: Received, stops: [PaymentPending, x]}\n")
    assert found.clocks == {"received"}
    assert found.stops == {"payment-pending", "x"}
    assert found.rules[0].policy.stops == {"payment-pending", "x"}
    # They move the clock, and say nothing else.
    assert {found.vocabulary.meaning(word) for word in ("received", "x")} == {Meaning.NOTHING}
    assert found.telling >= {"received", "payment-pending", "x"}


@pytest.mark.parametrize(
    ("more", "report"),
    [
        ("clock: invoiced", "a: invoiced settles an order: no clock starts with it"),
        ("clock: aceptado", "a: aceptado settles an order: no clock starts with it"),
        ("stops: Canceled", "a: canceled settles an order: no clock stops with it"),
        ("stops: order-created", "a: order-created cannot both start and stop the clock"),
        ("clock: x, stops: [X]", "a: x cannot both start and stop the clock"),
        ("clock: x, stops: ready-for-handling", "gives the order to the seller"),
        ("clock: x, stops: order-created", "gives the order to the seller"),
    ],
)
def test_clocks_that_cannot_be(more: str, report: str) -> None:
    head = "statuses: {aceptado: handling}\n"
    assert report in refusal(f"  - {{name: a, window: PT1H, {more}}}\n", head)


def test_the_stored_terms_of_a_file_that_uses_none_of_this_have_not_changed() -> None:
    found = policies("  - {name: a, window: PT1H, clock: Ready, reminders: [PT1M]}\n")
    assert json.loads(found.rules[0].policy.source) == {
        "window": "PT1H",
        "clock": "Ready",
        "grace": "PT30S",
        "at_lapse": "auto-cancel",
        "dispute": {
            "type": "CS",
            "text": "Stock break: the seller did not validate stock in time.",
        },
        "reminders": ["PT1M"],
    }


def test_conditions_are_no_terms() -> None:
    sources = {
        policies(text).rules[-1].policy.source
        for text in (
            "  - {name: a, window: PT1H}\n",
            "  - {name: a, window: PT1H, facts_missing: ignore}\n",
        )
    }
    assert len(sources) == 1
