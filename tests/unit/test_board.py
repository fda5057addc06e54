"""The parts of the board that need neither browser nor database: sign-in, texts, charts."""

import json
import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from pydantic import ValidationError

from worker.board import history
from worker.board.access import Access, Person, Refused, Role
from worker.board.history import Lapses, Trend, Verdicts
from worker.domain.case import Kind, Outcome, Reason
from worker.observability.guards import Guards
from worker.observability.labels import Guard
from worker.observability.metrics import Metrics
from worker.operations.sentences import SENTENCES
from worker.settings import Settings

TOKEN = "a-token-of-the-board"
PROXY: dict[str, Any] = {
    "board_user_header": "X-User",
    "board_role_header": "X-Roles",
    "board_proxies": "10.0.0.7, fd00::/8",
}
ASSETS = files("worker.board").joinpath("assets")
OWN: dict[str, dict[str, str]] = json.loads(ASSETS.joinpath("texts.json").read_text("utf-8"))
TEXTS = {language: SENTENCES[language] | texts for language, texts in OWN.items()}


def request(peer: str, *headers: tuple[str, str]) -> web.Request:
    transport = Mock()
    transport.get_extra_info = lambda name, default=None: (
        (peer, 5) if name == "peername" else default
    )
    return make_mocked_request("GET", "/", CIMultiDict(headers), transport=transport)


def person(peer: str, *headers: tuple[str, str], **settings: Any) -> Person:
    return Access(Settings(**{**PROXY, **settings})).person(request(peer, *headers))


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        ("support", Role.SUPPORT),
        ("staff,operator", Role.OPERATOR),
        ("support, operator", "operator"),
    ],
)
@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7", "fd00::1"])
def test_a_trusted_proxy_names_people_and_their_roles(peer: str, roles: str, role: str) -> None:
    assert person(peer, ("X-User", "ana"), ("X-Roles", roles)) == Person("ana", Role(role))


@pytest.mark.parametrize("peer", ["10.0.0.8", "::1", "fe80::1%eth0"])
def test_from_any_other_address_the_headers_are_nothing(peer: str) -> None:
    headers = (("X-User", "ana"), ("X-Roles", "operator"))
    with pytest.raises(Refused) as refused:
        person(peer, *headers)
    assert refused.value.status == 401
    with pytest.raises(Refused, match="token"):
        person(peer, *headers, board_token=TOKEN)


@pytest.mark.parametrize(
    "headers",
    [
        # The client's own headers, which the proxy did not remove.
        [("X-User", "ana"), ("X-User", "eve"), ("X-Roles", "operator")],
        [("X-User", "ana"), ("X-Roles", "support"), ("X-Roles", "operator")],
        [("X-User", "  "), ("X-Roles", "operator")],
        [("X-User", "a" * 201), ("X-Roles", "operator")],
        [("X-User", "ana")],
        [("X-User", "ana"), ("X-Roles", "staff")],
        [("X-User", "ana"), ("X-Roles", "Operator")],
        [("X-User", "ana"), ("X-Roles", "operator"), ("Sec-Fetch-Site", "cross-site")],
    ],
)
def test_who_is_not_named_once_with_a_role_is_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Refused) as refused:
        person("10.0.0.7", *headers)
    assert refused.value.status == 403


def test_the_names_of_roles_are_settings() -> None:
    given = {"board_operators": "sre,ops", "board_support": "helpdesk"}
    found = person("10.0.0.7", ("X-User", "ana"), ("X-Roles", "helpdesk"), **given)
    assert found.role == Role.SUPPORT
    with pytest.raises(Refused):
        person("10.0.0.7", ("X-User", "ana"), ("X-Roles", "operator"), **given)


def test_a_token_opens_the_board_and_names_nobody() -> None:
    access = Access(Settings(board_token=TOKEN))
    found = access.person(request("8.8.8.8", ("Authorization", f"Bearer {TOKEN}")))
    assert found == Person(None, Role.OPERATOR)
    assert not access.nobody
    assert Access(Settings()).nobody


@pytest.mark.parametrize("left_out", PROXY)
def test_half_a_proxy_is_refused(left_out: str) -> None:
    given = {name: value for name, value in PROXY.items() if name != left_out}
    with pytest.raises(ValidationError, match="go together"):
        Settings(**given)


@pytest.mark.parametrize("value", ["proxy.local", "10.0.0.7/8", "10.0.0.1 10.0.0.2"])
def test_proxies_are_addresses(value: str) -> None:
    with pytest.raises(ValidationError, match="not a list of addresses"):
        Settings(**{**PROXY, "board_proxies": value})


def test_each_code_has_a_text_in_each_language() -> None:
    wanted = {f"kind.{one}" for one in Kind} | {f"reason.{one}" for one in Reason}
    wanted |= {f"guard.{one}" for one in Guard} | {f"outcome.{one}" for one in Outcome}
    for texts in TEXTS.values():
        assert wanted - texts.keys() == set()


def test_no_text_stands_in_two_places() -> None:
    for language, texts in OWN.items():
        assert texts.keys() & SENTENCES[language].keys() == set()


def test_both_languages_have_the_same_texts_with_the_same_places() -> None:
    english, spanish = TEXTS["en"], TEXTS["es"]
    assert list(english) == list(spanish)
    for key, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", spanish[key]))


