"""Who counts as gone, from the beats that a worker sees of the others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from worker.runtime.peers import INTERVAL, Peer, Peers

SILENT = 5.0
BEGAN = datetime(2026, 11, 22, 15, tzinfo=UTC)
LIVE = Peer(
    name="a",
    owner="a/1",
    member_id="member-1",
    absence=timedelta(0),
    beat_at=BEGAN,
    age=timedelta(0),
    stopped=False,
    session_ended=False,
    removed_for=None,
)
ENDED = replace(LIVE, session_ended=True)


def watched(*rows: Peer, interval: float = INTERVAL) -> float | None:
    """The seconds after the first of these looks until the worker is lost, if it ever is."""
    peers = Peers(SILENT)
    for number, row in enumerate(rows):
        peers.look([row], number * interval)
        if peers.lost([row]):
            return number * interval
    return None


def beating(row: Peer, count: int) -> list[Peer]:
    return [replace(row, beat_at=BEGAN + timedelta(seconds=n * INTERVAL)) for n in range(count)]


def test_a_worker_that_beats_stays() -> None:
    assert watched(*beating(LIVE, 100)) is None
    # Between two beats its connection may have been closed.
    assert watched(*beating(ENDED, 100)) is None


def test_a_worker_whose_session_ended_is_lost_after_a_second() -> None:
    assert watched(*[ENDED] * 20) == 1.0


def test_a_worker_that_is_silent_is_lost_later() -> None:
    assert watched(*[LIVE] * 20) == SILENT


def test_one_that_died_before_the_first_look_is_lost_at_once() -> None:
    assert watched(replace(ENDED, age=timedelta(seconds=3))) == 0.0
    # Without a proof the database may have stood still.
    assert watched(replace(LIVE, age=timedelta(seconds=300))) is None


def test_the_time_in_which_we_saw_nothing_does_not_count() -> None:
    peers = Peers(SILENT)
    peers.look([LIVE], 0)
    peers.look([LIVE], 100)  # Postgres was away, or we were frozen
    assert not peers.lost([LIVE])
    peers = Peers(SILENT)
    peers.look([ENDED], 0)
    peers.look([replace(ENDED, beat_at=BEGAN + timedelta(seconds=1))], 0.5)
    assert not peers.gone(replace(ENDED, beat_at=BEGAN + timedelta(seconds=1)))


def test_a_worker_with_a_name_has_time_to_come_back() -> None:
    absent = timedelta(seconds=4)
    assert watched(*[replace(ENDED, absence=absent)] * 20) == 4.0
    stopped = replace(LIVE, absence=absent, stopped=True)
    assert watched(*[stopped] * 20) == 4.0
    # But its successor need not wait.
    peers = Peers(SILENT)
    peers.look([stopped], 0)
    assert peers.gone(stopped)


def test_its_successor_beats_for_it() -> None:
    absent = replace(ENDED, absence=timedelta(seconds=2))
    back = replace(LIVE, absence=absent.absence, owner="a/2", beat_at=BEGAN + timedelta(seconds=2))
    assert watched(*[absent] * 4, *beating(back, 20)) is None


def test_a_worker_that_is_no_member_needs_no_removal() -> None:
    assert watched(*[replace(ENDED, member_id=None)] * 20) is None


def test_a_worker_is_not_removed_again_and_again() -> None:
    assert watched(*[replace(ENDED, removed_for=timedelta(seconds=59))] * 20) is None
    assert watched(*[replace(ENDED, removed_for=timedelta(seconds=61))] * 20) == 1.0
