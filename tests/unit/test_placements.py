"""Which lanes live in which database: what the setting may say, and what it means."""

import pytest
from pydantic import ValidationError

from worker.placements import Placements, Span
from worker.settings import Settings

ONE, TWO, THREE = (f"postgresql://plazo:secret@host-{n}/plazo" for n in (1, 2, 3))


def test_one_database_is_home_to_all() -> None:
    placements = Placements.of(ONE, "")
    assert placements.urls == [ONE]
    assert {placements.database_of(lane) for lane in range(100)} == {0}
    assert placements.elsewhere(0) == "{}"


def test_each_lane_has_its_database() -> None:
    placements = Placements.of(ONE, f"6-8,11={TWO}\n  12-={THREE}")
    homes = [placements.database_of(lane) for lane in range(15)]
    assert homes == [0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("lanes", "first", "second"),
    [
        ("6-8,11", "{[6,9),[11,12)}", "{[0,6),[9,11),[12,)}"),
        ("0", "{[0,1)}", "{[1,)}"),
        ("0-", "{[0,)}", "{}"),
        ("4-", "{[4,)}", "{[0,4)}"),
    ],
)
def test_each_database_knows_what_lives_elsewhere(lanes: str, first: str, second: str) -> None:
    placements = Placements.of(ONE, f"{lanes}={TWO}")
    assert (placements.elsewhere(0), placements.elsewhere(1)) == (first, second)


@pytest.mark.parametrize(
    "more",
    [
        "6-8",
        f"={TWO}",
        f"6-8={TWO} extra",
        "6-8=mysql://host/plazo",
        f"8-6={TWO}",
        f"x={TWO}",
        f"1-2-3={TWO}",
        f"-3={TWO}",
        f"6={TWO} 6={THREE}",
        f"6-={TWO} 9={THREE}",
        f"6,6={TWO}",
        f"6={TWO} 7={TWO}",
        f"6={ONE}",
        f"٣={TWO}",
    ],
)
def test_what_cannot_be_meant_is_refused_without_its_password(more: str) -> None:
    with pytest.raises(ValueError, match=r"^(entry|lane) \d") as refused:
        Placements.of(ONE, more)
    assert "secret" not in str(refused.value)


def test_the_setting_is_checked_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAZO_DATABASE_URL", ONE)
    monkeypatch.setenv("PLAZO_DATABASE_LANES", f"6-8={ONE}")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "secret" not in str(refused.value)


def test_a_span_without_an_end() -> None:
    assert 10**6 in Span(3, None)
    assert 2 not in Span(3, None)