def test_each_text_is_used_and_each_used_text_is_there() -> None:
    pages = "".join(
        file.read_text("utf-8") for file in ASSETS.iterdir() if file.name.endswith((".js", ".html"))
    )
    named = set(re.findall(r"""["']([a-z][a-z.-]*)["']""", pages))
    families = (*re.findall(r"`([a-z]+\.)\$\{", pages), "outcome.", "kind.", "seen.")
    unused = {key for key in OWN["en"] if key not in named and not key.startswith(families)}
    assert unused == set()
    called = set(re.findall(r"""\bt\(["']([a-z][a-z.-]*)["']""", pages))
    called |= set(re.findall(r'data-(?:text|label|hint)="([^"]+)"', pages))
    called |= {key for key in named if key.startswith(("col.", "line.", "tile."))}
    assert called - TEXTS["en"].keys() == set()


def test_a_guard_is_lasting_once_it_has_held_without_a_break() -> None:
    now = 0.0
    guards = Guards(Metrics(Settings()), monotonic=lambda: now)
    guards.hold(Guard.BEHIND, 3)
    guards.hold(Guard.CLOCK, 1)
    now = 4.0
    guards.hold(Guard.BEHIND, 0)  # a verdict fell in between
    guards.hold(Guard.BEHIND, 2)
    now = 6.0
    assert guards.lanes == {Guard.BEHIND: 2, Guard.CLOCK: 1}
    assert guards.lasting(5.0) == {Guard.CLOCK: 1}
    now = 9.0
    guards.hold(Guard.BEHIND, 1)
    assert guards.lasting(5.0) == {Guard.BEHIND: 1, Guard.CLOCK: 1}


NOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Stored:
    """Verdicts of one lane, one each minute up to ``now``, and the ranges that were read."""

    def __init__(self, verdicts: int) -> None:
        self.verdicts = verdicts
        self.ranges: list[tuple[int, int]] = []

    async def rows(self, name: str, *arguments: Any) -> list[dict[str, Any]]:
        if name == "lanes":
            return [{"lane": 0, "sequence": self.verdicts}]
        assert name == "board_history"
        _, low, high = arguments
        self.ranges.append((low, high))
        counted: dict[datetime, int] = {}
        for sequence in range(low + 1, high + 1):
            hour = self.at(sequence).replace(minute=0)
            counted[hour] = counted.get(hour, 0) + 1
        return [
            {"hour": hour, "kind": "escalation", "verdicts": n, "late": timedelta(seconds=n)}
            for hour, n in counted.items()
        ]

    def at(self, sequence: int) -> datetime:
        return NOW - (self.verdicts - sequence) * timedelta(minutes=1)


async def test_verdicts_are_counted_in_steps_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_STEP", 1_000)
    verdicts, stored = Verdicts(), Stored(20_000)
    first = await verdicts.read(stored, NOW)  # type: ignore[arg-type]
    assert not first["whole"]
    assert sum(one["escalation"] for one in first["hours"]) == 4_000
    for _ in range(5):
        found = await verdicts.read(stored, NOW)  # type: ignore[arg-type]
    assert found["whole"]
    assert stored.ranges[-1][0] >= 20_000 - 7 * 24 * 60 - 2_000  # no further than the week
    assert sum(one["escalation"] for one in found["hours"]) == 7 * 24 * 60 + 31
    assert max(one["late"] for one in found["hours"]) == timedelta(seconds=60)
    read, stored.verdicts = len(stored.ranges), 20_003
    newer = await verdicts.read(stored, NOW)  # type: ignore[arg-type]
    assert stored.ranges[read:] == [(20_000, 20_003)]
    assert sum(one["escalation"] for one in newer["hours"]) == 7 * 24 * 60 + 34
    stored.verdicts = 10  # the database was restored from an older back-up
    again = await verdicts.read(stored, NOW)  # type: ignore[arg-type]
    assert sum(one["escalation"] for one in again["hours"]) == 10


class Entered:
    """One order in each hour of entry, due a day later, kept once that is over."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked: list[datetime] = []

    async def rows(self, name: str, *arguments: Any) -> list[dict[str, Any]]:
        assert name == "board_lapses"
        hour, until = arguments
        assert until - hour == HOUR
        self.asked.append(hour)
        due = hour + timedelta(days=1)
        outcome = "kept" if due < self.now else None
        return [{"hour": due, "outcome": outcome, "orders": 1}]


async def test_lapses_are_counted_by_deadline_and_open_hours_again() -> None:
    lapses, stored = Lapses(timedelta(days=1)), Entered()
    found: dict[str, Any] = {"whole": False}
    while not found["whole"]:
        found = await lapses.read(stored, NOW)  # type: ignore[arg-type]
    assert len(stored.asked) == len(set(stored.asked)) == 8 * 24 + 1
    assert {one["kept"] for one in found["hours"]} == {1}
    assert len(found["hours"]) == 7 * 24 + 1
    assert found["hours"][-1]["hour"] == NOW.replace(minute=0)
    stored.asked.clear()
    stored.now = later = NOW + HOUR
    for _ in range(3):
        found = await lapses.read(stored, later)  # type: ignore[arg-type]
    # Those of the last day, of which orders are open; no other.
    assert min(stored.asked) >= NOW.replace(minute=0) - timedelta(days=1)
    assert found["hours"][-1] == {"hour": later.replace(minute=0), "kept": 1}


def test_the_trend_keeps_the_highest_of_each_minute_and_no_more_than_a_day() -> None:
    now = NOW
    clock = Mock(now=lambda: now)
    settings = Settings()
    metrics = Metrics(settings)
    trend = Trend(metrics, clock)
    lag = metrics.lag_records.labels(settings.order_created_topic, 0)
    for value in (5, 9, 2):
        lag.set(value)
        trend.look()
    assert trend.points() == [{"at": NOW, "lag": 9.0, "delay": 0.0}]
    for _ in range(1_500):
        now += timedelta(minutes=1)
        trend.look()
    assert len(trend.points()) == 24 * 60
